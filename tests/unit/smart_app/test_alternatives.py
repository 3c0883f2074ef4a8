"""What would make another code right: the words of its official title that the suggested code's title lacks."""

from __future__ import annotations

import pytest

from smart_app.alternatives import telling_words

NEUROPATHY = "Type 2 diabetes mellitus with diabetic neuropathy, unspecified"


@pytest.mark.parametrize(
    ("title", "other", "words"),
    [
        (NEUROPATHY, "Type 2 diabetes mellitus with diabetic polyneuropathy", "polyneuropathy"),
        ("Chronic kidney disease, stage 3 unspecified", "Chronic kidney disease, stage 3a", "3a"),
        ("Pneumonia, unspecified organism", "Pneumonia due to Klebsiella pneumoniae", "Klebsiella pneumoniae"),
        (NEUROPATHY, "Type 2 diabetes mellitus without complications", "without complications"),
        ("Acute systolic (congestive) heart failure", "Heart failure, unspecified", ""),
        ("Cough", "Burns involving less than 10% of body surface, third degree burn of wrist", ""),
    ],
)
def test_the_words_that_tell_two_titles_apart(title: str, other: str, words: str) -> None:
    """Only what the other title adds counts; a more general title adds nothing, and one of something else says it best itself."""
    assert telling_words(title, other) == words
