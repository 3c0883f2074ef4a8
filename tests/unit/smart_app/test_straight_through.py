"""Straight-through candidates: only by the customer's own rule, and never where something is open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smart_app.errors import ConfigurationError
from smart_app.review_facts import Finding, ReviewFacts, Suggestion
from smart_app.settings import read_issuer
from smart_app.straight_through import read_rules

EXAMPLE = Path(__file__).resolve().parents[3] / "docs/examples/straight-through.toml"
GOOD = ReviewFacts(
    patient="Patient/1",
    encounter="Encounter/1",
    created=datetime(2026, 10, 1, tzinfo=UTC),
    setting="outpatient",
    model="m 1",
    suggestions=(Suggestion("I10", "Hypertension", 0.97, True), Suggestion("E11.9", "Type 2 diabetes", 0.96, True)),
    findings=(),
    asks=0,
    read=1,
    left=0,
    reading_ms=100.0,
)
UNSURE = tuple(replace(s, confidence=0.91) for s in GOOD.suggestions)


def test_the_example_marks_a_plain_visit() -> None:
    """The first rule that holds gives its name; another one may hold where the first doesn't."""
    rules = read_rules(EXAMPLE)
    assert rules.marks(GOOD) == "office-visit"
    assert rules.marks(replace(GOOD, suggestions=UNSURE)) == "chronic-follow-up"


@pytest.mark.parametrize(
    "changes",
    [
        {"asks": 1},
        {"findings": (Finding("excludes1", ("I10",), False),)},
        {"left": 1},
        {"read": 0},
        {"suggestions": ()},
        {"suggestions": (replace(GOOD.suggestions[0], billable=False),)},
        {"suggestions": (replace(GOOD.suggestions[0], confidence=0.89),)},
        {"suggestions": (replace(GOOD.suggestions[0], code="C50.919"),)},
        {"suggestions": GOOD.suggestions * 7},
        {"setting": "inpatient"},
    ],
)
def test_what_is_open_unsure_or_named_is_no_candidate(changes: dict[str, object]) -> None:
    """An open question, a claim edit, an unread note, an incomplete or unlikely code, a code that the rule excludes: not marked."""
    assert read_rules(EXAMPLE).marks(replace(GOOD, **changes)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs a 'name'"),
        ('name = "n"', "[[rule]]"),
        ('name = "n"\nwrite = true\n[[rule]]', "unknown fields: write"),
        ('name = "n"\n[[rule]]\nid = "A b"', "'id'"),
        ('name = "n"\n[[rule]]\nid = "a"\nsettings = ["home"]', "'settings'"),
        ('name = "n"\n[[rule]]\nid = "a"\nsettings = ["outpatient"]', "'least_confidence'"),
        ('name = "n"\n[[rule]]\nid = "a"\nsettings = ["outpatient"]\nleast_confidence = 0.2', "'least_confidence'"),
        ('name = "n"\n[[rule]]\nid = "a"\nsettings = ["outpatient"]\nleast_confidence = 0.9\ncodes = ["e11*"]', "can't begin a code"),
        ('name = "n"\n[[rule]]\nid = "a"\nsettings = ["outpatient"]\nleast_confidence = 0.9\nmost_codes = 0', "'most_codes'"),
        ('name = "n"\n[[rule]]\nid = "a"\nsettings = ["outpatient"]\nleast_confidence = 0.9\nfinish = true', "unknown fields in rule 'a': finish"),
        ("name = ", "isn't TOML"),
    ],
)
def test_a_wrong_file_stops_the_start_and_says_why(tmp_path: Path, text: str, words: str) -> None:
    """Each wrong field is named; nothing is guessed."""
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_issuer({"iss": "https://ehr.example.org/r4", "client_id": "m", "straight_through": str(path)})
    assert words in caught.value.message


def test_without_a_file_nothing_is_marked() -> None:
    """Off by default; a file that isn't there is told."""
    assert read_issuer({"iss": "https://ehr.example.org/r4", "client_id": "m"}).straight_through is None
    with pytest.raises(ConfigurationError):
        read_rules(Path("/nowhere/rules.toml"))
