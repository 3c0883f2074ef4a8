"""Abbreviations in context, and slips of the finger."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_models.abbreviations import Abbreviations, abbreviations
from onnx_models.normalise import term_hash, tokens, written_out
from onnx_models.spelling import Speller

TABLE = (
    ("MS", "multiple sclerosis", ""),
    ("MS", "mitral stenosis", "murmur|valve"),
    ("CKD", "chronic kidney disease", ""),
    ("HTN", "hypertension", ""),
    ("HLD", "hyperlipidemia", ""),
    ("ALL", "acute lymphoblastic leukemia", ""),
    ("lap chole", "laparoscopic cholecystectomy", ""),
    ("s/p", "status post", ""),
    ("RA", "right atrium", "echo"),
    ("PE", "pulmonary embolism", ""),
)
WORDS = ("pain", "urticaria", "hypertension", "concussion", "pregnancy", "fracture", "fractures", "the", "with")


def spoken(text: str) -> str:
    """Write out the abbreviations of a sentence by the small table."""
    return written_out(text, 0, len(text), tuple(Abbreviations(iter(TABLE)).find(text)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MS on interferon", "multiple sclerosis on interferon"),
        ("MS, diastolic murmur", "mitral stenosis, diastolic murmur"),
        ("htn", "hypertension"),
        ("HTN/HLD", "hypertension/hyperlipidemia"),
        ("CKD3b", "chronic kidney disease 3b"),
        ("all better now", "all better now"),
        ("ALL in remission", "acute lymphoblastic leukemia in remission"),
        ("ALL BETTER NOW", "ALL BETTER NOW"),
        ("s/p lap chole.", "status post laparoscopic cholecystectomy."),
        ("RA in both hands", "RA in both hands"),
        ("dilated RA on echo", "dilated right atrium on echo"),
        ("CKDs", "CKDs"),
        ("Ms. Smith, QTc 480 ms", "Ms. Smith, QTc 480 ms"),
        ("CKD: stable", "chronic kidney disease: stable"),
        ("PE: lungs clear", "PE: lungs clear"),
    ],
)
def test_an_abbreviation_is_written_out_as_its_sentence_tells(text: str, said: str) -> None:
    """The words around tell the sense; a word of plain English is an abbreviation in capitals only; no sense, no change."""
    assert spoken(text) == said


def test_the_table_of_the_package_is_sound() -> None:
    """One line a sense: no sense twice, nothing that stands for itself, letters in every expansion."""
    table = abbreviations()
    assert len(table) > 500
    assert spoken("HTN") == written_out("HTN", 0, 3, tuple(table.find("HTN"))) == "hypertension"


def test_a_name_and_its_abbreviation_share_a_normal_form() -> None:
    """`CKD 3b` and `chronic kidney disease, stage 3b` are one name to the lexicon."""
    assert term_hash("CKD 3b") == term_hash("chronic kidney disease, stage 3b") == term_hash("CKD3b") == term_hash("CKD stage IIIb")


@given(st.text(alphabet="abcHTNCKDMS/ .,3'-+&", max_size=60))
def test_abbreviations_stand_in_order_inside_the_text(text: str) -> None:
    """Expansions never overlap and never leave the text."""
    found = list(Abbreviations(iter(TABLE)).find(text))
    ends = [0, *(x.end for x in found)]
    assert all(end <= x.begin < x.end <= len(text) for end, x in zip(ends, found, strict=False))


@pytest.mark.parametrize(
    ("word", "meant"),
    [("uticaria", "urticaria"), ("concusion", "concussion"), ("pregancy", "pregnancy"), ("hypertnesion", "hypertension"), ("fractured", "fractured")],
)
def test_a_slip_is_read_as_the_word_that_was_meant(word: str, meant: str) -> None:
    """One slip in a short word, two in a long one; an inflection of a known word is no slip."""
    assert Speller(WORDS).fix(word) == meant


@pytest.mark.parametrize("word", ["pian", "Urticario", "xyzzyqq", "with"])
def test_what_may_be_a_name_or_another_word_is_left_alone(word: str) -> None:
    """Short words, names inside a sentence, and words like nothing known stay as they are."""
    assert Speller(WORDS).fix(word, first=False) == word


@settings(deadline=None)
@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", max_size=14))
def test_a_word_becomes_itself_or_a_known_word(word: str) -> None:
    """The speller invents nothing, and what it answers it leaves alone."""
    speller = Speller(WORDS)
    fixed = speller.fix(word)
    assert fixed == word or fixed in WORDS
    assert speller.fix(fixed) == fixed


def test_tokens_of_a_slip_point_at_the_word_as_it_stands() -> None:
    """Evidence quotes the note, not the corrected word."""
    text = "uticaria today"
    first = next(tokens(text, Speller(WORDS)))
    assert (text[first.begin : first.end], first.stem) == ("uticaria", next(tokens("urticaria")).stem)
