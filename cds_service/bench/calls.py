"""Hook calls as an EHR sends them: POST to the coding review with the chart in the prefetch."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import requests

from cds_service.bench.errors import BenchError
from cds_service.hooks.coverage import COVERAGE_EXTENSION

SERVICE = "coding-review"
_TIMEOUT_S = 30.0
_DAY = "2026-03-02"  # inside a release of the code set that the package holds
_UNUSED = ("medications", "reports", "procedures", "orders", "allergies", "compositions", "impressions", "administrations")


@dataclass(frozen=True, slots=True)
class Answered:
    """One answered call."""

    ms: float  # from sending to the last byte of the answer
    in_full: bool  # False where the time of the call ran out and a part of the note was left
    cards: int


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """A call that the service had no place for (503), and the seconds until the next try makes sense."""

    retry_after_s: float


class Caller:
    """One client of the service, with a connection that it keeps. Not to be shared between threads."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/cds-services/{SERVICE}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Content-Type"] = "application/json"

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def call(self, body: bytes) -> Answered:
        """Send one call and return how it was answered.

        Raises:
            BenchError: no answer, or another one than 200: a failure isn't a fast call.
        """
        answer = self.offer(body)
        if isinstance(answer, TurnedAway):
            raise BenchError("The service had no place for a single call.", "Stop what else calls it.")
        return answer

    def offer(self, body: bytes) -> Answered | TurnedAway:
        """Send one call of several at the same time: a busy service may turn it away.

        Raises:
            BenchError: no answer, or one that is neither an answer nor a polite refusal.
        """
        began = time.perf_counter()
        try:
            answer = self._session.post(self._url, data=body, timeout=_TIMEOUT_S)
        except requests.RequestException as error:
            raise BenchError(f"The service gave no answer ({type(error).__name__}).", "Run the benchmark with fewer clients.") from error
        ms = (time.perf_counter() - began) * 1000
        if answer.status_code == 503 and "Retry-After" in answer.headers:
            return TurnedAway(float(answer.headers["Retry-After"]))
        if answer.status_code != 200:
            raise BenchError(f"The service answered {answer.status_code}: {answer.text[:300]}", "Run `marginalia demo --check` to see what is wrong.")
        found = answer.json()
        left = found.get("extension", {}).get(COVERAGE_EXTENSION, {}).get("notesSkipped", ())
        return Answered(ms, not any(s["source"].startswith("DocumentReference/") for s in left), len(found["cards"]))


def hook_call(text: str, number: int) -> bytes:
    """Return the body of a call for a patient of its own with this note and a small chart.

    Args:
        text: the note.
        number: tells patients, encounters and notes apart.
    """
    patient, encounter = f"p{number}", f"e{number}"
    subject, where = {"reference": f"Patient/{patient}"}, {"reference": f"Encounter/{encounter}"}
    attachment = {"contentType": "text/plain", "data": base64.b64encode(text.encode()).decode()}
    document = {
        "resourceType": "DocumentReference",
        "id": f"d{number}",
        "status": "current",
        "description": "Progress note",
        "date": f"{_DAY}T10:00:00Z",
        "subject": subject,
        "context": {"encounter": [where]},
        "content": [{"attachment": attachment}],
    }
    visit = {
        "resourceType": "Encounter",
        "id": encounter,
        "status": "in-progress",
        "class": {"code": "AMB"},
        "subject": subject,
        "period": {"start": f"{_DAY}T09:00:00Z"},
    }
    prefetch: dict[str, Any] = {
        "patient": {"resourceType": "Patient", "id": patient, "birthDate": "1958-05-02", "gender": "female"},
        "encounter": visit,
        "notes": _bundle(document),
        "conditions": _bundle(_condition(subject)),
        "laboratory": _bundle(*(_result(subject, where, i, *row) for i, row in enumerate(_LABORATORY))),
        "vitals": _bundle(),
        **dict.fromkeys(_UNUSED, _bundle()),
    }
    context = {"userId": "Practitioner/bench", "patientId": patient, "encounterId": encounter}
    return json.dumps({"hook": "patient-view", "hookInstance": str(uuid4()), "context": context, "prefetch": prefetch}).encode()


_LABORATORY = (
    ("2160-0", "Creatinine", 1.8, "mg/dL", 0.6, 1.1),
    ("4548-4", "Hemoglobin A1c", 9.1, "%", 4.0, 5.6),
    ("2951-2", "Sodium", 131, "mmol/L", 135, 145),
    ("718-7", "Hemoglobin", 10.4, "g/dL", 12.0, 16.0),
)  # LOINC code, name, value, unit, reference range


def _bundle(*found: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": [{"resource": r} for r in found]}


def _condition(subject: dict[str, str]) -> dict[str, Any]:
    coding = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I10", "display": "Essential (primary) hypertension"}
    status = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}
    return {"resourceType": "Condition", "id": "c1", "clinicalStatus": status, "code": {"coding": [coding]}, "subject": subject}


def _result(
    subject: dict[str, str], where: dict[str, str], number: int, code: str, name: str, value: float, unit: str, low: float, high: float
) -> dict[str, Any]:
    category = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "category": [category],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}], "text": name},
        "subject": subject,
        "encounter": where,
        "effectiveDateTime": f"{_DAY}T08:00:00Z",
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        "referenceRange": [{"low": {"value": low}, "high": {"value": high}}],
    }
