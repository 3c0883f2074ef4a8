"""DocumentReference, Composition, DiagnosticReport and ClinicalImpression -> notes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from fhir_mappers import elements
from fhir_mappers.chart import Chart, Entry
from fhir_mappers.errors import BadResource
from fhir_mappers.notes.authors import author_of
from fhir_mappers.notes.formats import media_type, preference
from fhir_mappers.notes.html import markup_text
from fhir_mappers.notes.narrative import Assembly
from fhir_mappers.notes.opener import SMALL, open_document
from fhir_mappers.notes.plaintext import PlainText
from fhir_mappers.notes.transcripts import is_transcript
from fhir_mappers.record import Concept, Note
from fhir_mappers.systems import LOINC, NOTE_TYPES, REPORT_TYPES

MAX_TEXT = 2_000_000  # characters of one note
MAX_DATA = 20_000_000  # bytes of one document before its text is taken out
_MAX_DEPTH = 20  # nested sections of a Composition
_BLANK = re.compile(r"\s+")
_REPORT = re.compile(r"\b(?:radiology|imaging|laboratory|pathology|cytology|microbiology)\b.{0,40}\b(?:report|study|result)s?\b", re.IGNORECASE)


def attachments(resource: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the attachments of a note, the format that keeps it best first."""
    if resource.get("resourceType") == "DocumentReference":
        found = [elements.child(c, "attachment") for c in elements.children(resource, "content")]
    else:
        found = list(elements.children(resource, "presentedForm"))
    return sorted((a for a in found if a), key=lambda a: preference(elements.text(a, "contentType") or ""))


def document_reference(entry: Entry, chart: Chart) -> Note:
    """DocumentReference -> a note, from the best of its attachments that can be read.

    Raises BadResource.
    """
    resource, source = entry.resource, entry.source
    plain, attachment = _attached(entry, chart)
    type_ = elements.concept(resource.get("type"))
    dated = next((resource[k] for k in ("date", "created", "indexed") if resource.get(k) is not None), None)
    period = elements.child(elements.child(resource, "context"), "period")
    author, role = author_of(resource, type_, chart)
    title = elements.text(resource, "description") or elements.text(attachment, "title") or (type_.label if type_ else "")
    return Note(
        source=source,
        text=plain.text,
        title=title,
        type=type_,
        date=chart.moment(dated if dated is not None else attachment.get("creation") or period.get("start"), source, "date"),
        author=author,
        author_role=role,
        language=_language(resource, attachment),
        sections=plain.sections,
        is_report=_is_report(type_, elements.concepts(resource, "category")),
        is_transcript=is_transcript(title, type_, plain.text),
    )


def composition(entry: Entry, chart: Chart) -> Note:
    """Composition -> a note made of the narratives of its sections.

    Raises BadResource.
    """
    resource, source = entry.resource, entry.source
    assembly = Assembly()
    for section in elements.children(resource, "section"):
        _section(section, assembly, 1)
    if assembly.is_empty:
        assembly.paragraph(_narrative(resource))
    type_ = elements.concept(resource.get("type"))
    author, role = author_of(resource, type_, chart)
    plain = _bounded(assembly.finished(), source, chart)
    title = elements.text(resource, "title") or (type_.label if type_ else "")
    return Note(
        source=source,
        text=plain.text,
        title=title,
        type=type_,
        date=chart.moment(resource.get("date"), source, "date"),
        author=author,
        author_role=role,
        language=elements.text(resource, "language"),
        sections=plain.sections,
        is_report=_is_report(type_, elements.concepts(resource, "category")),
        is_transcript=is_transcript(title, type_, plain.text),
    )


def diagnostic_report(entry: Entry, chart: Chart) -> Note | None:
    """DiagnosticReport -> its presented form and conclusion as a report; None where it only groups results.

    Raises BadResource.
    """
    resource, source = entry.resource, entry.source
    conclusion = elements.text(resource, "conclusion") or ""
    coded = [c.label for c in (*elements.concepts(resource, "conclusionCode"), *elements.concepts(resource, "codedDiagnosis"))]
    given = attachments(resource)
    if not given and not conclusion and not coded:
        return None
    plain = PlainText("")
    attachment: Mapping[str, Any] = {}
    if given:
        try:
            plain, attachment = _attached(entry, chart)
        except BadResource as error:
            if not conclusion and not coded:
                raise
            chart.skip(source, f"Its presentedForm was not read, only its conclusion. {error}")
    assembly = Assembly.of(plain)
    words = conclusion or "; ".join(coded)
    if words and _BLANK.sub(" ", words) not in _BLANK.sub(" ", plain.text):
        assembly.section("Conclusion", words, None)
    plain = _bounded(assembly.finished(), source, chart)
    type_ = elements.concept(resource.get("code"))
    author, role = author_of({"author": resource.get("resultsInterpreter") or resource.get("performer")}, type_, chart)
    date = chart.first_moment(source, resource, "effective") or chart.moment(resource.get("issued"), source, "issued")
    title = type_.label if type_ else elements.text(attachment, "title") or ""
    is_note = type_ is not None and type_.code_in(LOINC) in NOTE_TYPES
    return Note(source, plain.text, title, type_, date, author, role, _language(resource, attachment), plain.sections, is_report=not is_note)


def clinical_impression(entry: Entry, chart: Chart) -> Note:
    """ClinicalImpression -> description, findings and summary as a note.

    Raises BadResource.
    """
    resource, source = entry.resource, entry.source
    assembly = Assembly()
    assembly.paragraph(elements.text(resource, "description") or "")
    findings = (elements.concept(f.get("itemCodeableConcept")) for f in elements.children(resource, "finding"))
    assembly.section("Findings", "\n".join(f"- {f.label}" for f in findings if f), None)
    assembly.section("Assessment", elements.text(resource, "summary") or "", "51848-0")
    for remark in elements.children(resource, "note"):
        assembly.paragraph(elements.text(remark, "text") or "")
    if assembly.is_empty:
        assembly.paragraph(_narrative(resource))
    type_ = elements.concept(resource.get("code"))
    author, role = author_of({"author": resource.get("assessor") or resource.get("performer")}, type_, chart)
    plain = _bounded(assembly.finished(), source, chart)
    date = chart.moment(resource.get("date"), source, "date") or chart.first_moment(source, resource, "effective")
    title = type_.label if type_ else "Clinical impression"
    return Note(source, plain.text, title, type_, date, author, role, elements.text(resource, "language"), plain.sections)


def _section(section: Mapping[str, Any], assembly: Assembly, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise BadResource(f"Its sections are nested deeper than {_MAX_DEPTH}.", "Send a flatter Composition.")
    coded = elements.concept(section.get("code"))
    title = elements.text(section, "title") or (coded.label if coded else "")
    begin = assembly.open(title)
    assembly.paragraph(_narrative(section))
    for inner in elements.children(section, "section"):
        _section(inner, assembly, depth + 1)
    assembly.close(begin, title, coded.code_in(LOINC) if coded else None)


def _narrative(parent: Mapping[str, Any]) -> str:
    div = elements.text(elements.child(parent, "text"), "div")
    if div and len(div) > SMALL:
        return open_document(div.encode("utf-8", errors="replace"), "text/html; charset=utf-8").text
    return markup_text(div) if div else ""


def _language(resource: Mapping[str, Any], attachment: Mapping[str, Any]) -> str | None:
    return elements.text(attachment, "language") or elements.text(resource, "language")


def _is_report(type_: Concept | None, categories: tuple[Concept, ...]) -> bool:
    found = [c for c in (type_, *categories) if c]
    return any(c.code_in(LOINC) in REPORT_TYPES or _REPORT.search(c.label) for c in found)


def _attached(entry: Entry, chart: Chart) -> tuple[PlainText, Mapping[str, Any]]:
    """Return the text of the best attachment that can be read, and the attachment."""
    given = attachments(entry.resource)
    if not given:
        raise BadResource("It has no attachment.", "Send the note in content.attachment.data, or a Binary that content.attachment.url names.")
    failure: BadResource | None = None
    for attachment in given:
        try:
            data, kind = _data(attachment, entry, chart)
            plain = open_document(data, kind, chart.until)
        except BadResource as error:
            failure = failure or error
            continue
        _check(attachment, data, entry.source, chart)
        for remark in plain.remarks:
            chart.skip(entry.source, f"It was read with a reservation. {remark} Correct the attachment at its source.")
        return _bounded(plain, entry.source, chart), attachment
    raise failure or BadResource("It has no attachment.", "Send one.")


def _data(attachment: Mapping[str, Any], entry: Entry, chart: Chart) -> tuple[bytes, str]:
    kind = elements.text(attachment, "contentType") or ""
    raw = attachment.get("data")
    url = elements.text(attachment, "url")
    if not raw and url and url.startswith("data:"):
        head, _, raw = url[5:].partition(",")
        kind = kind or head.removesuffix(";base64")
    if not raw and url:
        binary = chart.resolve(url, entry.resource)
        if binary is None:
            remedy = "Send the Binary along, or give fhirServer with a token that may read Binary."
            raise BadResource("Its document is elsewhere (attachment.url) and was not fetched.", remedy)
        raw = elements.text(binary, "data") or elements.text(binary, "content")
        if not kind or ("charset" not in kind and _same(binary, kind)):
            kind = elements.text(binary, "contentType") or ""
    if not isinstance(raw, str):
        raise BadResource("It has neither attachment.data nor attachment.url.", "Send the note in attachment.data as base64.")
    if len(raw) > MAX_DATA * 4 // 3:
        raise BadResource(f"Its document is larger than {MAX_DATA // 1_000_000} MB.", "Send the note as text/plain.")
    try:
        return base64.b64decode(_BLANK.sub("", raw), validate=True), kind
    except (binascii.Error, ValueError):
        raise BadResource("attachment.data is not base64.", "Encode the bytes of the note as base64 (RFC 4648, section 4).") from None


def _same(binary: Mapping[str, Any], kind: str) -> bool:
    return media_type(elements.text(binary, "contentType") or "")[0] == media_type(kind)[0]


def _check(attachment: Mapping[str, Any], data: bytes, source: str, chart: Chart) -> None:
    """Say where size or hash don't fit the document. It is read all the same: servers often rewrite documents and keep the old values."""
    size = elements.number(attachment.get("size"))
    if size is not None and size != len(data):
        chart.skip(source, f"attachment.size says {size:.0f} bytes and the document has {len(data)}. It was read; check that it is complete.")
    declared = elements.text(attachment, "hash")
    if declared:
        digest = hashlib.sha1(data, usedforsecurity=False)  # FHIR R4 Attachment.hash is SHA-1
        if declared not in (base64.b64encode(digest.digest()).decode("ascii"), digest.hexdigest(), base64.b64encode(digest.hexdigest().encode()).decode()):
            chart.skip(source, "attachment.hash does not fit the document. It was read; check that it was not altered.")


def _bounded(plain: PlainText, source: str, chart: Chart) -> PlainText:
    if not plain.text.strip():
        raise BadResource("It has no text.", "A scanned page needs text recognition first; an empty note can be left out.")
    if len(plain.text) <= MAX_TEXT:
        return plain
    chart.skip(source, f"Its text has {len(plain.text):,} characters; only the first {MAX_TEXT:,} were read. Split the document.")
    kept = tuple(s for s in plain.sections if s.end <= MAX_TEXT)
    return PlainText(plain.text[:MAX_TEXT], kept)
