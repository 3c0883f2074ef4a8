"""Several notes of one encounter: what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from cds_service.errors import NoCodeSetInForce
from cds_service.review import CodingReview, Knowledge, review
from fhir_mappers.record import Note, Setting
from tests.unit.review.conftest import MODEL, TODAY, note, of, reading, record


def _reviewed(knowledge: Knowledge, *written: tuple[Note, Mapping[str, str]], setting: Setting = Setting.OUTPATIENT) -> CodingReview:
    return of(record(*(n for n, _ in written), setting=setting), {n.source: reading(n.text, said) for n, said in written}, knowledge)


def test_a_doubt_of_an_inpatient_counts_until_a_later_note_resolves_it(knowledge: Knowledge) -> None:
    """II.H: uncertain at the time of discharge. Pulmonary embolism is suspected at first and ruled out later."""
    said = {"pulmonary embolism": "I26.99"}
    first = note("Assessment: Probable pulmonary embolism.", "DocumentReference/1", 1)
    later = note("Discharge Diagnosis: Pleurisy. Work-up shows no pulmonary embolism.", "DocumentReference/2", 2)
    assert [d.code for d in _reviewed(knowledge, (first, said), setting=Setting.INPATIENT).diagnoses] == ["I26.99"]
    both = _reviewed(knowledge, (first, said), (later, {**said, "Pleurisy": "R09.1"}), setting=Setting.INPATIENT)
    assert [d.code for d in both.diagnoses] == ["R09.1"]
    assert {(n.code, n.reason) for n in both.not_coded} >= {("I26.99", "ruled out")}


def test_a_suspicion_of_the_first_day_that_the_discharge_summary_does_not_repeat_is_not_coded(knowledge: Knowledge) -> None:
    """II.H: the diagnosis is uncertain at the time of discharge; near miss: the summary repeats it."""
    first = note("Assessment: Probable sepsis.", "DocumentReference/1", 1)
    said = {"sepsis": "A41.9", "Cellulitis": "L03.90"}

    def found(text: str) -> list[str]:
        summary = note(text, "DocumentReference/2", 2, title="Discharge summary")
        return [d.code for d in _reviewed(knowledge, (first, said), (summary, said), setting=Setting.INPATIENT).diagnoses]

    assert found("Discharge Diagnosis: Cellulitis.") == ["L03.90"]
    assert found("Discharge Diagnosis: Cellulitis. Probable sepsis.") == ["L03.90", "A41.9"]


def test_a_report_alone_is_a_finding_beside_a_provider_s_note(knowledge: Knowledge) -> None:
    """III.B: a finding of imaging that no provider interprets is not coded; a report that stands alone is (IV.K)."""
    report = note("Impression: Pleural effusion.", "DiagnosticReport/1", is_report=True)
    visit = note("Assessment: Gout.", "DocumentReference/1")
    assert [d.code for d in _reviewed(knowledge, (report, {"Pleural effusion": "J90"})).diagnoses] == ["J90"]
    both = _reviewed(knowledge, (report, {"Pleural effusion": "J90"}), (visit, {"Gout": "M10.9"}))
    assert [d.code for d in both.diagnoses] == ["M10.9"]
    assert [q.rule for q in both.queries if q.family == "imaging"] == ["gap.imaging.effusion"]


def test_one_note_contradicts_another(knowledge: Knowledge) -> None:
    """Conflicting documentation is asked about, never decided."""
    one = note("Assessment: Hypothyroidism.", "DocumentReference/1", 1)
    other = note("Assessment: No hypothyroidism. Gout.", "DocumentReference/2", 2)
    found = _reviewed(knowledge, (one, {"Hypothyroidism": "E03.9"}), (other, {"hypothyroidism": "E03.9", "Gout": "M10.9"}))
    assert "gap.contradicted-diagnosis" in [q.rule for q in found.queries]


def test_sides_of_two_notes_are_bilateral(knowledge: Knowledge) -> None:
    """I.B.13: one side in each note; no bilateral code exists, so both are coded."""
    one = note("Assessment: Left shoulder pain.", "DocumentReference/1", 1)
    other = note("Assessment: Right shoulder pain.", "DocumentReference/2", 2)
    said = {"shoulder pain": "M25.519"}
    assert {d.code for d in _reviewed(knowledge, (one, said), (other, said)).diagnoses} == {"M25.511", "M25.512"}


def test_a_date_before_every_release_is_refused(knowledge: Knowledge) -> None:
    """Codes are chosen by the date of service; where no release is at hand, the remedy is named."""
    early = replace(record(note("Assessment: Gout.")), start=datetime(2024, 1, 5, tzinfo=UTC), end=None)
    with pytest.raises(NoCodeSetInForce, match="2024-01-05"):
        review(early, {}, knowledge, id="r", created=datetime(2026, 3, 2, tzinfo=UTC), today=TODAY, model=MODEL)


def test_a_date_after_the_fiscal_year_warns(knowledge: Knowledge) -> None:
    """The release stays in force until a newer one is there, and the review says that one is due."""
    late = replace(record(note("Assessment: Gout.")), start=datetime(2026, 11, 5, tzinfo=UTC), end=None)
    found = review(late, {}, knowledge, id="r", created=datetime(2026, 11, 5, tzinfo=UTC), today=date(2026, 11, 5), model=MODEL)
    assert found.coverage.warnings == ("The date of service 2026-11-05 is after 2026-09-30, the last day of release 2026-04-01: a newer release is due.",)


@pytest.mark.parametrize(("role", "codes"), [("nurse", ["Z59.01"]), ("nurse practitioner", ["E46", "Z59.01"]), (None, ["E46", "Z59.01"])])
def test_diagnoses_of_other_clinicians(knowledge: Knowledge, role: str | None, codes: list[str]) -> None:
    """Guideline I.B.14: a nurse's diagnosis isn't coded, social determinants are; a nurse practitioner is a provider."""
    one = note("Assessment: Malnutrition. Homeless.", author_role=role)
    found = of(record(one), {one.source: reading(one.text, {"Malnutrition": "E46", "Homeless": "Z59.01"})}, knowledge)
    assert [d.code for d in found.diagnoses] == codes
    assert ("guideline.I.B.14.provider" in {n.rule for n in found.not_coded}) is (role == "nurse")
