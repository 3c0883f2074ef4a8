"""Documents of each format become plain text with paragraphs, lists, headings and sections."""

from __future__ import annotations

import base64
import logging
import zlib

import pytest

from fhir_mappers import BadResource
from fhir_mappers.notes.formats import extract, preference

HTML = """<html><head><title>Visit</title><style>p {color: red}</style></head><body><h2>Assessment</h2>
<p>Type 2 diabetes &amp; neuropathy,<br/>A1c &gt; 9&nbsp;%.</p><ul><li>insulin<li>foot exam</ul>
<table><tr><th>Test</th><th>Value</th></tr><tr><td>A1c</td><td>9.4</td></tr></table><script>alert(1)</script></body></html>"""
HTML_TEXT = "Assessment\n\nType 2 diabetes & neuropathy,\nA1c > 9 %.\n\n  * insulin\n  * foot exam\nTest  Value\nA1c   9.4"


def pdf(*pages: str) -> bytes:
    """Return a PDF with a text layer, one line a page."""
    count = len(pages)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(b"%d 0 R" % (4 + 2 * i) for i in range(count)), count),
    ]
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    for number, words in enumerate(pages):
        stream = b"BT /F1 12 Tf 72 720 Td (" + words.encode("cp1252") + b") Tj ET"
        page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>" % (5 + 2 * number)
        objects += [page, b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream)]
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % o for o in offsets)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        table,
        len(objects) + 1,
        len(out),
    )


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        ("Übelkeit".encode(), "text/plain; charset=utf-8", "Übelkeit"),
        ("Übelkeit".encode("latin-1"), "text/plain; charset=iso-8859-1", "Übelkeit"),
        ("“quoted” – dash".encode("cp1252"), "text/plain;charset=ISO-8859-1", "“quoted” – dash"),
        ("Übelkeit".encode("utf-16"), "text/plain", "Übelkeit"),
        (b"\xef\xbb\xbfUTF-8 with mark", "text/plain", "UTF-8 with mark"),
        ("naïve résumé".encode(), "TEXT/PLAIN ; charset = 'UTF-8'", "naïve résumé"),
    ],
)
def test_declared_character_sets_are_followed(data: bytes, kind: str, text: str) -> None:
    """The declared character set, or the byte order mark, and no word about it."""
    found = extract(data, kind)
    assert (found.text, found.remarks) == (text, ())


@pytest.mark.parametrize(
    ("kind", "remark"),
    [
        ("text/plain; charset=klingon-8", "The declared character set 'klingon-8' is unknown. It was read as UTF-8."),
        ("text/plain; charset=hex", "The declared character set 'hex' is unknown. It was read as UTF-8."),
        ("text/plain; charset=us-ascii", "The text is not plain ASCII, as declared. It was read as UTF-8."),
        ("text/plain; charset=utf-32", "The text is not in the declared character set 'utf-32'. It was read as UTF-8."),
    ],
)
def test_an_unknown_or_wrong_character_set_is_found_and_said(kind: str, remark: str) -> None:
    """Unknown character set: read, and said."""
    found = extract("Übelkeit und Erbrechen".encode(), kind)
    assert (found.text, found.remarks) == ("Übelkeit und Erbrechen", (remark,))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("La patiente se plaint d'une douleur à l'épaule gauche depuis l'été dernier, aggravée la nuit. Pas de fièvre. ", "cp1252"),
        ("Patient’s knee – swollen since Monday. Temperature 101°. ", "cp1252"),
        ("Пациент жалуется на боль в груди и одышку при ходьбе, кашель с мокротой, слабость. ", "cp1251"),
    ],
)
def test_an_undeclared_character_set_is_detected(words: str, name: str) -> None:
    """charset-normalizer decides where nothing is declared and it isn't UTF-8; windows-1252 where it is as likely as the best."""
    found = extract((words * 5).encode(name), "text/plain")
    assert found.text == (words * 5).rstrip()
    assert found.remarks == (f"No character set is declared. It was read as {name}.",)


def test_plain_text_keeps_its_lines_and_loses_what_is_invisible() -> None:
    """Line breaks of all systems, no control characters, at most one empty line, indentation kept."""
    assert extract(b"\r\n\r\nPLAN:\r\n  - rest  \r\n\r\n\r\n\r\n1. fluids\rend\x00\x07", "text/plain").text == "PLAN:\n  - rest\n\n1. fluids\nend"


def test_html_keeps_headings_lists_and_tables() -> None:
    """HTML through inscriptis; no scripts, styles or titles."""
    assert extract(HTML.encode(), "text/html; charset=utf-8").text == HTML_TEXT


def test_struck_out_words_are_not_read() -> None:
    """What an author took back is no documentation: HTML del, s, strike; C-CDA revised="delete"."""
    assert extract(b"<p>Asthma, <del>COPD</del><s>x</s><strike>y</strike> mild</p>", "text/html").text == "Asthma, mild"
    section = '<section><text>Asthma, <content revised="delete">COPD</content>mild</text></section>'
    body = f"<component><structuredBody><component>{section}</component></structuredBody></component>"
    assert extract(f'<ClinicalDocument xmlns="urn:hl7-org:v3">{body}</ClinicalDocument>'.encode(), "text/xml").text == "Asthma, mild"


def test_html_declares_its_character_set_itself() -> None:
    """meta charset."""
    data = '<html><head><meta charset="windows-1252"></head><body>déjà</body></html>'.encode("cp1252")
    assert extract(data, "text/html").text == "déjà"


def test_rtf_keeps_lists_and_special_characters() -> None:
    """RTF through striprtf: code page, unicode escapes, bullets and numbers, tables, no pictures."""
    data = (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\b PLAN}\par{\pntext\f1\'B7\tab}rest\par{\listtext\pard 2.\tab}fluids\par "
        rb"caf\'e9 \u8211? end\par\trowd\cellx100 A1c\cell 9.4\cell\row{\pict\wmetafile8 0102}}"
    )
    assert extract(data, "application/rtf").text == "PLAN\n- rest\n2. fluids\ncafé – end\nA1c|9.4"


CDA = """<?xml version="1.0" encoding="ISO-8859-1"?><ClinicalDocument xmlns="urn:hl7-org:v3"><title>Summary</title><component><structuredBody>
<component><section><code code="51848-0" codeSystem="2.16.840.1.113883.6.1"/><title>Assessment</title><text><paragraph>Café au lait</paragraph>
<list listType="ordered"><item><content styleCode="Bold">Type 2</content> diabetes</item><item>COPD</item></list>
<table><thead><tr><th>Test</th><th>Value</th></tr></thead><tbody><tr><td>A1c</td><td>9.4 &lt; 10</td></tr></tbody></table></text>
<component><section><title>Detail</title><text>line one<br/>line two</text></section></component></section></component>
<component><section><title>Empty</title></section></component>
<component><section><code code="10160-0" codeSystem="2.16.840.1.113883.6.1" displayName="Medications"/><text>metformin</text></section></component>
</structuredBody></component></ClinicalDocument>"""


def test_ccda_sections_are_spans_of_the_text() -> None:
    """C-CDA: title, narrative, nested sections, LOINC codes; an empty section leaves no trace."""
    found = extract(CDA.encode("latin-1"), "application/xml")
    spans = [(s.title, s.loinc, found.text[s.begin : s.end]) for s in found.sections]
    detail = "Detail\n\nline one\nline two"
    assert spans == [
        ("Assessment", "51848-0", f"Assessment\n\nCafé au lait\n\n 1. Type 2 diabetes\n 2. COPD\nTest  Value\nA1c   9.4 < 10\n\n{detail}"),
        ("Detail", None, detail),
        ("Medications", "10160-0", "Medications\n\nmetformin"),
    ]
    assert "Empty" not in found.text


def test_a_ccda_that_wraps_another_document_is_opened() -> None:
    """nonXMLBody: base64 or text."""
    wrap = '<ClinicalDocument xmlns="urn:hl7-org:v3"><component><nonXMLBody><text {}>{}</text></nonXMLBody></component></ClinicalDocument>'
    inner = base64.b64encode(rb"{\rtf1 inner}").decode()
    assert extract(wrap.format('mediaType="text/rtf" representation="B64"', inner).encode(), "text/xml").text == "inner"
    assert extract(wrap.format('mediaType="text/plain"', "plain words").encode(), "text/xml").text == "plain words"


def test_pdf_text_layer_is_read_page_by_page(caplog: pytest.LogCaptureFixture) -> None:
    """PDF through pypdf."""
    with caplog.at_level(logging.DEBUG):
        assert extract(pdf("Type 2 diabetes", "Page two – naïve"), "application/pdf").text == "Type 2 diabetes\n\nPage two – naïve"
    assert "diabetes" not in caplog.text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (HTML.encode(), HTML_TEXT),
        (rb"{\rtf1 words}", "words"),
        (pdf("words"), "words"),
        (b"words", "words"),
        (b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><p>words</p></html>', "words"),
        ("wörds".encode("utf-16"), "wörds"),
    ],
)
def test_an_undeclared_format_is_found_from_the_first_bytes(data: bytes, text: str) -> None:
    """application/octet-stream or nothing says nothing."""
    assert extract(data, "application/octet-stream").text == text
    assert extract(data, "").text == text


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        (CDA.encode("latin-1"), "text/plain", "Assessment"),
        (HTML.encode(), "text/plain", "Assessment"),
        (rb"{\rtf1 words}", "text/html", "words"),
        (pdf("words"), "text/plain", "words"),
        (b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "x.dtd"><html><p>words</p></html>', "application/xhtml", "words"),
        (b'<?xml version="1.0"?><!DOCTYPE html><html><p>words</p></html>', "text/xml", "words"),
    ],
)
def test_a_plainly_wrong_format_is_seen_through(data: bytes, kind: str, text: str) -> None:
    """Servers call C-CDA text/plain, RTF text/html, XHTML application/xhtml."""
    assert extract(data, kind).text.split("\n")[0] == text


BOMB = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>'
EXTERNAL = b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l>&x;</l>'


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (BOMB, "application/xml", "declares a document type or entities"),
        (EXTERNAL, "application/xml", "declares a document type or entities"),
        (b"<a>", "application/xml", "not well-formed"),
        (b"<a/>", "application/xml", "not a C-CDA document"),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>', "application/cda+xml", "no body"),
        (b"<div>" * 5000 + b"words", "text/html", "nested deeper"),
        (b"<p>" + b"x" * 4_000_000, "text/html", "larger than 4 million characters"),
        (pdf(*["x"] * 201), "application/pdf", "has 201 pages"),
        (pdf(""), "application/pdf", "it is a scan"),
        (b"%PDF-1.4 broken", "application/pdf", "can't be read"),
        (b"<x>&b;</x>", "text/xml", "not well-formed"),
        (b"no rtf", "text/rtf", "declared as RTF, and isn't"),
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png", "type image/png are not read. Send one of: "),
        (b"\0\1\2", "application/octet-stream", "type unknown are not read"),
    ],
)
def test_dangerous_and_damaged_documents_are_refused_with_the_remedy(data: bytes, kind: str, words: str) -> None:
    """Entity bombs, external entities, endless nesting, thousands of pages, scans, pictures."""
    with pytest.raises(BadResource, match=words) as caught:
        extract(data, kind)
    assert caught.value.remedy


def test_a_compressed_pdf_bomb_is_refused() -> None:
    """A stream that unpacks to a hundred times the bound is not unpacked."""
    stream = zlib.compress(b" " * 100_000_000, 9)
    data = pdf("x").replace(b"<< /Length 41 >>", b"<< /Length %d /Filter /FlateDecode >>" % len(stream))
    begin, end = data.index(b"stream\n") + 7, data.index(b"\nendstream")
    with pytest.raises(BadResource, match="PDF"):
        extract(data[:begin] + stream + data[end:], "application/pdf")


def test_the_rendering_that_keeps_most_is_preferred() -> None:
    """Of several renderings of one note, text comes before HTML, HTML before RTF, PDF last, unknown ones after."""
    kinds = ["image/png", "application/pdf", "application/rtf", "application/xml", "text/html; charset=utf-8", "text/plain"]
    assert sorted(kinds, key=preference) == kinds[::-1]
