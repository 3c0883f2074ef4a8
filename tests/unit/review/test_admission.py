"""Present on admission, Appendix I: each rule with a case and a near miss."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cds_service.review import Knowledge, to_document
from fhir_mappers.record import Coding, Concept, Problem, Setting
from tests.unit.review.conftest import note, of, reading, record

PRINCIPAL = "Discharge Diagnosis:\n1. Appendicitis.\n"
SAID = {
    "Appendicitis": "K35.80", "Pneumonia": "J18.9", "COPD": "J44.9", "Old infarction": "I25.2", "Long-term insulin": "Z79.4", "Ankle fracture": "S82.891D",
    "Bladder cancer": "C67.9", "Insulin pump problem": "T85.614A", "Cleft lip": "Q36.9",
}  # fmt: skip


def _indicator(knowledge: Knowledge, text: str, code: str, *, title: str = "Discharge summary", day: int = 6) -> tuple[str | None, str | None]:
    one = note(text, title=title, day=day)
    found = of(record(one, setting=Setting.INPATIENT), {one.source: reading(text, SAID)}, knowledge)
    diagnosis = next(d for d in found.diagnoses if d.code == code)
    return diagnosis.present_on_admission, next((r.rule for r in diagnosis.rationale if r.rule.startswith("appendix")), None)


@pytest.mark.parametrize(
    ("rule", "indicator", "text", "code"),
    [
        ("exempt", "1", "2. Old infarction.", "I25.2"),
        ("exempt", "1", "2. Long-term insulin.", "Z79.4"),
        ("exempt", "1", "2. Ankle fracture.", "S82.891D"),
        ("not-present", "N", "2. Pneumonia, hospital-acquired.", "J18.9"),
        ("not-present", "N", "2. Pneumonia that developed on hospital day 4.", "J18.9"),
        ("undetermined", "W", "2. Pneumonia, unable to determine whether it was present on admission.", "J18.9"),
        ("documented", "Y", "2. Pneumonia, present on admission.", "J18.9"),
        ("lasting", "Y", "2. COPD.", "J44.9"),
        ("lasting", "Y", "2. Bladder cancer.", "C67.9"),
        ("insufficient", "U", "2. Pneumonia.", "J18.9"),
        ("principal", "Y", "", "K35.80"),
        ("at-admission", "Y", "2. Pneumonia.\n\nHPI: Cough and Pneumonia for two days.", "J18.9"),
    ],
)
def test_an_indicator_and_its_rule(knowledge: Knowledge, rule: str, indicator: str, text: str, code: str) -> None:
    """Appendix I: exempt, began in hospital, can't be determined, documented, chronic, told by history, principal, insufficient."""
    assert _indicator(knowledge, PRINCIPAL + text, code) == (indicator, f"appendix.I.{rule}")


@pytest.mark.parametrize(
    ("text", "code", "indicator"),
    [
        ("2. Insulin pump problem.", "T85.614A", "U"),  # first care of an injury isn't exempt
        ("2. Pneumonia (non-POA, not present on admission).", "J18.9", "N"),  # holds the words "present on admission"
        ("2. Pneumonia. History of hospital-acquired infection of the wound in the year before last, long healed by now.", "J18.9", "U"),
        ("2. Cleft lip.", "Q36.9", "1"),
    ],
)
def test_near_misses(knowledge: Knowledge, text: str, code: str, indicator: str) -> None:
    """What looks alike and is not meant."""
    assert _indicator(knowledge, PRINCIPAL + text, code)[0] == indicator


def test_a_note_of_the_admission_tells_what_was_there(knowledge: Knowledge) -> None:
    """History and physical, emergency note, or any note of the first day: present."""
    text = PRINCIPAL + "2. Pneumonia."
    assert _indicator(knowledge, text, "J18.9", day=2)[0] == "Y"
    assert _indicator(knowledge, text, "J18.9", title="ED Provider Note")[0] == "Y"
    assert _indicator(knowledge, text, "J18.9", title="Progress note")[0] == "U"


def test_only_inpatients_have_an_indicator(knowledge: Knowledge) -> None:
    """Appendix I is for inpatient claims; the published form leaves the field out elsewhere."""
    one = note(PRINCIPAL)
    for setting, expected in ((Setting.OUTPATIENT, None), (Setting.EMERGENCY, None), (Setting.INPATIENT, "Y")):
        document = to_document(of(record(one, setting=setting), {one.source: reading(PRINCIPAL, SAID)}, knowledge))
        assert document["diagnoses"][0].get("presentOnAdmission") == expected


def test_what_later_notes_alone_name_is_asked_about(knowledge: Knowledge) -> None:
    """U is a question to the provider, with yes, no and clinically undetermined; once documented, none."""
    one = note(PRINCIPAL + "2. Pneumonia.", day=6)
    whole = record(one, setting=Setting.INPATIENT)
    asked = [q for q in of(whole, {one.source: reading(one.text, SAID)}, knowledge).queries if q.rule == "gap.present-on-admission"]
    assert [(q.id, q.options[:3]) for q in asked] == [("gap.present-on-admission.J18.9", ("Yes", "No", "Clinically undetermined"))]
    told = replace(one, text=PRINCIPAL + "2. Pneumonia, present on admission.")
    found = of(replace(whole, notes=(told,)), {told.source: reading(told.text, SAID)}, knowledge)
    assert [q.rule for q in found.queries if q.family == "poa"] == []


def test_a_problem_of_the_list_before_admission_counts(knowledge: Knowledge) -> None:
    """Diabetes of the problem list, poor control in the notes: recorded before the admission."""
    text = "Discharge Diagnosis: Appendicitis. Poor glycemic control."
    one = note(text, day=6)
    listed = Problem("Condition/1", Concept((Coding("http://hl7.org/fhir/sid/icd-10-cm", "E11.9"),), "Type 2 diabetes mellitus"), "problem-list-item", "active")
    found = of(record(one, setting=Setting.INPATIENT, problems=(listed,)), {one.source: reading(text, SAID)}, knowledge)
    assert [(d.code, d.present_on_admission) for d in found.diagnoses if d.code == "E11.65"] == [("E11.65", "Y")]
