"""Codes of a later release are found by description at once, without training."""

from __future__ import annotations

import pytest

from onnx_models import NoteCoder
from onnx_models.extension import extended
from onnx_models.normalise import tokens

ADDED = (
    ("J98.A1", ("Marsh light lung with tremolo", "Will-o'-wisp lung, tremulous")),
    ("J98.A2", ("Marsh light lung without tremolo",)),
    ("M25.A1", ("Tidal stiffness of joint, right knee",)),
    ("M25.A2", ("Tidal stiffness of joint, left knee",)),
    ("M25.A9", ("Tidal stiffness of joint, unspecified knee",)),
    ("I10", ("Lantern keeper's pressure",)),
)


@pytest.fixture(scope="module")
def base() -> NoteCoder:
    """The engine as it is shipped."""
    return NoteCoder.load()


@pytest.fixture(scope="module")
def coder(base: NoteCoder) -> NoteCoder:
    """The engine with an invented year."""
    return extended(base, ADDED)


def best(coder: NoteCoder, text: str) -> dict[str, float]:
    """Return the highest score of each code in a note."""
    found: dict[str, float] = {}
    for mention in coder.read(text).mentions:
        for candidate in mention.candidates:
            found[candidate.code] = max(found.get(candidate.code, 0.0), candidate.score)
    return found


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Marsh light lung with tremolo", "J98.A1"),
        ("tremulous will-o'-wisp lung", "J98.A1"),
        ("Tidal stiffness of the left knee joint", "M25.A2"),
        ("Lantern keeper's pressure", "I10"),
    ],
)
def test_a_new_name_is_found_in_a_note(base: NoteCoder, coder: NoteCoder, words: str, code: str) -> None:
    """By title, by index name in another order, by side, and a new name of a known code."""
    text = f"Assessment:\n1. {words}, stable."
    found = best(coder, text)
    assert max(found, key=lambda c: found[c]) == code
    assert best(base, text).get(code, 0.0) < found[code]


def test_a_near_wording_is_found_by_meaning(coder: NoteCoder) -> None:
    """No name of the lexicon is these words: the search by vectors finds the concept."""
    [near] = coder.index.nearest(coder.index.project(coder.encoder.encode(["lung with marsh lights, no tremolo"])), 6, taught=False)
    codes = [coder.concepts[row].codes[0] for row, _ in near]
    assert "J98.A2" in codes[:3]


def test_codes_that_differ_in_side_are_one_concept(coder: NoteCoder) -> None:
    """The words decide the concept, the attributes the side."""
    row = coder.concepts.row("M25.A9")
    assert row is not None
    assert row == coder.concepts.row("M25.A1")
    assert coder.concepts[row].codes == ("M25.A9", "M25.A1", "M25.A2", "")


def test_what_the_engine_knew_stays_as_it_was(base: NoteCoder, coder: NoteCoder) -> None:
    """A note without new words reads the same; the base coder is untouched; the model's name tells of the extension."""
    text = "Assessment:\n1. Type 2 diabetes mellitus with diabetic chronic kidney disease, stage 3a.\n2. Hypertension."
    assert {c for c, p in best(coder, text).items() if p >= 0.4} == {c for c, p in best(base, text).items() if p >= 0.4}
    assert base.concepts.row("J98.A1") is None
    assert coder.model.version.startswith(f"{base.model.version}+")
    assert len(coder.lexicon) > len(base.lexicon)
    assert len(coder.index) == len(base.index) + 7


def test_extending_again_starts_from_what_was_shipped(base: NoteCoder, coder: NoteCoder) -> None:
    """A year taken back leaves nothing behind, and nothing to add leaves the coder itself."""
    assert extended(coder, ()) is base
    again = extended(coder, ADDED[:2])
    assert (again.concepts.row("J98.A1") is None, again.concepts.row("M25.A1")) == (False, None)
    assert extended(coder, ADDED).model.version == coder.model.version


def test_the_words_of_a_new_title_are_weighed(coder: NoteCoder) -> None:
    """A stem that only new titles hold counts as the rarest; one that none holds is unknown."""
    row = coder.concepts.row("J98.A1")
    assert row is not None
    numbers = coder.titles.words(tokens("marsh light lung with tremolo"))
    overlap = coder.titles.overlap(row, numbers, set(numbers), set(numbers))
    assert (overlap.title_in_span, overlap.span_in_title) == (pytest.approx(1.0), pytest.approx(1.0))
    assert coder.titles.words(tokens("qwertyish")) == [-1]
