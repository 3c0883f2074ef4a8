"""The words on a card."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cds_service.hooks.words import escaped, how_sure, quoted, shortened, speaks_of_payment
from cds_service.review.model import Evidence, EvidenceKind
from fhir_mappers import Note

GFM = MarkdownIt("gfm-like", {"linkify": False})
TEXT = (
    "HPI: seen for cough. Chronic obstructive pulmonary disease with acute exacerbation, on tiotropium; no fever.\n"
    "2. " + "very " * 60 + "long sentence about heart failure " + "again " * 60 + "\nPlan: none."
)
NOTE = Note("DocumentReference/d1", TEXT, "Progress *note*", date=datetime(2026, 3, 1, 10, tzinfo=UTC))


def evidence(words: str, section: str | None = "hpi") -> Evidence:
    """Return evidence in the note."""
    begin = TEXT.index(words)
    return Evidence(EvidenceKind.NOTE, NOTE.source, words, begin, begin + len(words), section)


def rendered(markdown: str) -> str:
    """Return the HTML that a renderer of GitHub-flavoured Markdown makes of it."""
    return GFM.render(markdown)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" *_`<>[]()!#|~\\&-+"), max_size=60))
def test_escaped_text_shows_itself(text: str) -> None:
    """Whatever a note holds, Markdown shows exactly its words inside a line, and no HTML."""
    shown = MarkdownIt("gfm-like", {"linkify": False}).parseInline("x " + escaped(text))[0].children or []
    assert all(child.type in ("text", "text_special") for child in shown)
    assert "".join(child.content for child in shown) == "x " + " ".join(text.split()) if text.split() else True


def test_escaped_takes_one_line() -> None:
    """A line break could begin a list or a heading: there is none."""
    assert escaped("a\n\n# b\n- c") == r"a \# b - c"


@pytest.mark.parametrize(
    ("confidence", "words"),
    [
        (1.0, "very likely, 99 %"),
        (0.9, "very likely, 90 %"),
        (0.7, "likely, 70 %"),
        (0.5, "more likely than not, 50 %"),
        (0.2, "unsure, 20 %"),
        (0.0, "unsure, 1 %"),
    ],
)
def test_how_sure(confidence: float, words: str) -> None:
    """How sure, in words and per cent; never certain."""
    assert how_sure(confidence) == words


@given(st.text(min_size=1, max_size=400))
def test_shortened_never_exceeds(text: str) -> None:
    """A summary has at most 139 characters (C2)."""
    assert len(shortened(text)) <= 139


def test_shortened_cuts_at_a_word() -> None:
    """The cut falls between words."""
    assert shortened("Type 2 diabetes mellitus with hyperglycemia", 30) == "Type 2 diabetes mellitus with…"
    assert shortened("short", 30) == "short"


@pytest.mark.parametrize("text", ["Raises payment", "maps to HCC 37", "an MCC", "denial CO-50", "Reimbursement".lower(), "risk-adjusted", "the payer asks"])
def test_speaks_of_payment(text: str) -> None:
    """Rule 6 of AHIMA/ACDIS 2022."""
    assert speaks_of_payment(text)


@pytest.mark.parametrize("text", ["Which acuity?", "Patient denies chest pain", "CCU admission", "repaid attention", "accessory pathway"])
def test_speaks_of_the_patient(text: str) -> None:
    """Clinical words that look similar pass."""
    assert not speaks_of_payment(text)


def test_quoted_shows_the_sentence() -> None:
    """The words that count stand in bold in their sentence, with title, date and section."""
    assert quoted(evidence("Chronic obstructive pulmonary disease with acute exacerbation"), {NOTE.source: NOTE}) == (
        r"“**Chronic obstructive pulmonary disease with acute exacerbation**, on tiotropium;” (Progress \*note\*, 2026-03-01, history of present illness)"
    )


def test_quoted_inside_a_word_and_a_long_sentence() -> None:
    """A long sentence is cut at words on both sides; the bold words render as such."""
    shown = quoted(evidence("heart failure", None), {NOTE.source: NOTE})
    assert shown.startswith("“…")
    assert len(shown) < 260
    assert "<strong>heart failure</strong>" in rendered(shown)


def test_quoted_without_the_note() -> None:
    """Without the note at hand the words alone are quoted, with their source."""
    assert quoted(evidence("no fever", None), {}) == "“**no fever**” (DocumentReference/d1)"


def test_quoted_value() -> None:
    """A value of the record is no quotation."""
    assert quoted(Evidence(EvidenceKind.STRUCTURED, "Observation/1", "HbA1c 9.8 % (2026-02-27)"), {}) == "HbA1c 9.8 % (2026-02-27)"


@pytest.mark.parametrize("address", ["http://attacker.example/x", "HTTPS://attacker.example", "www.attacker.example", "ftp://attacker.example"])
def test_an_address_in_a_note_is_no_link(address: str) -> None:
    """A card links to nothing that a note names: GitHub-flavoured Markdown (6.9) makes links of what begins with www., http://, https:// and ftp://."""
    markdown = f"seen on {escaped(address)} today"
    assert not re.search(r"(?i)\bwww\.|\b(https?|ftp)://", markdown)
    assert address in rendered(markdown)


def test_signs_of_direction_are_left_out() -> None:
    """A note can't turn the rest of a card's line around."""
    assert escaped("no \u202epain\u202c and \u2066copd\u2069") == "no pain and copd"
