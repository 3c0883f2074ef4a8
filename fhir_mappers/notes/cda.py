"""C-CDA documents -> plain text with the sections that the document declares.

Source: HL7 CDA R2, section 4.3.5 (narrative block). The XML parser refuses document type declarations, so entities can't grow
(defusedxml), and nothing outside the document is ever loaded.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from html import escape
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from fhir_mappers.errors import BadResource
from fhir_mappers.notes.html import markup_text
from fhir_mappers.notes.narrative import Assembly
from fhir_mappers.notes.plaintext import PlainText
from fhir_mappers.systems import LOINC, canonical

_CDA = "{urn:hl7-org:v3}"
_XHTML = "{http://www.w3.org/1999/xhtml}"
_MAX_DEPTH = 100
# Elements of the narrative block -> the HTML that lays them out alike.
_AS_HTML = {
    "paragraph": "p", "caption": "p", "list": "ul", "item": "li", "table": "table", "thead": "thead", "tbody": "tbody", "tfoot": "tfoot",
    "tr": "tr", "th": "th", "td": "td", "br": "br", "content": "span", "linkHtml": "span", "sub": "sub", "sup": "sup", "footnote": "span",
}  # fmt: skip


def cda_text(data: bytes, extract: Callable[[bytes, str], PlainText]) -> PlainText:
    """Return the text of a C-CDA document; one that wraps another format (nonXMLBody) is opened with `extract`.

    Raises BadResource where the XML is damaged, dangerous, or something other than C-CDA or XHTML.
    """
    try:
        root = fromstring(data, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException:
        raise BadResource("The XML declares a document type or entities, which can be used to exhaust a server.", "Send it without <!DOCTYPE>.") from None
    except (ParseError, ValueError, LookupError, RecursionError):
        raise BadResource("The XML is not well-formed.", "Send well-formed C-CDA, or the note as text/plain.") from None
    if root.tag in (f"{_XHTML}html", f"{_XHTML}div", "html", "div"):
        return PlainText(markup_text(_html(root, 0)))
    if root.tag != f"{_CDA}ClinicalDocument":
        raise BadResource("The XML is not a C-CDA document.", "Send a ClinicalDocument (urn:hl7-org:v3), or the note as text/plain.")
    body = root.find(f"{_CDA}component/{_CDA}structuredBody")
    if body is None:
        return _wrapped(root, extract)
    assembly = Assembly()
    for section in body.findall(f"{_CDA}component/{_CDA}section"):
        _section(section, assembly, 0)
    return assembly.finished()


def _section(section: Element, assembly: Assembly, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise BadResource(f"Its sections are nested deeper than {_MAX_DEPTH}.", "Send a flatter document.")
    title = " ".join("".join(section.findtext(f"{_CDA}title") or "").split())
    code = section.find(f"{_CDA}code")
    loinc = code.get("code") if code is not None and canonical(code.get("codeSystem") or "") == LOINC else None
    title = title or (code.get("displayName") or "" if code is not None else "")
    narrative = section.find(f"{_CDA}text")
    words = markup_text(_html(narrative, 0)) if narrative is not None else ""
    begin = assembly.open(title)
    assembly.paragraph(words)
    for inner in section.findall(f"{_CDA}component/{_CDA}section"):
        _section(inner, assembly, depth + 1)
    assembly.close(begin, title, loinc)


def _html(element: Element, depth: int) -> str:
    return "".join(_pieces(element, depth))


def _pieces(element: Element, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise BadResource(f"Its text is nested deeper than {_MAX_DEPTH}.", "Send a flatter document.")
    namespace, _, name = element.tag.rpartition("}") if isinstance(element.tag, str) else ("", "", "")
    tag = name if namespace == _XHTML[:-1] else _AS_HTML.get(name, "div" if depth == 0 else "span")
    if name == "list" and element.get("listType") == "ordered":
        tag = "ol"
    yield f"<{tag}>"
    yield escape(element.text or "")
    for inner in element:
        if inner.get("revised") != "delete":  # CDA R2, 4.3.5.1: text taken back in a revision
            yield from _pieces(inner, depth + 1)
        yield escape(inner.tail or "")
    if tag != "br":
        yield f"</{tag}>"


def _wrapped(root: Element, extract: Callable[[bytes, str], PlainText]) -> PlainText:
    wrapped = root.find(f"{_CDA}component/{_CDA}nonXMLBody/{_CDA}text")
    if wrapped is None:
        raise BadResource("The C-CDA document has no body.", "Send a structuredBody with sections.")
    words = "".join(wrapped.itertext())
    if wrapped.get("representation") != "B64":
        return PlainText(words)
    kind = wrapped.get("mediaType") or ""
    if kind.endswith("xml"):
        raise BadResource("The C-CDA document wraps another XML document.", "Send the inner document itself.")
    try:
        return extract(base64.b64decode("".join(words.split()), validate=True), kind)
    except (binascii.Error, ValueError):
        raise BadResource("The body of the C-CDA document is not base64.", "Encode nonXMLBody/text as base64.") from None
