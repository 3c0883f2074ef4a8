"""Every rule of documentation gaps, as it stands in the tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from cds_service.review import Knowledge
from cds_service.review.gaps import faults
from cds_service.review.gaps.language import Condition, Drug, Earlier, GapRule, Measured, Said, referenced
from fhir_mappers.record import Setting
from tests.unit.review.conftest import of
from tests.unit.review.gap_patients import Invented, patient_for, settled_patient


def test_every_rule_passes_the_linter(knowledge: Knowledge) -> None:
    """AHIMA/ACDIS 2022: closing options, no leading title, no money, several credible options, yes/no only where allowed."""
    assert {rule.id: faults(rule) for rule in knowledge.gap_rules if faults(rule)} == {}


def test_every_rule_asks_for_codes_that_exist(knowledge: Knowledge) -> None:
    """A rule with a wrong code never asks, so a wrong code is an error."""
    codes = next(iter(knowledge.code_sets)).billable

    def wrong(rule: GapRule) -> list[str]:
        conditions = (*rule.needs, *rule.any, *rule.unless, *rule.show)
        named = [c for condition in conditions for c in getattr(condition, "codes", ())]
        return [c for c in named if not any(known.startswith(c) for known in codes)]

    assert {rule.id: wrong(rule) for rule in knowledge.gap_rules if wrong(rule)} == {}


def test_every_name_in_a_rule_stands_in_its_table(knowledge: Knowledge) -> None:
    """Measurements, drug groups and cues that rules refer to exist."""

    def measured(condition: Condition) -> str | None:
        return condition.name if isinstance(condition, Measured) else None

    def drug(condition: Condition) -> str | None:
        return condition.group if isinstance(condition, Drug) else None

    def cue(condition: Condition) -> str | None:
        return condition.cue if isinstance(condition, Said) else None

    assert referenced(knowledge.gap_rules, measured) - knowledge.measurements.names == frozenset()
    assert referenced(knowledge.gap_rules, drug) - knowledge.measurements.groups == frozenset()
    assert [name for name in referenced(knowledge.gap_rules, cue) if name not in knowledge.cues] == []


def test_there_are_rules_of_every_family_but_too_few_are_a_loss(knowledge: Knowledge) -> None:
    """At least sixty rules over all ten families."""
    assert {r.family for r in knowledge.gap_rules} == {
        "specificity", "acuity", "laterality", "linkage", "poa", "validation", "conflict", "indicator", "imaging", "recapture",
    }  # fmt: skip
    assert len(knowledge.gap_rules) >= 60


def _rules() -> list[GapRule]:
    return list(Knowledge.load().gap_rules)


@pytest.mark.parametrize("rule", _rules(), ids=lambda r: r.id)
def test_a_rule_asks_where_its_conditions_hold_and_is_silent_where_the_answer_is_documented(rule: GapRule, knowledge: Knowledge) -> None:
    """Each rule: one invented patient for whom it asks a compliant question, one near miss."""
    case, readings = patient_for(rule, knowledge)
    asked = [q for q in of(case, readings, knowledge).queries if q.rule == rule.id]
    assert len(asked) == 1
    assert faults(asked[0]) == ()
    assert asked[0].options[-2:] == ("Other (please specify)", "Unable to determine")
    assert all(e.kind == "structured" or e.text for e in asked[0].indicators)
    near, near_readings = settled_patient(rule, knowledge)
    assert [q.id for q in of(near, near_readings, knowledge).queries if q.rule == rule.id] == []


RECAPTURE = [r for r in _rules() if r.family == "recapture"]


@pytest.mark.parametrize("rule", RECAPTURE, ids=lambda r: r.id)
@pytest.mark.parametrize(("year", "again", "asked"), [(2025, False, True), (2025, True, False), (2023, False, False)])
def test_a_chronic_condition_of_the_year_before_is_asked_about(rule: GapRule, year: int, again: bool, asked: bool, knowledge: Knowledge) -> None:
    """Coded last year and not addressed: a question. Coded again this year, or long ago only: none."""
    invented = Invented(knowledge)
    invented.add(next(c for c in rule.any if isinstance(c, Earlier)))
    whole, readings = invented.whole(Setting.OUTPATIENT)
    one = replace(whole.earlier_diagnoses[0], day=date(year, 5, 1))
    repeated = (replace(one, source="Condition/again", day=date(2026, 1, 9)),) if again else ()
    found = of(replace(whole, earlier_diagnoses=(one, *repeated)), readings, knowledge).queries
    assert (rule.id in [q.rule for q in found]) is asked
