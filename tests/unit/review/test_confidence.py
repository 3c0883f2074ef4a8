"""The confidence that is stated: what the engine's score is worth once the review has chosen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.errors import RuleError
from cds_service.review.confidence import Confidence
from cds_service.review.knowledge import Knowledge
from onnx_models.reading import LONGEST_STATEMENT, Assertion, Attributes, Candidate, Mention, Sentence

PACKAGED = Knowledge.load().confidence
RISING = {"statement": [[0, 0], [0.4, 0.6], [1, 1]], "untaught": [[0, 0], [0.6, 0.4], [1, 1]], "note": [[0, 0], [0.5, 0.3], [0.9, 0.3], [1, 1]]}


def mention(*scores: float) -> Mention:
    candidates = tuple(Candidate(f"E11.{i}", s) for i, s in enumerate(scores))
    return Mention(0, 4, "T2DM", "assessment_plan", Sentence(0, 4), Assertion(), Attributes(), candidates)


def scores(found: Mention) -> list[float]:
    return [c.score for c in sorted(found.candidates, key=lambda c: c.code)]


def test_a_statement_and_a_note_have_curves_of_their_own() -> None:
    """A score lies on the straight line between the measured points of its kind of text."""
    table = Confidence.of(RISING)
    assert scores(table.believed(mention(0.2, 0.4, 0.7), LONGEST_STATEMENT)) == pytest.approx([0.3, 0.6, 0.8])
    assert scores(table.believed(mention(0.25, 0.7, 0.95), LONGEST_STATEMENT + 1)) == pytest.approx([0.15, 0.3, 0.65])


def test_a_code_known_by_name_only_is_believed_less() -> None:
    """Its score means what it proved to mean for such codes, and the order of candidates is that of what is believed."""
    known, named = Candidate("E11.9", 0.5), Candidate("E11.8", 0.6, taught=False)
    found = Confidence.of(RISING).believed(replace(mention(), candidates=(named, known)), LONGEST_STATEMENT)
    assert [(c.code, c.score) for c in found.candidates] == [("E11.9", pytest.approx(0.6667, abs=1e-3)), ("E11.8", pytest.approx(0.4))]


def test_without_a_table_a_score_is_its_own_worth() -> None:
    """An engine that was never measured keeps its scores."""
    assert scores(Confidence().believed(mention(0.123), 10)) == [0.123]


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from((LONGEST_STATEMENT, LONGEST_STATEMENT + 1)))
def test_the_order_of_candidates_never_turns(a: float, b: float, length: int) -> None:
    """The packaged table is rising: of two candidates the better stays the better, within [0, 1]."""
    low, high = scores(PACKAGED.believed(mention(min(a, b), max(a, b)), length))
    assert 0 <= low <= high <= 1


@pytest.mark.parametrize(
    "points",
    [[[0, 0]], [[0, 0.1], [1, 1]], [[0, 0], [0.5, 0.7], [0.6, 0.6], [1, 1]], [[0, 0], [0.5, 0.5], [0.5, 0.6], [1, 1]], [[0, 0], [0.9, 0.9]]],
)
def test_a_table_that_does_not_rise_is_refused(points: list[list[float]]) -> None:
    """A damaged table would turn confidences over: it is refused with what to do."""
    with pytest.raises(RuleError, match="of note"):
        Confidence.of(RISING | {"note": points})
