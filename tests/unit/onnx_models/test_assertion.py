"""Assertion: polarity, certainty, temporality, experiencer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_models.assertion import judge
from onnx_models.reading import Assertion, Certainty, Experiencer, Polarity, Temporality

ASSERTED = Assertion()
NEGATED = Assertion(polarity=Polarity.NEGATED)
POSSIBLE = Assertion(certainty=Certainty.POSSIBLE)
HYPOTHETICAL = Assertion(certainty=Certainty.HYPOTHETICAL)
HISTORICAL = Assertion(temporality=Temporality.HISTORICAL)
FAMILY = Assertion(experiencer=Experiencer.FAMILY)
OTHER = Assertion(experiencer=Experiencer.OTHER)

CASES = [
    ("Patient denies chest pain, shortness of breath, or palpitations.", "palpitations", NEGATED),
    ("Negative for fever, chills, cough", "cough", NEGATED),
    ("Chest pain: denies", "Chest pain", NEGATED),
    ("PE was ruled out.", "PE", NEGATED),
    ("low suspicion for PE", "PE", NEGATED),
    ("Patient is not diabetic", "diabetic", NEGATED),
    ("No evidence of pneumonia but there is a pleural effusion.", "pneumonia", NEGATED),
    ("No evidence of pneumonia but there is a pleural effusion.", "pleural effusion", ASSERTED),
    ("She has no fever and reports cough.", "cough", ASSERTED),
    ("He has had no nausea, no vomiting, but has diarrhea.", "diarrhea", ASSERTED),
    ("There is no change in the right pleural effusion.", "pleural effusion", ASSERTED),
    ("Pain did not improve with ibuprofen", "Pain", ASSERTED),
    ("Diabetes not well controlled.", "Diabetes", ASSERTED),
    ("non-small cell lung cancer", "lung cancer", ASSERTED),
    ("Type 2 diabetes without complication", "Type 2 diabetes", ASSERTED),
    ("history of hypertension", "hypertension", ASSERTED),
    ("CT to rule out PE.", "PE", POSSIBLE),
    ("Likely viral bronchitis.", "viral bronchitis", POSSIBLE),
    ("Cannot exclude DVT.", "DVT", POSSIBLE),
    ("Pneumonia not ruled out", "Pneumonia", POSSIBLE),
    ("Return to ED if fever or worsening pain.", "fever", HYPOTHETICAL),
    ("Return in 8 weeks, sooner for chest pain.", "chest pain", HYPOTHETICAL),
    ("Recheck in 2 days, ER for dehydration.", "dehydration", HYPOTHETICAL),
    ("Remote history of DVT in 2009.", "DVT", HISTORICAL),
    ("Pneumonia, resolved.", "Pneumonia", HISTORICAL),
    ("s/p appendectomy for appendicitis", "appendicitis", HISTORICAL),
    ("Mother had breast cancer.", "breast cancer", FAMILY),
    ("Father with MI at 50; patient has hyperlipidemia", "hyperlipidemia", ASSERTED),
    ("wife has influenza", "influenza", OTHER),
]


@pytest.mark.parametrize(("text", "mention", "expected"), CASES)
def test_assertion_of_everyday_sentences(text: str, mention: str, expected: Assertion) -> None:
    """The sentences that clinicians write most, each with the one right reading."""
    begin = text.index(mention)
    assert judge(text, (0, len(text)), (begin, begin + len(mention)), "hpi").assertion == expected


def test_what_stands_under_family_history_is_the_familys() -> None:
    """A section decides where the words say nothing."""
    assert judge("Diabetes", (0, 8), (0, 8), "family").assertion == FAMILY


def test_the_cue_is_verbatim() -> None:
    """The words that decided are shown to the reader: they stand in the sentence."""
    text = "She denies any dysuria."
    assert judge(text, (0, len(text)), (15, 22), "hpi").cue == "denies"


@given(st.text(max_size=200), st.data())
def test_any_text_gets_an_assertion(text: str, data: st.DataObject) -> None:
    """No input makes it fail."""
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, len(text)))
    assert isinstance(judge(text, (0, len(text)), (begin, end), "hpi").assertion, Assertion)
