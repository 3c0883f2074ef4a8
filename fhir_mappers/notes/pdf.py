"""PDF with a text layer -> plain text."""

from __future__ import annotations

import io
import logging
import time

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from fhir_mappers.errors import BadResource
from fhir_mappers.notes.plaintext import PlainText, tidy

MAX_PAGES = 200
MAX_TEXT = 2_000_000  # characters
TIME_S = 2.0  # for one document; what is open by then is given
# What pypdf raises on damaged files: its own errors, and Python's where a structure is not what it takes it for.
_BROKEN = (PyPdfError, ValueError, TypeError, LookupError, AttributeError, RecursionError, OSError, NotImplementedError, AssertionError, ArithmeticError)


def pdf_text(data: bytes) -> PlainText:
    """Return the text layer of a PDF, page after page.

    Raises BadResource where it is damaged, locked, a scan, or too long.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings quote the document
    until = time.monotonic() + TIME_S
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise BadResource("The PDF is locked with a password.", "Send it without a password.")
        count = len(reader.pages)
        if count > MAX_PAGES:
            raise BadResource(f"The PDF has {count:,} pages; at most {MAX_PAGES} are read.", "Send the note alone, without the rest of the chart.")
        pages: list[str] = []
        size = 0
        for number in range(count):
            if time.monotonic() > until or size > MAX_TEXT:
                return PlainText(tidy("\n\n".join(pages)), (), (f"Only the first {number} of {count} pages were read: the document takes too long.",))
            pages.append(reader.pages[number].extract_text())
            size += len(pages[-1])
    except _BROKEN:
        raise BadResource("The PDF can't be read.", "Send it again, or send the note as text/plain.") from None
    text = tidy("\n\n".join(pages))
    if not text.strip():
        raise BadResource("The PDF has no text layer: it is a scan.", "Run text recognition first, or send the note as text/plain.")
    return PlainText(text)
