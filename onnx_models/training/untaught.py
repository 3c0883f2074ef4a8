"""What the vector of a concept would be had no phrase taught it.

The ranker has to learn how far to trust the concepts that phrases taught, and those known by their names only. Of the latter there are no phrases to learn
from, so for one taught code in ten the phrases are hidden in one fold of the cross-fitting, with all that was learned from them: its vector gives way to
the one that its names foretell, by a linear model over the concepts that truly have names only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

import numpy as np

from onnx_models.retrieval import SHARPNESS, Concepts
from onnx_models.runtime import Vectors
from onnx_models.training.index import concept_of
from onnx_models.training.terms import TabularList, Term

_NAMES = frozenset({"title", "inclusion", "ontology", "propagated"})
_NAMES_EACH = 5
_SAMPLE = 6_000  # concepts of names only that the linear model is fitted on
_RIDGE = 3.0


def untaught_vectors(
    wanted: Collection[int],
    concepts: Concepts,
    prototypes: Vectors,
    terms: Sequence[Term],
    tabular: TabularList,
    encode: Callable[[Sequence[str]], Vectors],
) -> dict[int, Vectors]:
    """Return for the concepts `wanted` (rows) the unit vectors that their names foretell: row -> (d,).

    Args:
        wanted: rows of concepts that phrases taught.
        concepts: the table of concepts, which says which are taught.
        prototypes: (concepts, d) learned vectors.
        terms: names of codes.
        tabular: the classification.
        encode: texts -> (n, d) unit vectors.
    """
    names: dict[int, list[str]] = defaultdict(list)
    for term in terms:
        row = concept_of(term.code, concepts, tabular)
        if term.source in _NAMES and row is not None and len(names[row]) < _NAMES_EACH:
            names[row].append(term.text)
    bare = [row for row in sorted(names) if names[row] and not concepts[row].taught and concepts[row].codes[0][0] not in "VY"]
    sample = [bare[i] for i in np.random.default_rng(13).permutation(len(bare))[:_SAMPLE]]
    rows = [*sample, *(row for row in sorted(wanted) if names[row])]
    flat = sorted(((row, name) for row in rows for name in names[row]), key=lambda x: len(x[1]))  # like lengths together
    said = np.zeros_like(prototypes)
    for at in range(0, len(flat), 256):
        part = flat[at : at + 256]
        np.add.at(said, [row for row, _ in part], encode([name for _, name in part]))
    own = _unit(said[rows])
    taught = _unit(prototypes[[row for row in range(len(concepts)) if concepts[row].taught and row not in wanted]])
    # Phrases of the concepts around it pushed an untaught one away: these are the second half of what foretells it.
    inputs = np.concatenate([own, _around(own, taught)], axis=1)
    known, goal = inputs[: len(sample)], _unit(prototypes[sample])
    weights = np.linalg.solve(known.T @ known + _RIDGE * np.eye(known.shape[1], dtype=np.float32), known.T @ goal)
    return dict(zip(rows[len(sample) :], _unit(inputs[len(sample) :] @ weights), strict=True))


def _around(vectors: Vectors, taught: Vectors) -> Vectors:
    near = vectors @ taught.T
    weight = np.exp(SHARPNESS * (near - near.max(axis=1, keepdims=True)))
    return np.asarray((weight / weight.sum(axis=1, keepdims=True)) @ taught, np.float32)


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-9), np.float32)
