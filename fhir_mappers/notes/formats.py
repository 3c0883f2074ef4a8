"""Bytes of a document -> plain text with its paragraphs, lists and headings, by media type."""

from __future__ import annotations

import re
from collections.abc import Callable

from fhir_mappers.errors import BadResource
from fhir_mappers.notes.cda import cda_text
from fhir_mappers.notes.charset import decode
from fhir_mappers.notes.html import html_text
from fhir_mappers.notes.pdf import pdf_text
from fhir_mappers.notes.plaintext import PlainText, tidy
from fhir_mappers.notes.rtf import rtf_text


def extract(data: bytes, content_type: str) -> PlainText:
    """Return the text of `data`. A missing, too general or plainly wrong media type is found out from the first bytes.

    Raises BadResource where the format isn't read, is damaged, or is dangerous.
    """
    kind, charset = media_type(content_type)
    seen = _sniff(data)
    if kind in _GENERAL or seen in _UNMISTAKABLE or (kind == "text/plain" and seen):
        kind = seen
    if kind.endswith("+xml") and kind not in _READERS:
        kind = "application/xml"
    reader = _READERS.get(kind)
    if reader is None:
        raise BadResource(f"Documents of type {kind[:60] or 'unknown'} are not read.", f"Send one of: {', '.join(sorted(_NAMES))}.")
    return reader(data, charset)


def media_type(content_type: str) -> tuple[str, str | None]:
    """Split "text/plain; charset=utf-8" into type and charset."""
    kind, _, rest = content_type.partition(";")
    found = re.search(r"charset\s*=\s*[\"']?([\w.:+-]+)", rest, re.IGNORECASE)
    return kind.strip().lower(), found.group(1) if found else None


def preference(content_type: str) -> int:
    """Return how well a format keeps the note, 0 best: of several renderings of one note the best is read."""
    kind = media_type(content_type)[0]
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _plain(data: bytes, charset: str | None) -> PlainText:
    text, remark = decode(data, charset)
    return PlainText(tidy(text), (), (remark,) if remark else ())


def _html(data: bytes, charset: str | None) -> PlainText:
    text, remark = html_text(data, charset)
    return PlainText(tidy(text), (), (remark,) if remark else ())


def _xml(data: bytes, charset: str | None) -> PlainText:
    if b"<html" in data[:1000].lower():  # XHTML sent as XML, usually with a document type
        return _html(data, charset)
    found = cda_text(data, extract)
    return found if found.sections else PlainText(tidy(found.text), (), found.remarks)


def _pdf(data: bytes, _charset: str | None) -> PlainText:
    return pdf_text(data)


def _rtf(data: bytes, _charset: str | None) -> PlainText:
    return PlainText(tidy(rtf_text(data)))


def _sniff(data: bytes) -> str:
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16
        return "text/plain"
    if head.startswith(b"%pdf-"):
        return "application/pdf"
    if head.startswith(b"{\\rtf"):
        return "application/rtf"
    if head.startswith((b"<!doctype html", b"<html")):
        return "text/html"
    if head.startswith((b"<?xml", b"<clinicaldocument")):
        return "application/xhtml+xml" if b"<html" in head else "application/xml"
    return "text/plain" if b"\0" not in head else ""


_GENERAL = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/unknown"})
_UNMISTAKABLE = frozenset({"application/pdf", "application/rtf"})
_NAMES = ("text/plain", "text/html", "application/rtf", "application/pdf", "C-CDA as application/xml")  # for the message
_READERS: dict[str, Callable[[bytes, str | None], PlainText]] = {
    "text/plain": _plain,
    "text/markdown": _plain,
    "text/html": _html,
    "application/xhtml+xml": _html,
    "application/xhtml": _html,
    "application/xml": _xml,
    "text/xml": _xml,
    "application/hl7-v3+xml": _xml,
    "application/cda+xml": _xml,
    "application/hl7-cda+xml": _xml,
    "application/pdf": _pdf,
    "application/x-rtf": _rtf,
    "text/richtext": _rtf,
    "text/rtf": _rtf,
    "application/rtf": _rtf,
}
# Of several renderings the one that keeps text and sections best; PDF last, since its layout has to be guessed.
_ORDER = (*(k for k in _READERS if k != "application/pdf"), "application/pdf")
