"""RTF -> plain text."""

from __future__ import annotations

import re

from striprtf.striprtf import rtf_to_text

from fhir_mappers.errors import BadResource
from fhir_mappers.notes.charset import decode

MAX_SIZE = 8_000_000  # bytes, without pictures: about 4 s of work
_CODE_PAGE = re.compile(rb"\\ansicpg(\d{3,5})")
_LIST_MARK = re.compile(r"\{\\(?:pntext|listtext)\b([^{}]*)\}")
_NUMBERED = re.compile(r"(?<![\\\w])(?:\d{1,3}|[a-z]|[ivx]{1,5})[.)]", re.IGNORECASE)
_PICTURE = re.compile(rb"\{\\\*?\\?pict[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")


def rtf_text(data: bytes) -> str:
    """Return the text of an RTF document, in the code page that it declares.

    Raises BadResource where it isn't RTF, is damaged or too large.
    """
    if not data.lstrip()[:5].lower().startswith(b"{\\rtf"):
        raise BadResource("The document is declared as RTF, and isn't.", "Correct attachment.contentType.")
    plain = _PICTURE.sub(b"", data)
    if len(plain) > MAX_SIZE:
        raise BadResource(f"The RTF is larger than {MAX_SIZE // 1_000_000} MB.", "Send the note as text/plain.")
    page = _CODE_PAGE.search(plain[:1000])
    text, _ = decode(plain, f"cp{page.group(1).decode()}" if page else "cp1252")
    try:
        words = str(rtf_to_text(_LIST_MARK.sub(_mark, text), errors="replace"))
    except (ValueError, LookupError, RecursionError, TypeError, AttributeError, OverflowError, MemoryError):
        raise BadResource("The RTF can't be read.", "Send well-formed RTF, or the note as text/plain.") from None
    return re.sub(r"\|(?=\n|$)", "", words)  # the mark after the last cell of a table row


def _mark(found: re.Match[str]) -> str:
    """Return the number or the dash of a list item: the RTF reader drops its mark as decoration."""
    number = _NUMBERED.search(found.group(1))
    return f" {number.group()} " if number else " - "
