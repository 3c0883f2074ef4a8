"""Wordings of the table: a note is searched only where it holds letters that every match needs, and nothing is lost by that."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.review import Knowledge
from cds_service.review.cues import Cues

WORDINGS = Knowledge.load().cues


@pytest.mark.parametrize(
    ("wording", "text"),
    [
        ("an(?:a)?emia (?:of|in) cancer", "Anemia in cancer."),
        ("seps[ie]s", "Sepses of the year."),
        ("(?:type|t) ?2", "A t2 thing."),
        ("dm ?(?:type )?-?(?:1|i)", "DM-1 today."),
        ("x?ray{0,2} film", "A ra film."),
    ],
)
def test_optional_letters_are_not_asked_for(wording: str, text: str) -> None:
    """Letters in groups, classes, or before ? * {0 may be absent."""
    found = Cues.of({"cue": [wording]}).find("cue", text.lower())
    assert len(found) == 1


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(WORDINGS._patterns)), st.data())
def test_every_match_of_a_pattern_is_found(name: str, data: st.DataObject) -> None:
    """Text drawn from a pattern of the table is found by its cue."""
    pattern = WORDINGS._patterns[name].pattern
    inner = re.sub(r"\(\?<?[!=](?:[^()]|\([^()]*\))*\)", "", pattern).replace(r"\b", "")
    text = data.draw(st.from_regex(inner, fullmatch=True, alphabet=st.characters(max_codepoint=126, min_codepoint=32)))
    expected = [m.span() for m in WORDINGS._patterns[name].finditer(text.lower())]
    assert WORDINGS.find(name, text.lower()) == expected
