"""HTML -> plain text with its layout: headings, lists and tables on lines of their own."""

from __future__ import annotations

import re

from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.html_engine import Inscriptis
from inscriptis.html_properties import Display
from inscriptis.model.config import ParserConfig
from inscriptis.model.html_element import HtmlElement
from lxml.etree import LxmlError
from lxml.html import HTMLParser, document_fromstring

from fhir_mappers.errors import BadResource
from fhir_mappers.notes.charset import decode

# Struck-out words are what the author took back.
_STRUCK = dict.fromkeys(("del", "s", "strike"), HtmlElement(display=Display.none))
_CONFIG = ParserConfig(css={**CSS_PROFILES["strict"], **_STRUCK}, display_links=False, display_images=False)
MAX_MARKUP = 4_000_000  # characters: about 5 s of work
_META = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{2,40})", re.IGNORECASE)
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_BROKEN = (LxmlError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)


def html_text(data: bytes, charset: str | None) -> tuple[str, str | None]:
    """Return the text of an HTML document or fragment, and a remark on its character set where it had to be guessed.

    Raises BadResource where it can't be read whole.
    """
    found = _META.search(data[:4096])
    markup, remark = decode(data, charset or (found.group(1).decode("ascii") if found else None))
    return markup_text(markup), remark


def markup_text(markup: str) -> str:
    """Return the text of HTML or XHTML that is already a string (a narrative `div`).

    Raises BadResource where it can't be read whole.
    """
    plain = _DECLARATION.sub("", markup).replace("\0", "")
    if "<" not in plain and "&" not in plain:
        return plain
    if len(plain) > MAX_MARKUP:
        raise BadResource(f"The HTML is larger than {MAX_MARKUP // 1_000_000} million characters.", "Send the note as text/plain.")
    parser = HTMLParser(encoding="utf-8")
    try:
        tree = document_fromstring(plain.encode("utf-8", errors="replace"), parser=parser)
        if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):  # libxml2 silently drops what is deeper
            raise BadResource("The HTML is nested deeper than 256 elements or too large.", "Send flatter HTML, or the note as text/plain.")
        return str(Inscriptis(tree, _CONFIG).get_text())
    except _BROKEN:
        if not re.sub(r"<[^>]*>", "", plain).strip():
            return ""
        raise BadResource("The HTML can't be read.", "Send well-formed HTML, or the note as text/plain.") from None
