"""HTML -> plain text with its layout: headings, lists and tables on lines of their own."""

from __future__ import annotations

import re

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml.etree import LxmlError

from fhir_mappers.errors import BadResource
from fhir_mappers.notes.charset import decode

_CONFIG = ParserConfig(css=CSS_PROFILES["strict"], display_links=False, display_images=False)
_META = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{2,40})", re.IGNORECASE)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
MAX_DEPTH = 400  # nested elements: deeper is no note, and would exhaust the parser's stack


def html_text(data: bytes, charset: str | None) -> str:
    """Return the text of an HTML document or fragment.

    Raises BadResource where it is nested beyond reason.
    """
    found = _META.search(data[:4096])
    markup, _ = decode(data, charset or (found.group(1).decode("ascii") if found else None))
    return markup_text(markup)


def markup_text(markup: str) -> str:
    """Return the text of HTML or XHTML that is already a string (a narrative `div`).

    Raises BadResource where it is nested beyond reason.
    """
    plain = _DECLARATION.sub("", markup).replace("\0", "")
    if not plain.strip():
        return ""
    try:
        return str(get_text(plain, _CONFIG))
    except (LxmlError, ValueError, RecursionError, AssertionError, IndexError, KeyError, AttributeError, TypeError):
        raise BadResource("The HTML can't be read.", "Send well-formed HTML, or the note as text/plain.") from None
