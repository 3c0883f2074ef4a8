"""What the vector of a concept would be had no phrase taught it: the ranker learns from that how far to trust names alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from onnx_models.retrieval import Concept, Concepts
from onnx_models.training.examples import is_hidden
from onnx_models.training.terms import TabularList, Term
from onnx_models.training.untaught import untaught_vectors

WIDTH = 16
Vectors = npt.NDArray[np.float32]


def unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def tabular() -> TabularList:
    return TabularList()


def test_names_foretell_the_vector_that_phrases_hide(tabular: TabularList) -> None:
    """Where untaught vectors are their names' turned by one matrix, a taught concept's is foretold to be its own names' turned by it."""
    codes = sorted(c for c in tabular.billable if c[0] in "ABCDE" and tabular.default_leaf(c) == c)[:600]
    random = np.random.default_rng(3)
    said = {code: unit(random.normal(size=WIDTH).astype(np.float32)) for code in codes}
    turn = np.linalg.qr(random.normal(size=(WIDTH, WIDTH)))[0].astype(np.float32)
    concepts = Concepts(tuple(Concept((code, "", "", ""), 0.0, 0.0, taught=at % 10 == 0) for at, code in enumerate(codes)))
    prototypes = np.stack([unit(random.normal(size=WIDTH).astype(np.float32)) if concepts[i].taught else said[c] @ turn for i, c in enumerate(codes)])
    terms = [Term(code, code, "title") for code in codes] + [Term("a clinician's words", codes[0], "phrase")]

    def encode(texts: Sequence[str]) -> Vectors:
        return np.stack([said[t] for t in texts])

    found = untaught_vectors([0, 10], concepts, prototypes, terms, tabular, encode)
    assert sorted(found) == [0, 10]
    assert float(found[10] @ (said[codes[10]] @ turn)) > 0.95
    assert float(found[10] @ prototypes[10]) < 0.9


def test_kin_are_hidden_together(tabular: TabularList) -> None:
    """One code in ten, with all that share its first five characters: a sibling's phrases would give it away."""
    stems = {tabular.stem(c)[:5] for c in tabular.billable}
    assert sum(map(is_hidden, stems)) / len(stems) == pytest.approx(0.1, abs=0.01)
    assert is_hidden("E11.621") == is_hidden("E11.622")
