"""Plain text of a document, whatever its format was."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fhir_mappers.record import SectionSpan

_BREAK = re.compile(r"\r\n?|\f|\x0b|\x85|\u2028|\u2029")
_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # half characters that JSON may carry and no encoding can write
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class PlainText:
    """The text of a document, and the sections that the document itself declares, as offsets into it."""

    text: str
    sections: tuple[SectionSpan, ...] = ()
    remarks: tuple[str, ...] = ()  # what was lost or guessed on the way, for the user


def tidy(text: str) -> str:
    """Return the text with one kind of line break, no invisible characters and no more than one empty line in a row."""
    visible = _INVISIBLE.sub("", _BREAK.sub("\n", text)).replace("\u00a0", " ")
    if not visible.isascii():
        visible = _SURROGATE.sub("\ufffd", visible)
    lines = (line.rstrip() for line in visible.split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")
