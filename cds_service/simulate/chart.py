"""The chart of one patient, out of a Bundle: it answers the searches that prefetch templates ask for."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from cds_service.errors import RequestError

Resource = Mapping[str, Any]
_REFERENCES = {"patient": ("subject", "patient", "beneficiary"), "subject": ("subject",), "encounter": ("encounter", "context")}
_TOKENS = {"clinical-status": "clinicalStatus", "verification-status": "verificationStatus"}
_TOKEN_NAMES = frozenset({"category", "status", "code", "type", "intent", "class", "clinical-status", "verification-status"})
_DATE_NAMES = frozenset({"date", "authoredon", "onset-date", "recorded-date", "_lastUpdated", "period"})
_DATES = ("date", "effectiveDateTime", "authoredOn", "performedDateTime", "onsetDateTime", "recordedDate", "issued", "created")


@dataclass(frozen=True)
class Chart:
    """All resources of one patient."""

    resources: tuple[Resource, ...]

    @classmethod
    def load(cls, path: Path) -> Chart:
        """Read a FHIR R4 Bundle; raises RequestError."""
        try:
            bundle = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RequestError(f"{path} is no JSON file.", "Give a FHIR R4 Bundle with a Patient.") from error
        entries = bundle.get("entry") if isinstance(bundle, dict) else None
        found = [e["resource"] for e in entries if isinstance(e, dict) and isinstance(e.get("resource"), dict)] if isinstance(entries, list) else []
        if not any(r.get("resourceType") == "Patient" and r.get("id") for r in found):
            raise RequestError(f"{path} holds no Patient.", "Give a FHIR R4 Bundle with a Patient.")
        return cls(tuple(found))

    @property
    def patient_id(self) -> str:
        """The id of the patient."""
        return next(str(r["id"]) for r in self.resources if r.get("resourceType") == "Patient")

    @property
    def encounter_id(self) -> str | None:
        """The id of the newest encounter; None where there is none."""
        found = sorted(self.of_type("Encounter"), key=lambda r: str((r.get("period") or {}).get("start", "")))
        return str(found[-1]["id"]) if found and found[-1].get("id") else None

    def of_type(self, resource_type: str) -> list[Resource]:
        """Return the resources of a type."""
        return [r for r in self.resources if r.get("resourceType") == resource_type]

    def read(self, resource_type: str, resource_id: str) -> Resource | None:
        """Return one resource."""
        return next((r for r in self.of_type(resource_type) if r.get("id") == resource_id), None)

    def answer(self, query: str) -> Resource | None:
        """Return what a filled-in template asks for: a resource, or a searchset; None where it isn't understood."""
        path, question, parameters = query.partition("?")
        if not question:
            resource_type, _, resource_id = path.partition("/")
            return self.read(resource_type, resource_id)
        found = self.search(path, parse_qsl(parameters))
        return None if found is None else searchset(found)

    def search(self, resource_type: str, parameters: Iterable[tuple[str, str]]) -> list[Resource] | None:
        """Return the resources that match; None where a parameter isn't understood."""
        found, count, order = self.of_type(resource_type), None, ""
        for name, value in parameters:
            bare = name.partition(":")[0]
            if bare == "_count":
                count = int(value) if value.isdigit() else None
            elif bare == "_sort":
                order = value
            elif bare == "_id":
                found = [r for r in found if r.get("id") in value.split(",")]
            elif bare in _REFERENCES:
                found = [r for r in found if _points_to(r, _REFERENCES[bare], value)]
            elif bare in _TOKEN_NAMES:
                found = [r for r in found if _tokens(r.get(_TOKENS.get(bare, bare))) & {v.rpartition("|")[2] for v in value.split(",")}]
            elif bare in _DATE_NAMES:
                found = [r for r in found if _in_time(_moment(r), value)]
            else:
                return None
        if order:
            found = sorted(found, key=_moment, reverse=order.startswith("-"))
        return found[:count] if count else found


def searchset(resources: Sequence[Resource], following: str = "") -> dict[str, Any]:
    """Return a searchset Bundle; `following` is the address of the next page."""
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(resources), "entry": [{"resource": r} for r in resources]}
    return bundle | ({"link": [{"relation": "next", "url": following}]} if following else {})


def sample_chart() -> Chart:
    """Return an invented patient with a visit, two notes, a problem, a result, a drug and a draft order."""
    patient, visit = {"reference": "Patient/sim-1"}, {"reference": "Encounter/sim-visit"}
    note = (
        "Assessment and Plan:\n1. Type 2 diabetes mellitus with diabetic chronic kidney disease, stage 3a.\n2. Essential hypertension, at goal.\n"
        "3. Chronic obstructive pulmonary disease, stable on tiotropium. Denies chest pain.\n"
    )

    def document(name: str, text: str, day: str) -> dict[str, Any]:
        data = base64.b64encode(text.encode()).decode()
        return {
            "resourceType": "DocumentReference",
            "id": name,
            "status": "current",
            "type": {"coding": [{"system": "http://loinc.org", "code": "11506-3"}], "text": "Progress note"},
            "description": "Progress note",
            "subject": patient,
            "date": f"{day}T09:20:00Z",
            "context": {"encounter": [visit]},
            "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": data}}],
        }

    problem = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I10", "display": "Essential (primary) hypertension"}]}
    kinds = "http://terminology.hl7.org/CodeSystem"
    drafts = {"resourceType": "ServiceRequest", "id": "sim-draft", "status": "draft", "intent": "order", "subject": patient, "encounter": visit}
    return Chart(
        (
            {"resourceType": "Patient", "id": "sim-1", "birthDate": "1958-04-02", "gender": "female", "name": [{"family": "Simulated", "given": ["Ada"]}]},
            {
                "resourceType": "Encounter",
                "id": "sim-visit",
                "status": "in-progress",
                "class": {"system": f"{kinds}/v3-ActCode", "code": "AMB"},
                "subject": patient,
                "period": {"start": "2026-03-02T09:00:00Z"},
            },
            document("sim-note-1", note, "2026-03-02"),
            document("sim-note-2", "Interval history: cough with sputum for two days, no fever. No edema.", "2026-03-01"),
            {
                "resourceType": "Condition",
                "id": "sim-problem",
                "clinicalStatus": {"coding": [{"system": f"{kinds}/condition-clinical", "code": "active"}]},
                "category": [{"coding": [{"system": f"{kinds}/condition-category", "code": "problem-list-item"}]}],
                "code": problem,
                "subject": patient,
                "recordedDate": "2025-01-10",
            },
            {
                "resourceType": "Observation",
                "id": "sim-a1c",
                "status": "final",
                "category": [{"coding": [{"system": f"{kinds}/observation-category", "code": "laboratory"}]}],
                "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}], "text": "Hemoglobin A1c"},
                "subject": patient,
                "effectiveDateTime": "2026-02-25T08:00:00Z",
                "valueQuantity": {"value": 8.1, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"},
            },
            {
                "resourceType": "MedicationRequest",
                "id": "sim-drug",
                "status": "active",
                "intent": "order",
                "medicationCodeableConcept": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "860975"}], "text": "metformin"},
                "subject": patient,
                "authoredOn": "2026-01-05",
            },
            {**drafts, "code": {"text": "Home oxygen"}},
        )
    )


def _points_to(resource: Resource, elements: Iterable[str], value: str) -> bool:
    wanted = value.rpartition("/")[2]
    places: list[Any] = []
    for element in elements:
        place = resource.get(element)
        if element == "context" and isinstance(place, Mapping):
            place = place.get("encounter")
        places += place if isinstance(place, list) else [place]
    return any(isinstance(p, Mapping) and str(p.get("reference", "")).rpartition("/")[2] == wanted for p in places)


def _tokens(element: Any) -> set[str]:
    if isinstance(element, str):
        return {element}
    if isinstance(element, list):
        return {t for part in element for t in _tokens(part)}
    if isinstance(element, Mapping):
        return _tokens(element.get("code")) | _tokens(element.get("coding"))
    return set()


def _moment(resource: Resource) -> str:
    period = resource.get("period")
    start = period.get("start") if isinstance(period, Mapping) else None
    return next((str(resource[name]) for name in _DATES if isinstance(resource.get(name), str)), str(start or ""))


def _in_time(moment: str, value: str) -> bool:
    comparison, day = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
    cut = moment[: len(day)]
    return bool(moment) and {"eq": cut == day, "gt": cut > day, "ge": cut >= day, "lt": cut < day, "le": cut <= day}.get(comparison, False)
