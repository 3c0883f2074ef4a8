"""Conditions that the classification links (I.A.15): the pairs of titles, and those of an imported index."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cds_service.review import Knowledge
from cds_service.review.codeset import CodeSets
from cds_service.review.guidelines.linked import TITLES
from tests.unit.review.conftest import note, of, reading, record


@pytest.mark.parametrize(("base", "others", "joined"), TITLES, ids=lambda v: v if isinstance(v, str) else "")
def test_a_pair_is_what_a_title_says(base: str, others: tuple[str, ...], joined: str, knowledge: Knowledge) -> None:
    """The title of the code for both says "with" or "in"; that of the one alone doesn't."""
    codes = next(iter(knowledge.code_sets))
    title, alone = codes.title(joined).lower(), codes.title(base).lower()
    assert codes.is_billable(base)
    assert codes.is_billable(joined)
    assert " with " in title or " in " in title
    assert "without" in alone or "unspecified" in alone
    assert all(any(code.startswith(other) for code in codes.billable) for other in others)


@pytest.mark.parametrize(
    ("term", "linked"),
    [
        ("Goiter, with, hyperthyroidism", True),
        ("Goiter, in (due to) (with), hyperthyroidism", True),
        ("Goiter, without, hyperthyroidism", False),
        ("Goiter, nodular, hyperthyroidism", False),
    ],
)
def test_an_imported_index_links_by_its_subterms(term: str, linked: bool, knowledge: Knowledge) -> None:
    """Where the customer imported the alphabetic index, its subterms "with" and "in" link what they name."""
    release = next(iter(knowledge.code_sets))
    titled = replace(release.entries["R68.89"], title="Hyperthyroidism (invented)")
    indexed = replace(release, entries={**release.entries, "R68.89": titled}, names={"E04.9": ("Goiter",), "E05.00": (term,)})
    one = note("Assessment: Goiter. Overactive gland.")
    read = {one.source: reading(one.text, {"Goiter": "E04.9", "Overactive gland": "R68.89"})}
    found = of(record(one), read, replace(knowledge, code_sets=CodeSets([indexed])))
    assert ("E05.00" in [d.code for d in found.diagnoses]) is linked
    assert ("convention.I.A.15" in {r.rule for d in found.diagnoses for r in d.rationale}) is linked
