"""The small parts of the engine: phrases, plan, wording, rivals."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_models.chunks import chunks
from onnx_models.features import RIVAL_NAMES, rival_features
from onnx_models.linear import LinearModel
from onnx_models.normalise import tokens
from onnx_models.plan import PlanContext
from onnx_models.reading import Sentence
from onnx_models.retrieval import VectorIndex
from onnx_models.segmenter import sections, sentences
from onnx_models.style import STYLE_BUCKETS, Style, style_of
from onnx_models.telling import telling_features
from onnx_models.wording import Titles


@pytest.mark.parametrize(
    ("text", "joined", "expected"),
    [
        ("DM2 with neuropathic complications", True, ["DM2", "neuropathic complications", "DM2 with neuropathic complications"]),
        ("DM2 with neuropathic complications", False, ["DM2", "neuropathic complications"]),
        ("chest pain but denies fever", True, ["chest pain", "fever"]),
        ("the of and", True, []),
    ],
)
def test_phrases_of_a_sentence(text: str, joined: bool, expected: list[str]) -> None:
    """Parts between cuts, and what neighbours make together unless a cue stands between them."""
    assert [text[b:e] for b, e in chunks(text, Sentence(0, len(text)), joined=joined)] == expected


def test_a_problem_is_answered_by_what_follows_it() -> None:
    """A heading of the assessment is planned when an order stands under it, and not when the next problem begins."""
    text = "ASSESSMENT AND PLAN\n1. Gout\n2. Hypertension\nIncrease lisinopril to 20 mg daily.\n"
    parts = sections(text)
    lines = sentences(text, parts)
    context = PlanContext(text, parts, lines)
    by_text = {text[line.begin : line.end]: context.of(i) for i, line in enumerate(lines)}
    assert by_text["Gout"] == (True, False)
    assert by_text["Hypertension"] == (True, True)


def test_a_title_that_says_more_is_seen() -> None:
    """Of "diabetes with ketoacidosis" only the first word stands in the note."""
    words = ["diabetes", "ketoacidosis"]
    stems = [next(tokens(w)).stem for w in words]
    from onnx_models.normalise import stem_hash

    titles = Titles(
        {
            "vocabulary": np.array([stem_hash(s) for s in stems], np.uint64),
            "weight": np.array([1.0, 3.0]),
            "first": np.array([0, 2]),
            "stems": np.array([0, 1]),
        }
    )
    span = titles.words(tokens("diabetes"))
    overlap = titles.overlap(0, span, set(span), set(span))
    assert (overlap.title_in_span, overlap.span_in_title) == (0.25, 1.0)


def test_rivals_at_the_same_place_are_compared() -> None:
    """The wider and the better candidate of a place is seen by the narrower one, not the other way."""
    codes = ("E11.9", "E11.40")
    places = (frozenset({(0, 8, 0)}), frozenset({(0, 24, 0)}))
    table = rival_features(codes, places, np.array([0.3, 0.6], np.float32))
    at = RIVAL_NAMES.index("wider_rival_here")
    assert table[0, at] == pytest.approx(0.6)
    assert table[1, at] == 0.0


def test_the_search_in_blocks_is_exact() -> None:
    """The nearest concepts of each shelf are those of a plain sort."""
    taught = set(range(0, 1000, 7))
    random = np.random.default_rng(5)
    rows = random.normal(size=(1000, 16)).astype(np.float32)
    arrays = {"projection": np.eye(16, dtype=np.float16), "rows": np.round(rows * 20).astype(np.int8), "concept": np.arange(1000)}
    index = VectorIndex(arrays, taught.__contains__)
    queries = index.project(random.normal(size=(9, 16)).astype(np.float32))
    unit = np.round(rows * 20)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for kind in (True, False):
        plain = [[row for row in np.argsort(-(unit @ q)) if (row in taught) == kind][:5] for q in queries]
        assert [[row for row, _ in found] for found in index.nearest(queries, 5, taught=kind)] == plain


def test_a_short_text_is_a_note() -> None:
    """Too few words to tell: a phrase of a note, never a published case."""
    case_report = LinearModel(np.full(STYLE_BUCKETS, -1.0, np.float32), -5.0)
    assert style_of(list(tokens("chest pain")), case_report) is Style.NOTE
    assert style_of(list(tokens(" ".join(f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(60)))), case_report) is Style.CASE


def test_a_linear_model_sums_the_weights_of_distinct_features() -> None:
    """Twice the same word says no more than once; the length of a text doesn't change the scale."""
    model = LinearModel(np.array([2.0]), 1.0)  # one bucket: every feature falls into it
    assert model.score(["pain", "pain"]) == model.score(["pain"]) == pytest.approx(3.0)
    assert model.probability([]) == pytest.approx(1 / (1 + np.exp(-1.0)))


def test_telling_features_are_words_pairs_and_section() -> None:
    """Neighbouring stems together tell more than each alone."""
    assert list(telling_features(["chest", "pain"], "hpi")) == ["chest", "pain", "chest pain", "# hpi"]
