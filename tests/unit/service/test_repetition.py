"""Text that is no writing is found; notes are left whole."""

from __future__ import annotations

from importlib import resources

import pytest

from cds_service.repetition import LONGEST_SENTENCE, written_length


@pytest.mark.parametrize("filler", ["pain " * 500, "no pain, " * 500, "a" * 10_000, "(" * 10_000, "x y z " * 3_000])
def test_what_is_no_writing(filler: str) -> None:
    """The text before it counts, from there on nothing."""
    good = "Assessment: COPD, stable.\n"
    assert written_length(good + filler) == len(good)
    assert written_length(good) == len(good)


def test_a_review_of_systems_is_writing() -> None:
    """Thirty times "no" in one sentence, long lists, empty lines."""
    text = "ROS: " + ", ".join(f"no symptom{n}" for n in range(35)) + ".\n\n" + "Labs: " + "; ".join(f"value {n} negative" for n in range(200)) + "\n" * 500
    assert written_length(text) == len(text)
    assert written_length("w" * (LONGEST_SENTENCE - 1)) == LONGEST_SENTENCE - 1


def test_the_notes_of_the_demo_are_writing() -> None:
    """No note of the product's own patients is cut."""
    folder = resources.files("cds_service.demo") / "patients"
    notes = [n.read_text(encoding="utf-8") for p in folder.iterdir() if p.is_dir() for n in p.iterdir() if n.name.endswith(".txt")]
    assert notes
    assert all(written_length(n) == len(n) for n in notes)
