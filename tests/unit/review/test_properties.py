"""Properties that hold for every review, whatever the notes say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.review import CodingReview, Knowledge, to_document, with_text, without_text
from cds_service.review.gaps import faults
from cds_service.review.guidelines.conventions import is_etiology
from cds_service.review.sequencing import may_be_first
from fhir_mappers.record import Coding, Concept, EarlierDiagnosis, EncounterRecord, Problem, Setting
from onnx_models.reading import NoteReading
from tests.unit.review.conftest import TODAY, note, of, reading, record

# Codes that conventions tie together, so that random notes meet the rules.
TIED = (
    "E11.9", "E10.9", "E11.65", "R73.9", "N18.9", "N18.4", "N18.6", "I10", "I11.9", "I50.9", "I50.22", "I51.7", "G62.9", "K31.84", "L97.509", "M86.9",
    "H42", "F02.80", "F03.90", "G30.9", "G20.A1", "J44.9", "J44.1", "J45.909", "J43.9", "J18.9", "J10.1", "U07.1", "R05.9", "R06.02", "R07.9",
    "R50.9", "R52", "R10.9", "R11.2", "K52.9", "K21.9", "D64.9", "D62", "C34.90", "C80.1", "C79.51", "A41.9", "R65.21", "R57.9", "B20", "Z21",
    "F17.210", "Z72.0", "Z68.36", "E66.9", "F10.20", "F10.90", "F32.9", "F33.1", "O24.419", "O99.019", "Z33.1", "S72.00", "S82.201", "S80.11",
    "M17.1", "M25.56", "M54.50", "M51.26", "W19", "T14.90", "I25.10", "I20.9", "I21.4", "I63.9", "Z86.73", "G89.29", "G89.4", "N17.9", "R31.9",
    "N20.0", "I48.91", "I48.0", "L89.15", "H66.90", "C50.919", "Z79.4", "Z00.00", "Z47.89", "R99", "I95.9", "R03.1", "K92.2", "K57.30",
    "T45.511A", "T45.515A", "T38.3X6A", "T23.252A", "T23.351A", "T31.0", "O80", "O14.90", "Z38.00", "P59.9", "Z05.1", "G81.90", "R13.10", "R29.704",
    "I21.19", "I50.21", "J96.00", "J96.10", "M84.40", "D63.0", "D63.1", "E08.9", "G63", "I32", "L89.159", "B95.62", "F12.90", "G89.4", "J95.851", "U09.9",
)  # fmt: skip
SHAPES = (
    "{} due to old stroke.", "Impending {}.", "Borderline {}.", "{} two weeks ago.", "{}, healed.", "{}, hospital-acquired.", "{} versus something.",
    "{}.", "No {}.", "Possible {}.", "History of {}.", "Mother had {}.", "Left {}.", "Severe {}, stage 3.", "{} and insulin glargine.",
    "Poor glycemic control with {}.",
)  # fmt: skip
HEADS = ("HPI:\n", "Exam:\n", "Assessment:\n", "Discharge Diagnosis:\n", "")


@st.composite
def cases(draw: st.DrawFn) -> tuple[EncounterRecord, Mapping[str, NoteReading]]:
    """Return a record of one to three notes with random conditions, scores and settings, and its readings."""
    notes, readings = [], {}
    for number in range(draw(st.integers(1, 3))):
        lines, said = [], {}
        for at in range(draw(st.integers(1, 8))):
            words = f"Conditio{'abcdefgh'[at]}"
            said[words] = [(code, draw(st.floats(0.3, 1.0))) for code in draw(st.lists(st.sampled_from(TIED), min_size=1, max_size=3, unique=True))]
            lines.append(draw(st.sampled_from(HEADS)) + draw(st.sampled_from(SHAPES)).format(words))
        source = f"DocumentReference/{number}"
        text = "\n".join(lines)
        notes.append(note(text, source, day=1 + number, is_report=draw(st.booleans()) and number > 0))
        readings[source] = reading(text, said)
    return record(*notes, setting=draw(st.sampled_from(Setting))), readings


KNOWLEDGE = Knowledge.load()
many = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(cases())
def test_what_every_review_keeps_to(case: tuple[EncounterRecord, Mapping[str, NoteReading]]) -> None:
    """Valid billable codes, no Excludes1 pair, etiology before manifestation, nothing first that may not be, evidence verbatim, compliant questions."""
    whole, readings = case
    review = of(whole, readings, KNOWLEDGE)
    codes = KNOWLEDGE.code_sets.in_force("http://hl7.org/fhir/sid/icd-10-cm", TODAY)
    reported = [d.code for d in review.diagnoses]
    assert len(set(reported)) == len(reported)
    assert [c for c in reported if not codes.is_billable(c)] == []
    assert [(a, b) for a, b in combinations(reported, 2) if codes.excludes1(a, b)] == []
    assert [c for at, c in enumerate(reported) if codes.is_manifestation(c) and not any(is_etiology(codes, e, c) for e in reported[:at])] == []
    if any(may_be_first(c, codes) for c in reported):
        assert may_be_first(reported[0], codes)
    _evidence_is_verbatim(review, whole)
    assert [faults(q) for q in review.queries if faults(q)] == []
    assert all(0 <= d.confidence <= 1 and d.rationale for d in review.diagnoses)


def _evidence_is_verbatim(review: CodingReview, whole: EncounterRecord) -> None:
    texts = {n.source: n.text for n in whole.notes}
    for diagnosis in review.diagnoses:
        assert diagnosis.evidence
        for evidence in diagnosis.evidence:
            if evidence.kind == "note":
                assert texts[evidence.source][evidence.begin : evidence.end] == evidence.text


@many
@given(cases())
def test_the_review_does_not_depend_on_the_order_of_its_input(case: tuple[EncounterRecord, Mapping[str, NoteReading]]) -> None:
    """The same record, its notes and mentions reversed, gives the same review."""
    whole, readings = case
    turned = replace(whole, notes=whole.notes[::-1])
    backwards = {s: replace(r, mentions=r.mentions[::-1]) for s, r in reversed(readings.items())}
    assert to_document(of(turned, backwards, KNOWLEDGE)) == to_document(of(whole, readings, KNOWLEDGE))


@many
@given(cases())
def test_specificity_never_exceeds_the_evidence(case: tuple[EncounterRecord, Mapping[str, NoteReading]]) -> None:
    """A side, an open fracture or a degree in a title stands in the words of the evidence, or in the engine's reading of them."""
    whole, readings = case
    codes = KNOWLEDGE.code_sets.in_force("http://hl7.org/fhir/sid/icd-10-cm", TODAY)
    read = " ".join(codes.title(c.code).lower() for r in readings.values() for m in r.mentions for c in m.candidates)
    written = " ".join(n.text.lower() for n in whole.notes)
    for diagnosis in of(whole, readings, KNOWLEDGE).diagnoses:
        for word in ("left", "right", "severe", "bilateral", "open fracture", "stage 3", "stage 4"):
            if re.search(rf"\b{word}\b", diagnosis.display.lower().replace("stage 1 through stage 4", "")):  # one code for both and for neither
                assert word in written or word in read or (word == "bilateral" and "left" in written), (diagnosis.code, diagnosis.display)


@many
@given(cases(), st.integers(0, 3))
def test_settled_codes_are_settled(case: tuple[EncounterRecord, Mapping[str, NoteReading]], problems: int) -> None:
    """The review depends on nothing but its input: asked twice it answers the same, structured data in any order."""
    whole, readings = case
    icd = "http://hl7.org/fhir/sid/icd-10-cm"
    listed = tuple(Problem(f"Condition/{n}", Concept((Coding(icd, TIED[n * 7]),), "x"), "encounter-diagnosis", "active") for n in range(problems))
    earlier = tuple(EarlierDiagnosis(f"Condition/e{n}", Concept((Coding(icd, TIED[n * 5]),), "y"), date(2025, 3, 1 + n)) for n in range(problems))
    one = replace(whole, problems=listed, earlier_diagnoses=earlier)
    turned = replace(whole, problems=listed[::-1], earlier_diagnoses=earlier[::-1])
    first = to_document(of(one, readings, KNOWLEDGE))
    assert to_document(of(one, readings, KNOWLEDGE)) == first
    assert {d["code"] for d in to_document(of(turned, readings, KNOWLEDGE))["diagnoses"]} == {d["code"] for d in first["diagnoses"]}
    assert to_document(of(turned, readings, KNOWLEDGE)).get("grouping") == first.get("grouping")


@many
@given(cases())
def test_a_kept_review_comes_back_whole_from_its_notes(case: tuple[EncounterRecord, Mapping[str, NoteReading]]) -> None:
    """without_text loses only the words, and with_text puts each back."""
    whole, readings = case
    document = to_document(of(whole, readings, KNOWLEDGE))
    assert with_text(without_text(document), whole) == document


@pytest.mark.parametrize("statement", ["No Conditio.", "Mother had Conditio.", "Possible Conditio."])
def test_nothing_that_is_denied_of_another_or_doubted_is_coded_for_an_outpatient(statement: str) -> None:
    """Guideline IV.H and the meaning of assertion: only what the patient has is coded."""
    one = note(f"Assessment: {statement}")
    review = of(record(one), {one.source: reading(one.text, {"Conditio": "I26.99"})}, KNOWLEDGE)
    assert review.diagnoses == ()
    assert [n.code for n in review.not_coded] == ["I26.99"]
