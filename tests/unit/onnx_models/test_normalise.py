"""The normal form of names."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_models.normalise import stem, term_hash, tokens


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Abdominal pain", "pain of the abdomen"),
        ("Type II diabetes mellitus", "DM type 2".replace("DM", "diabetes")),
        ("Chronic kidney disease", "chronic renal disease"),
        ("lung cancer", "malignant neoplasm of lung"),
        ("fracture of the left wrist", "wrist fracture"),
        ("anaemia", "Anemia"),
    ],
)
def test_names_that_say_the_same_share_a_normal_form(one: str, other: str) -> None:
    """Order, filler, number, side and spelling don't tell conditions apart."""
    assert term_hash(one) == term_hash(other)


@pytest.mark.parametrize(("one", "other"), [("type 1 diabetes", "type 2 diabetes"), ("with infection", "without infection"), ("pain in hip", "pain in knee")])
def test_names_that_differ_keep_different_forms(one: str, other: str) -> None:
    """Numbers, 'without' and organs matter."""
    assert term_hash(one) != term_hash(other)


@given(st.text(max_size=200))
def test_tokens_point_at_their_words(text: str) -> None:
    """Every token's span is a non-empty slice of the text, in order."""
    spans = [(t.begin, t.end) for t in tokens(text)]
    assert all(0 <= b < e <= len(text) for b, e in spans)
    assert spans == sorted(spans)


def test_threads_do_not_cut_each_other_s_words() -> None:
    """Calls are answered by several threads at once: each word has the stem that it has alone."""
    begins, ends = ("hyper", "cardi", "neuro", "derm"), ("ions", "ically", "ities", "fulness")
    words = [f"{a}{b}{c}" for a in begins for b in ("tens", "opath", "algic", "plast") for c in ends]
    alone = [stem(word) for word in words]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda _: [stem(word) for word in words], range(16)))
    finally:
        sys.setswitchinterval(before)
    assert all(found == alone for found in together)
