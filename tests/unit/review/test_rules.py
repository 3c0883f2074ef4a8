"""Each convention and guideline: one case that fires, one near miss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cds_service.errors import RuleError
from cds_service.review import CodingReview, Knowledge
from cds_service.review.rules import Phase, RuleBook, rule
from fhir_mappers.record import Setting
from tests.unit.review.chapter_cases import CHAPTER_CASES
from tests.unit.review.detail_cases import DETAIL_CASES
from tests.unit.review.linked_cases import LINKED_CASES
from tests.unit.review.rule_cases import CASES as GENERAL_CASES
from tests.unit.review.rule_cases import RuleCase
from tests.unit.review.section_cases import SECTION_CASES

CASES = (*GENERAL_CASES, *CHAPTER_CASES, *DETAIL_CASES, *LINKED_CASES, *SECTION_CASES)
TWO_NOTES = {"guideline.II.H.later", "guideline.II.H.discharge", "guideline.I.B.14.provider"}  # tested in test_notes.py


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_rule(case: RuleCase, coded: Callable[..., CodingReview]) -> None:
    """The codes come out in sequence, and the rule is named where it decided."""
    review = coded(case.text, case.said, setting=Setting(case.setting), born=case.born, gender=case.gender)
    assert tuple(d.code for d in review.diagnoses) == case.codes
    named = {r.rule for d in review.diagnoses for r in d.rationale} | {n.rule for n in review.not_coded}
    assert (case.rule in named) is case.fires


def test_every_rule_has_a_case_that_fires_and_a_near_miss(knowledge: Knowledge) -> None:
    """No rule without both."""
    ids = {r.id for r in knowledge.rules} - TWO_NOTES
    assert ids - {c.rule for c in CASES if c.fires} == set()
    assert ids - {c.rule for c in CASES if not c.fires} == set()
    assert {c.rule for c in CASES} - ids == set()


def test_every_rule_names_codes_that_exist(knowledge: Knowledge) -> None:
    """What a rule needs and yields are prefixes of codes of the release."""
    billable = next(iter(knowledge.code_sets)).billable
    wrong = {r.id: p for r in knowledge.rules for p in (*r.needs, *r.yields) if not any(c.startswith(p) for c in billable)}
    assert wrong == {}


def test_an_id_that_comes_twice_is_an_error() -> None:
    """A second rule never silently replaces the first."""
    one = rule("x", "X", "nowhere", Phase.STATUS)(lambda _sheet, _case: ())
    with pytest.raises(RuleError, match="x is registered twice"):
        RuleBook([one, replace(one, title="Y")])
