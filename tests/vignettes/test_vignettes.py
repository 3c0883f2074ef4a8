"""Whole records of synthetic patients with the codes, in sequence, the questions and the edits that a certified coder expects.

Each JSON file is one encounter. `read` is what the words of the notes mean to the engine; the review decides the rest.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cds_service.review import CodingReview, Knowledge, review
from fhir_mappers.record import (
    Coding,
    Concept,
    EarlierDiagnosis,
    EncounterRecord,
    Medication,
    Note,
    Observation,
    Order,
    Patient,
    Problem,
    ProcedureDone,
    Setting,
)
from tests.unit.review.conftest import MODEL, reading

FILES = sorted(Path(__file__).parent.glob("*.json"))
SYSTEMS = {"icd10": "http://hl7.org/fhir/sid/icd-10-cm", "loinc": "http://loinc.org"}
DAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    """All tables, read once."""
    return Knowledge.load()


def _concept(entry: dict[str, Any]) -> Concept:
    codings = tuple(Coding(system, entry[key]) for key, system in SYSTEMS.items() if key in entry)
    return Concept(codings, entry["name"])


def _record(case: dict[str, Any]) -> EncounterRecord:
    def at(entry: dict[str, Any]) -> datetime:
        return DAY + timedelta(days=entry.get("day", 0))

    person = case["patient"]
    return EncounterRecord(
        Patient("synthetic", date.fromisoformat(person["birthDate"]), person["gender"]),
        "encounter",
        Setting(case["setting"]),
        DAY,
        DAY + timedelta(days=case.get("days", 0)),
        notes=tuple(Note(f"DocumentReference/{n}", e["text"], e["title"], date=at(e), is_report=e.get("report", False)) for n, e in enumerate(case["notes"])),
        problems=tuple(
            Problem(f"Condition/{n}", _concept(e), e.get("category", "problem-list-item"), "active") for n, e in enumerate(case.get("problems", ()))
        ),
        observations=tuple(
            Observation(f"Observation/{n}", _concept(e), "laboratory", at(e), e["value"], e["unit"], e["value"], e["unit"])
            for n, e in enumerate(case.get("observations", ()))
        ),
        medications=tuple(Medication(f"MedicationRequest/{n}", _concept(e), "active", date=at(e)) for n, e in enumerate(case.get("medications", ()))),
        orders=tuple(Order(f"ServiceRequest/{n}", _concept(e), e.get("status", "active"), "order", at(e)) for n, e in enumerate(case.get("orders", ()))),
        earlier_diagnoses=tuple(
            EarlierDiagnosis(f"Condition/e{n}", _concept(e), date.fromisoformat(e["date"])) for n, e in enumerate(case.get("earlier", ()))
        ),
        procedures=tuple(ProcedureDone(f"Procedure/{n}", _concept(e), "completed", at(e)) for n, e in enumerate(case.get("procedures", ()))),
    )


def _review(case: dict[str, Any], knowledge: Knowledge) -> CodingReview:
    record = _record(case)
    readings = {n.source: reading(n.text, case["read"]) for n in record.notes}
    return review(record, readings, knowledge, id="v", created=DAY, today=DAY.date(), model=MODEL)


def _rules(found: CodingReview) -> list[str]:
    """Return the rules that the rationale names, at codes and at what is left out."""
    named = {r.rule for d in found.diagnoses for r in d.rationale if not r.rule.startswith("model.")}
    return sorted(named | {n.rule for n in found.not_coded if n.rule})


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_vignette(path: Path, knowledge: Knowledge) -> None:
    """Codes in sequence, the rules of the rationale, what is left out and why, all questions, all edits: no more and no less."""
    case = json.loads(path.read_text(encoding="utf-8"))
    found, expected = _review(case, knowledge), case["expect"]
    assert [d.code for d in found.diagnoses] == expected["codes"]
    reasons = {(n.code, n.reason) for n in found.not_coded}
    assert {tuple(pair) for pair in expected.get("notCoded", [])} - reasons == set()
    assert sorted({q.rule for q in found.queries}) == expected["queries"]
    assert sorted({f.edit for f in found.claim_findings}) == expected["edits"]
    assert _rules(found) == expected["rules"]
    assert {d.code: d.present_on_admission for d in found.diagnoses if d.code in expected.get("admission", {})} == expected.get("admission", {})
    if "group" in expected and knowledge.grouper:
        assert found.grouping is not None
        assert [found.grouping.before.code if found.grouping.before else None, found.grouping.after.code] == expected["group"]
    if "procedures" in expected:
        assert [p.code for p in found.procedures] == expected["procedures"]
    others = {(d.code, a.code) for d in found.diagnoses for a in d.alternatives}
    assert {tuple(pair) for pair in expected.get("alternatives", [])} - others == set()


def test_there_are_vignettes_of_every_setting() -> None:
    """Inpatient, outpatient and emergency, at least thirty in all."""
    settings = [json.loads(p.read_text(encoding="utf-8"))["setting"] for p in FILES]
    assert set(settings) == {"inpatient", "outpatient", "emergency"}
    assert len(settings) >= 30
