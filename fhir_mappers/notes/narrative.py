"""Putting a note together from parts, with the offsets of its declared sections."""

from __future__ import annotations

from fhir_mappers.notes.plaintext import PlainText, tidy
from fhir_mappers.record import SectionSpan


class Assembly:
    """A text that grows by paragraphs and sections. Section offsets count in the finished text."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._sections: list[SectionSpan] = []

    @classmethod
    def of(cls, plain: PlainText) -> Assembly:
        """Return an assembly that begins with a finished text."""
        assembly = cls()
        assembly.paragraph(plain.text)
        assembly._sections += plain.sections
        return assembly

    @property
    def is_empty(self) -> bool:
        """Whether nothing but headings was added."""
        return not self._sections and not self._parts

    def open(self, title: str) -> int:
        """Begin a section with its title on a line of its own, and return where it begins."""
        begin = self._length + (2 if self._parts else 0)
        self.paragraph(title)
        return begin

    def close(self, begin: int, title: str, loinc: str | None) -> None:
        """End the section that began at `begin`; one without any words but its title is forgotten."""
        heading = tidy(title)
        if self._length > begin + len(heading):
            self._sections.append(SectionSpan(heading, begin, self._length, loinc))
        elif self._length == begin + len(heading) and heading:
            self._length -= len(self._parts.pop())

    def section(self, title: str, words: str, loinc: str | None) -> None:
        """Add a section with its title, unless it has no words."""
        if words.strip():
            begin = self.open(title)
            self.paragraph(words)
            self.close(begin, title, loinc)

    def paragraph(self, words: str) -> None:
        """Add words after an empty line; blank words add nothing."""
        plain = tidy(words)
        if plain.strip():
            joint = "\n\n" if self._parts else ""
            self._parts.append(joint + plain)
            self._length += len(joint) + len(plain)

    def finished(self) -> PlainText:
        """Return the text and its sections in order."""
        return PlainText("".join(self._parts), tuple(sorted(self._sections, key=lambda s: (s.begin, -s.end))))
