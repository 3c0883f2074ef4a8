"""Plain text of a document, whatever its format was."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fhir_mappers.record import SectionSpan

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufeff\u200b]")


@dataclass(frozen=True, slots=True)
class PlainText:
    """The text of a document, and the sections that the document itself declares, as offsets into it."""

    text: str
    sections: tuple[SectionSpan, ...] = ()
    remarks: tuple[str, ...] = ()  # what was lost or guessed on the way, for the user


def tidy(text: str) -> str:
    """Return the text with one kind of line break, no control characters and no more than one empty line in a row."""
    lines = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n").replace("\u00a0", " ")).split("\n")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip("\n")
