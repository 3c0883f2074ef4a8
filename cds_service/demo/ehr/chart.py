"""A patient's chart as the EHR shows it: read from the FHIR server, sorted, and put into words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from cds_service.demo.ehr.fhir import Records, Resource
from cds_service.demo.ehr.results import Trend, trends
from cds_service.demo.errors import DemoError
from fhir_mappers import Note, Skipped, read_resources

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
_TYPES = (
    "DocumentReference",
    "Composition",
    "ClinicalImpression",
    "DiagnosticReport",
    "Condition",
    "Observation",
    "MedicationRequest",
    "AllergyIntolerance",
    "ServiceRequest",
    "DeviceRequest",
    "Procedure",
    "Coverage",
)
_CLASSES = {"AMB": "Outpatient", "IMP": "Inpatient", "EMER": "Emergency"}


@dataclass(frozen=True, slots=True)
class PatientHeader:
    """What the banner shows."""

    id: str
    name: str
    gender: str
    birth_date: str
    age: int
    mrn: str


@dataclass(frozen=True, slots=True)
class Visit:
    """The encounter of the chart."""

    id: str
    title: str
    setting: str
    reason: str
    start: str
    end: str | None
    attending: str
    status: str

    @property
    def can_be_discharged(self) -> bool:
        """True for a stay that has not been closed yet."""
        return self.setting in ("Inpatient", "Emergency") and self.status == "in-progress"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A line of the problem list or of the visit's diagnoses."""

    text: str
    code: str | None
    since: str | None


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An order, with the reference that signing names."""

    reference: str
    text: str
    code: str | None
    reasons: str
    status: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the chart page shows."""

    patient: PatientHeader
    visit: Visit
    notes: tuple[Note, ...]
    unreadable: tuple[Skipped, ...]
    problems: tuple[Diagnosis, ...]
    diagnoses: tuple[Diagnosis, ...]
    labs: tuple[Trend, ...]
    vitals: tuple[Trend, ...]
    medications: tuple[str, ...]
    allergies: tuple[str, ...]
    orders: tuple[OrderLine, ...]
    procedures: tuple[str, ...]
    payer: str


def read_chart(records: Records, patient: str) -> Chart:
    """Return the chart of a patient; raises DemoError where the server has no such patient."""
    person = records.get(f"Patient/{patient}")
    visit = current_encounter(records, patient)
    with ThreadPoolExecutor(6) as pool:
        found = dict(zip(_TYPES, pool.map(lambda kind: records.all(kind, patient=patient), _TYPES), strict=True))
    documents = [_with_content(records, r) for r in found["DocumentReference"]]
    written = [*documents, *found["Composition"], *found["ClinicalImpression"], *found["DiagnosticReport"]]
    record = read_resources([person, *written], patient_id=patient)
    return Chart(
        patient=header(person, visit),
        visit=_visit(visit),
        notes=tuple(sorted(record.notes, key=_newest_first)),
        unreadable=tuple(record.skipped),
        problems=problem_list(found["Condition"]),
        diagnoses=visit_diagnoses(found["Condition"], visit["id"]),
        labs=trends(found["Observation"], {"laboratory"}),
        vitals=trends(found["Observation"], {"vital-signs", "survey"}),
        medications=tuple(r["medicationCodeableConcept"]["text"] for r in found["MedicationRequest"]),
        allergies=tuple(f"{r['code']['text']}: {r['reaction'][0]['manifestation'][0]['text']}" for r in found["AllergyIntolerance"]),
        orders=order_lines([*found["ServiceRequest"], *found["DeviceRequest"]]),
        procedures=tuple(f"{r['performedDateTime']}: {r['code']['text']}" for r in found["Procedure"]),
        payer=next((r["payor"][0].get("display", "") for r in found["Coverage"]), ""),
    )


def header(person: Resource, visit: Resource) -> PatientHeader:
    """Return the banner's words for a Patient; the age is that on the day of the visit."""
    born = date.fromisoformat(person["birthDate"])
    today = datetime.fromisoformat(visit["period"]["start"]).date()
    return PatientHeader(
        id=person["id"],
        name=person["name"][0]["text"],
        gender=person["gender"],
        birth_date=person["birthDate"],
        age=today.year - born.year - ((today.month, today.day) < (born.month, born.day)),
        mrn=person["identifier"][0]["value"],
    )


def current_encounter(records: Records, patient: str) -> Resource:
    """Return the patient's latest encounter; raises DemoError where there is none."""
    found = records.all("Encounter", patient=patient)
    if not found:
        raise DemoError("The patient has no encounter.", "Go back to the list of patients.", status=404)
    return max(found, key=lambda e: str(e["period"]["start"]))


def problem_list(found: Iterable[Resource]) -> tuple[Diagnosis, ...]:
    """Return the lines of the problem list."""
    return tuple(_diagnosis(r) for r in found if "problem-list-item" in _codes(r.get("category", [])))


def order_lines(found: Iterable[Resource]) -> tuple[OrderLine, ...]:
    """Return orders as lines, by id: the order of the chart."""
    return tuple(_order(r) for r in sorted(found, key=lambda r: str(r["id"])))


def visit_diagnoses(found: Iterable[Resource], encounter: str) -> tuple[Diagnosis, ...]:
    """Return the diagnoses of one encounter."""
    own = (r for r in found if r.get("encounter", {}).get("reference") == f"Encounter/{encounter}")
    return tuple(_diagnosis(r) for r in own if "encounter-diagnosis" in _codes(r.get("category", [])))


def concept_code(concept: Mapping[str, Any]) -> str | None:
    """Return the code to show beside a concept: ICD-10-CM where there is one, else the first."""
    codings: Sequence[Mapping[str, Any]] = concept.get("coding", [])
    chosen = next((c for c in codings if c.get("system") == ICD10CM), codings[0] if codings else {})
    return chosen.get("code")


def day_of(moment: str | None) -> str | None:
    """Return a FHIR dateTime as words: "2026-03-17 09:52", or only the part that it gives."""
    if moment is None or "T" not in moment:
        return moment
    return datetime.fromisoformat(moment).strftime("%Y-%m-%d %H:%M")


def _codes(concepts: Iterable[Mapping[str, Any]]) -> set[str]:
    return {coding.get("code", "") for concept in concepts for coding in concept.get("coding", [])}


def _diagnosis(condition: Resource) -> Diagnosis:
    concept = condition.get("code", {})
    text = concept.get("text") or next((c["display"] for c in concept.get("coding", []) if "display" in c), "")
    return Diagnosis(text, concept_code(concept), condition.get("onsetDateTime") or day_of(condition.get("recordedDate")))


def _order(order: Resource) -> OrderLine:
    concept = order.get("code") or order.get("codeCodeableConcept", {})
    reasons = [f"{reason.get('text', '')} {concept_code(reason) or ''}".strip() for reason in order.get("reasonCode", [])]
    return OrderLine(f"{order['resourceType']}/{order['id']}", concept["text"], concept_code(concept), ", ".join(reasons), order["status"])


def _visit(encounter: Resource) -> Visit:
    return Visit(
        id=encounter["id"],
        title=encounter["type"][0]["text"],
        setting=_CLASSES.get(encounter["class"]["code"], encounter["class"]["code"]),
        reason=encounter["reasonCode"][0]["text"],
        start=day_of(encounter["period"]["start"]) or "",
        end=day_of(encounter["period"].get("end")),
        attending=encounter["participant"][0]["individual"]["display"],
        status=encounter["status"],
    )


def _with_content(records: Records, document: Resource) -> Resource:
    """Put the content of a Binary in place, so that the page can show it."""
    contents = []
    for content in document["content"]:
        attachment = content["attachment"]
        if "data" not in attachment and attachment.get("url", "").startswith("Binary/"):
            attachment = attachment | {"data": records.get(attachment["url"])["data"]}
        contents.append(content | {"attachment": attachment})
    return document | {"content": contents}


def _newest_first(note: Note) -> float:
    return -note.date.timestamp() if note.date else 0.0
