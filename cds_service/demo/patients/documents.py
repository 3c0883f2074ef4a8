"""Notes and reports of a chart: DocumentReference (inline or through a Binary), Composition, ClinicalImpression, DiagnosticReport."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from cds_service.demo.patients.folder import ChartFolder, catalogue, clinic

Resource = dict[str, Any]

_LOINC = "http://loinc.org"
# LOINC codes of the sections that the demo's Composition uses.
_SECTIONS = {
    "history of present illness": "10164-2",
    "review of systems": "10187-3",
    "physical examination": "29545-1",
    "assessment and plan": "51847-2",
    "medications": "10160-0",
    "family history": "10157-6",
    "past medical history": "11348-0",
}


def documents(folder: ChartFolder, chart: Resource) -> Iterator[Resource]:
    """Yield the resources of all notes and reports; ids are `<slug>-<file name without its ending>`."""
    for note in chart.get("notes", []):
        match note.get("as", "DocumentReference"):
            case "Composition":
                yield _composition(folder, note)
            case "ClinicalImpression":
                yield _impression(folder, note)
            case "Binary":
                yield _binary(folder, note)
                yield _document_reference(folder, note, {"url": f"Binary/{_id(folder, note)}-content"})
            case _:
                yield _document_reference(folder, note, {"data": _base64(folder.content(note["file"]))})
    for report in chart.get("reports", []):
        yield _report(folder, report)


def _document_reference(folder: ChartFolder, note: Resource, where: Resource) -> Resource:
    attachment = {"contentType": folder.media_type(note["file"]), "title": note["title"], "creation": note["date"]} | where
    if "language" in note:
        attachment["language"] = note["language"]
    return {
        "resourceType": "DocumentReference",
        "id": _id(folder, note),
        "status": note.get("status", "current"),
        "docStatus": "final",
        "type": _type(note),
        "category": [{"coding": [{"system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "code": "clinical-note"}]}],
        "subject": _subject(folder),
        "date": note["date"],
        "author": [_author(note)],
        "description": note["title"],
        "content": [{"attachment": attachment}],
    } | ({"context": {"encounter": [encounter]}} if (encounter := _encounter(folder, note)) else {})


def _binary(folder: ChartFolder, note: Resource) -> Resource:
    return {
        "resourceType": "Binary",
        "id": f"{_id(folder, note)}-content",
        "contentType": folder.media_type(note["file"]),
        "securityContext": _subject(folder),
        "data": _base64(folder.content(note["file"])),
    }


def _composition(folder: ChartFolder, note: Resource) -> Resource:
    return {
        "resourceType": "Composition",
        "id": _id(folder, note),
        "status": "final",
        "type": _type(note),
        "subject": _subject(folder),
        "encounter": _encounter(folder, note),
        "date": note["date"],
        "author": [_author(note)],
        "title": note["title"],
        "section": [_section(title, body) for title, body in _headed(folder.content(note["file"]).decode("utf-8"))],
    }


def _headed(text: str) -> Iterator[tuple[str, str]]:
    """Yield (title, body) for each `# Title` of a text file."""
    for part in re.split(r"^# ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        yield title.strip(), body.strip()


def _section(title: str, body: str) -> Resource:
    paragraphs = "".join(f"<p>{escape(paragraph, quote=False)}</p>" for paragraph in re.split(r"\n\s*\n", body))
    section: Resource = {"title": title, "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>'}}
    if loinc := _SECTIONS.get(title.lower()):
        section["code"] = {"coding": [{"system": _LOINC, "code": loinc, "display": title}]}
    return section


def _impression(folder: ChartFolder, note: Resource) -> Resource:
    return {
        "resourceType": "ClinicalImpression",
        "id": _id(folder, note),
        "status": "completed",
        "description": note["title"],
        "subject": _subject(folder),
        "encounter": _encounter(folder, note),
        "date": note["date"],
        "assessor": _author(note),
        "summary": folder.content(note["file"]).decode("utf-8").strip(),
    }


def _report(folder: ChartFolder, report: Resource) -> Resource:
    text = folder.content(report["file"]).decode("utf-8")
    loinc, display, category, category_display = catalogue()["report_types"][report["type"]]
    conclusion = re.split(r"^(?:IMPRESSION|FINAL DIAGNOSIS|CONCLUSIONS?):?\s*$", text, maxsplit=1, flags=re.MULTILINE)
    resource: Resource = {
        "resourceType": "DiagnosticReport",
        "id": _id(folder, report),
        "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": category, "display": category_display}]}],
        "code": {"coding": [{"system": _LOINC, "code": loinc, "display": display}], "text": report["title"]},
        "subject": _subject(folder),
        "effectiveDateTime": report["date"],
        "issued": report["date"],
        "performer": [_author(report)],
        "presentedForm": [{"contentType": folder.media_type(report["file"]), "title": report["title"], "data": _base64(text.encode("utf-8"))}],
    }
    if encounter := _encounter(folder, report):
        resource["encounter"] = encounter
    if len(conclusion) == 2:
        resource["conclusion"] = conclusion[1].strip()
    return resource


def _type(note: Resource) -> Resource:
    loinc, display = catalogue()["note_types"][note["type"]]
    return {"coding": [{"system": _LOINC, "code": loinc, "display": display}], "text": note["title"]}


def _author(note: Resource) -> Resource:
    return {"reference": f"Practitioner/{note['author']}", "display": clinic()["practitioners"][note["author"]]["name"]}


def _id(folder: ChartFolder, note: Resource) -> str:
    return f"{folder.slug}-{Path(note['file']).stem}"


def _subject(folder: ChartFolder) -> Resource:
    return {"reference": f"Patient/{folder.slug}"}


def _encounter(folder: ChartFolder, note: Resource) -> Resource | None:
    """Return the encounter that a note names: today's, an earlier one, or none (`"visit": null`: it came from elsewhere)."""
    visit = note.get("visit", "encounter")
    return {"reference": f"Encounter/{folder.slug}-{visit}"} if visit else None


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
