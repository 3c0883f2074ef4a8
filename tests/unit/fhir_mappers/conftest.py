"""Shared by the tests of the FHIR mappers: one patient, one encounter, and ways to write and read resources."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from fhir_mappers import EncounterRecord, read_resources

TODAY = date(2026, 3, 10)


@pytest.fixture
def patient() -> dict[str, Any]:
    """Patient p1."""
    return {"resourceType": "Patient", "id": "p1", "birthDate": "1961-04-02", "gender": "female"}


@pytest.fixture
def encounter() -> dict[str, Any]:
    """Encounter e1 of patient p1: an office visit on 1 March 2026."""
    return {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2026-03-01T09:00:00-05:00", "end": "2026-03-01T09:30:00-05:00"},
    }


@pytest.fixture
def document() -> Callable[..., dict[str, Any]]:
    """Makes DocumentReferences; keyword arguments replace elements."""

    def make(words: str | bytes = "Type 2 diabetes, stable.", kind: str = "text/plain; charset=utf-8", **changes: Any) -> dict[str, Any]:
        data = words.encode() if isinstance(words, str) else words
        return {
            "resourceType": "DocumentReference",
            "id": "n1",
            "status": "current",
            "type": {"coding": [{"system": "http://loinc.org", "code": "11506-3", "display": "Progress note"}]},
            "subject": {"reference": "Patient/p1"},
            "date": "2026-03-01T14:30:00Z",
            "content": [{"attachment": {"contentType": kind, "data": base64.b64encode(data).decode()}}],
            "context": {"encounter": [{"reference": "Encounter/e1"}]},
        } | changes

    return make


@pytest.fixture
def read(patient: dict[str, Any], encounter: dict[str, Any]) -> Callable[..., EncounterRecord]:
    """Reads resources together with patient p1 and encounter e1."""

    def reading(*resources: Any, encounter_id: str | None = "e1") -> EncounterRecord:
        return read_resources([patient, encounter, *resources], patient_id="p1", encounter_id=encounter_id, today=TODAY)

    return reading


@pytest.fixture
def said(read: Callable[..., EncounterRecord]) -> Callable[..., list[tuple[str, str]]]:
    """Returns what a reading of resources leaves out or says: (source, reason)."""
    return lambda *resources: [(s.source, s.reason) for s in read(*resources).skipped]
