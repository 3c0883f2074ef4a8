"""The assertion set: its format, its frozen split, and the floor that the engine keeps on the dev split."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from onnx_models import segmenter
from onnx_models.evaluation import assertions
from onnx_models.evaluation.assertions import LABELS, CaseError, by_label, label_of, macro_f1, predicted, read
from onnx_models.reading import Assertion, Certainty, Experiencer, Polarity, Temporality

FLOOR = 0.98  # macro F1 on dev; a little below what is reached, so that a rule that breaks others shows
LEAST = {"present": 250, "negated": 200, "possible": 120, "hypothetical": 90, "historical": 90, "family": 50, "other": 20}


def test_the_set_is_large_and_balanced() -> None:
    """At least 820 cases, and enough of each label to measure it."""
    counts = Counter(case.label for case in read())
    assert sum(counts.values()) >= 820
    assert {label: counts[label] for label in LABELS if counts[label] < LEAST[label]} == {}


def test_no_case_stands_twice() -> None:
    """A marked sentence has one label only, and stands once."""
    marked = Counter(" ".join(case.marked.lower().split()) for case in read())
    assert [text for text, count in marked.items() if count > 1] == []


def test_sections_are_kinds_that_the_segmenter_gives() -> None:
    """A case is judged as in a note: under a section that occurs."""
    kinds = {kind for kind, _ in segmenter._KINDS} | {"preamble", "other"}
    assert {case.section for case in read()} - kinds == set()


def test_mentions_of_one_sentence_are_in_one_split() -> None:
    """The split goes by the sentence without brackets; both halves are near to equal."""
    counts = Counter(case.split for case in read())
    assert set(counts) == {"dev", "test"}
    assert min(counts.values()) > 0.4 * sum(counts.values())
    splits: dict[str, set[str]] = {}
    for case in read():
        splits.setdefault(case.text, set()).add(case.split)
    assert [text for text, found in splits.items() if len(found) > 1] == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("present\thpi", "2 cells"),
        ("absent\thpi\tNo [[cough]].", "unknown label absent"),
        ("negated\thpi\tNo cough.", "exactly one mention"),
        ("negated\thpi\tNo [[cough]] or [[fever]].", "exactly one mention"),
    ],
)
def test_a_line_that_breaks_the_format_is_named(tmp_path: Path, line: str, said: str) -> None:
    """The error names file, line and what to do."""
    (tmp_path / "a.tsv").write_text(f"negated\thpi\tNo [[fever]].\n{line}\n", encoding="utf-8")
    with pytest.raises(CaseError, match=rf"a\.tsv:2: .*{said}"):
        read(tmp_path)


def test_labels_follow_the_order_of_precedence() -> None:
    """Whose it is counts before whether it is; denial before doubt; doubt before time."""
    assert label_of(Assertion()) == "present"
    assert label_of(Assertion(Polarity.NEGATED, Certainty.POSSIBLE, Temporality.HISTORICAL, Experiencer.FAMILY)) == "family"
    assert label_of(Assertion(Polarity.NEGATED, Certainty.POSSIBLE, Temporality.HISTORICAL)) == "negated"
    assert label_of(Assertion(certainty=Certainty.HYPOTHETICAL, temporality=Temporality.HISTORICAL)) == "hypothetical"


def test_scores_of_a_worked_example() -> None:
    """Two of three present are found, one other is called present: precision and recall are 2/3."""
    scores = by_label([("present", "present"), ("present", "present"), ("present", "negated"), ("other", "present")])
    assert scores["present"].f1 == pytest.approx(2 / 3)
    assert macro_f1(scores) == pytest.approx(2 / 3 / len(LABELS))


def test_the_engine_keeps_its_floor_on_dev() -> None:
    """Macro F1 over the seven labels on the dev split."""
    pairs = [(case.label, predicted(case)) for case in read() if case.split == "dev"]
    assert macro_f1(by_label(pairs)) >= FLOOR


def test_wrong_cases_of_the_test_split_stay_unseen(capsys: pytest.CaptureFixture[str]) -> None:
    """Rules written from the test split would make its figure worthless."""
    with pytest.raises(SystemExit):
        assertions.main(["--split", "test", "--wrong"])
    assert "are not shown" in capsys.readouterr().err
