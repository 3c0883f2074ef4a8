"""Two releases on the two sides of October: the date of discharge decides, and nothing leaves that isn't in force."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from cds_service.review import CodingReview, Knowledge
from cds_service.review.claims.services import Service
from cds_service.review.codeset import ICD10CM, CodeSet, CodeSets, Entry
from cds_service.review.codeset_gate import service_code_findings
from cds_service.review.edits import claim_findings
from fhir_mappers.record import EncounterRecord, Setting
from fhir_mappers.systems import HCPCS
from tests.unit.review.conftest import Said, note, of, reading, record

TEXT = "Assessment: chronic cough. Marsh lung. Hiccough."
SAID: Said = {"chronic cough": [("R05.3", 0.8), ("R05.9", 0.3)], "Marsh lung": "J98.A1", "Hiccough": "R06.6"}


@pytest.fixture(scope="module")
def years(knowledge: Knowledge) -> Knowledge:
    """FY 2026 and an invented FY 2027: R05.3 became R05.5, R06.6 became two codes, J98.A1 is new, R05.9 ended without a successor."""
    [now] = knowledge.code_sets.of(ICD10CM)
    fresh = {c: Entry(c, t, c[:3]) for c, t in {"R05.5": "Cough of old", "J98.A1": "Marsh lung", "R06.7": "Hiccup by day", "R06.2A": "Hiccup by night"}.items()}
    gone = {"R05.3", "R06.6", "R05.9"}
    later = replace(
        now,
        version="2027",
        effective_from=date(2026, 10, 1),
        superseded_after=date(2027, 9, 30),
        entries={**{c: e for c, e in now.entries.items() if c not in gone}, **fresh},
        billable=(now.billable - gone) | fresh.keys(),
        _children={c: tuple(x for x in (*below, *(f for f in fresh if f[:3] == c)) if x not in gone) for c, below in now._children.items()},
        conversions={"R05.3": ("R05.5",), "R06.6": ("R06.2A", "R06.7")},
    )
    return replace(knowledge, code_sets=CodeSets([now, later]))


def stay(begins: date, ends: date, setting: Setting, text: str = TEXT) -> EncounterRecord:
    """Return an encounter between two dates."""
    first, last = (datetime(d.year, d.month, d.day, 9, tzinfo=UTC) for d in (begins, ends))
    return replace(record(note(text), setting=setting), start=first, end=last)


def reviewed(case: EncounterRecord, years: Knowledge) -> CodingReview:
    """Return the review of what an engine would propose that knows all releases."""
    return of(case, {n.source: reading(n.text, SAID) for n in case.notes}, years)


@pytest.mark.parametrize(
    ("begins", "ends", "setting", "version"),
    [
        (date(2026, 9, 30), date(2026, 9, 30), Setting.OUTPATIENT, "2026-04-01"),
        (date(2026, 10, 1), date(2026, 10, 1), Setting.OUTPATIENT, "2027"),
        (date(2026, 9, 28), date(2026, 10, 2), Setting.INPATIENT, "2027"),
        (date(2026, 9, 28), date(2026, 9, 30), Setting.INPATIENT, "2026-04-01"),
        (date(2026, 9, 30), date(2026, 10, 1), Setting.OUTPATIENT, "2026-04-01"),
    ],
)
def test_the_date_of_discharge_or_service_decides(years: Knowledge, begins: date, ends: date, setting: Setting, version: str) -> None:
    """CMS, release notes of the ICD-10-CM files: inpatients by discharge, others by the date of service."""
    review = reviewed(stay(begins, ends, setting), years)
    codes = {d.code for d in review.diagnoses}
    assert review.code_sets[0].version == version
    assert codes >= ({"R05.5", "J98.A1"} if version == "2027" else {"R05.3", "R06.6"})
    assert not codes & ({"R05.3", "R06.6"} if version == "2027" else {"R05.5", "J98.A1"})


def test_nothing_leaves_the_review_that_is_not_in_force(years: Knowledge) -> None:
    """Codes and alternatives of the review are codes of its release, whatever the engine proposes."""
    for day in (date(2026, 9, 30), date(2026, 10, 1)):
        release = years.code_sets.in_force("http://hl7.org/fhir/sid/icd-10-cm", day)
        review = reviewed(stay(day, day, Setting.OUTPATIENT), years)
        named = {c for d in review.diagnoses for c in (d.code, *(a.code for a in d.alternatives))}
        assert {c for c in named if not release.is_valid(c)} == set()


def test_one_successor_is_reported_and_says_so(years: Knowledge) -> None:
    """The rationale names the ended code, its last day and who says what took its place."""
    review = reviewed(stay(date(2026, 10, 1), date(2026, 10, 1), Setting.OUTPATIENT), years)
    cough = next(d for d in review.diagnoses if d.code == "R05.5")
    told = next(r for r in cough.rationale if r.rule == "codeset.in-force")
    assert told.text == "R05.3 ended on 2026-09-30. R05.5 takes its place (conversion table 2027)."


def test_several_successors_are_named_and_none_is_chosen(years: Knowledge) -> None:
    """The documentation decides between them: the ended code stands under what isn't coded."""
    review = reviewed(stay(date(2026, 10, 1), date(2026, 10, 1), Setting.OUTPATIENT), years)
    hiccup = next(n for n in review.not_coded if n.code == "R06.6")
    assert hiccup.reason == "R06.6 ended on 2026-09-30. R06.2A, R06.7 take its place (conversion table 2027)."
    assert [e.text for e in hiccup.evidence] == ["Hiccough"]


def test_a_claim_with_an_ended_code_is_told_its_successor(years: Knowledge) -> None:
    """Claim edit: invalid on the date, with what to look at instead."""
    case = stay(date(2026, 10, 1), date(2026, 10, 1), Setting.OUTPATIENT)
    release = years.code_sets.in_force("http://hl7.org/fhir/sid/icd-10-cm", date(2026, 10, 1))
    [found] = [f for f in claim_findings(["R05.3"], case, release, years.edits, date(2026, 10, 1)) if f.edit == "code.invalid"]
    assert "R05.5 takes its place" in found.explanation
    earlier = years.code_sets.in_force("http://hl7.org/fhir/sid/icd-10-cm", date(2026, 9, 30))
    assert not [f for f in claim_findings(["R05.3"], case, earlier, years.edits, date(2026, 9, 30)) if f.edit.startswith("code.")]


def test_a_service_is_checked_on_its_own_day() -> None:
    """HCPCS codes end within a quarter; where no release of that day is at hand nothing is said."""
    entries = {c: Entry(c, c, None) for c in ("A9001", "A9003")}
    ends = {"A9003": date(2027, 2, 15)}
    release = CodeSet(HCPCS, "2027-01-01", date(2027, 1, 1), None, None, entries, frozenset(entries), conversions={"A9003": ("A9001",)}, ends=ends)
    sets = CodeSets([release])

    def found(code: str, day: date) -> list[str]:
        return [f.explanation for f in service_code_findings([Service("Procedure/1", code, day, 1)], sets)]

    assert found("A9003", date(2027, 2, 15)) == found("A9009", date(2026, 12, 31)) == found("A9001", date(2027, 3, 1)) == []
    assert found("A9003", date(2027, 2, 16)) == ["A9003 ended on 2027-02-15. A9001 takes its place (release 2027-01-01)."]
    assert found("A9009", date(2027, 1, 1)) == ["A9009 is no code of the release in force on 2027-01-01."]
