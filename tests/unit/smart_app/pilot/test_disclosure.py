"""Small cells: neither told nor to be reckoned from what is told."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from smart_app.pilot.disclosure import cells, gathered, part_of

LEAST = 11
NUMBERS = st.integers(min_value=0, max_value=60)


@given(st.dictionaries(st.sampled_from("abcdef"), NUMBERS, min_size=1))
@settings(max_examples=200, deadline=None)
def test_no_small_cell_follows_from_the_sum(counts: dict[str, int]) -> None:
    """With the sum of a table known, what is hidden together is of the least number of patients or more, unless there is nothing else to hide."""
    told = cells({key: (number, number) for key, number in counts.items()}, LEAST)
    gone = [key for key, count in told.items() if count.value is None]
    assert all(not 0 < (count.value or 0) < LEAST for count in told.values())
    if gone and any(counts[key] for key in told if key not in gone):
        assert sum(counts[key] for key in gone) >= LEAST


@given(NUMBERS, NUMBERS)
@settings(max_examples=200, deadline=None)
def test_a_part_tells_neither_itself_nor_the_rest(part: int, rest: int) -> None:
    """A part is told only where it and what is left of the whole are nothing or enough."""
    told = part_of(part, part + rest, LEAST)
    assert (told.value is None) is (0 < part < LEAST or 0 < rest < LEAST)
    assert told.value in (None, part)


@given(st.dictionaries(st.sampled_from("abcdef"), st.frozensets(NUMBERS.map(str), max_size=30), min_size=1))
@settings(max_examples=200, deadline=None)
def test_groups_stand_alone_or_are_enough_together(patients: dict[str, frozenset[str]]) -> None:
    """Who is rare is put with others, until these together are no small cell; each group is in one place."""
    alone, others = gathered(patients, LEAST)
    assert sorted([*alone, *others]) == sorted(patients)
    assert all(len(patients[key]) >= LEAST for key in alone)
    if alone and others:
        assert len(frozenset().union(*(patients[key] for key in others))) >= LEAST
