"""Train the ranker: features by the serving code, gradient-boosted trees, export to ONNX.

The lexicon and the priors remember training cases, so features of a training case come from those built without its fold:
otherwise the trees would learn to trust a memory that a new note doesn't have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from onnxmltools.convert import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from onnx_models.coder import ModelInfo, NoteCoder
from onnx_models.features import NAMES
from onnx_models.lexicon import Lexicon
from onnx_models.retrieval import Concepts, VectorIndex
from onnx_models.runtime import Encoder
from onnx_models.training.corpora import Case
from onnx_models.training.index import build_concepts, build_lexicon
from onnx_models.training.terms import TabularList, Term

Floats = npt.NDArray[np.float32]
FOLDS = 5
_PARAMETERS = {
    "objective": "binary", "learning_rate": 0.04, "num_leaves": 31, "min_data_in_leaf": 40, "feature_fraction": 0.7, "bagging_fraction": 0.8,
    "bagging_freq": 1, "lambda_l2": 5.0, "verbosity": -1, "seed": 13, "deterministic": True, "num_threads": 2,
}  # fmt: skip
_ROUNDS = 350


@dataclass(frozen=True, slots=True)
class Labelled:
    """Candidate rows of one note with their labels."""

    note: str
    codes: tuple[str, ...]
    features: Floats  # (n, len(NAMES))
    right: npt.NDArray[np.bool_]  # (n,)
    gold: int  # codes of the note, found or not


def bare_coder(concepts: Concepts, lexicon: Lexicon, index: VectorIndex, encoder: Encoder) -> NoteCoder:
    """Return an engine without a ranker, for collecting features."""
    return NoteCoder(info=ModelInfo("training", "0", "", encoder.provider), concepts=concepts, lexicon=lexicon, index=index, encoder=encoder, ranker=None, typical=[0.0] * len(NAMES))


def label(coder: NoteCoder, note: str, text: str, gold: frozenset[str], style: float, tabular: TabularList) -> Labelled:
    """Return the labelled candidates of a note; codes are compared without 7th character."""
    rows = coder.analyse(text, style=style).rows
    wanted = {tabular.stem(c) or c for c in gold}
    features = np.stack([r.features for r in rows]) if rows else np.zeros((0, len(NAMES)), np.float32)
    return Labelled(note, tuple(r.code for r in rows), features, np.array([r.code in wanted for r in rows], bool), len(wanted))


def case_uses(cases: Sequence[Case], tabular: TabularList) -> Counter[str]:
    """Count in how many cases each code stands, without 7th characters."""
    return Counter(tabular.stem(code) or code for case in cases for code in case.codes)


def cross_fitted(
    cases: Sequence[Case],
    terms: Sequence[Term],
    us_uses: Mapping[str, int],
    index: VectorIndex,
    encoder: Encoder,
    tabular: TabularList,
    background: Sequence[set[int]],
    progress: Callable[[str], None] = lambda _: None,
) -> list[Labelled]:
    """Return labelled candidates of all cases, each by a lexicon that hasn't seen its fold."""
    result: list[Labelled] = []
    for fold in range(FOLDS):
        known = [c for i, c in enumerate(cases) if i % FOLDS != fold]
        # The rows of the table don't depend on the counts, so the vector index fits every fold.
        concepts = build_concepts(tabular, case_uses(known, tabular), us_uses)
        arrays = build_lexicon(terms, concepts, tabular, [(c.text, [t for _, _, t in c.evidence]) for c in known], background)
        coder = bare_coder(concepts, Lexicon(arrays), index, encoder)
        result += [label(coder, c.id, c.text, c.codes, 0.0, tabular) for i, c in enumerate(cases) if i % FOLDS == fold]
        progress(f"fold {fold + 1}/{FOLDS}")
    return result


def train_ranker(labelled: Sequence[Labelled], weights: Sequence[float] | None = None) -> lgb.Booster:
    """Return the trained trees; `weights` gives one weight a note."""
    features = np.concatenate([x.features for x in labelled])
    right = np.concatenate([x.right for x in labelled])
    weight = np.concatenate([np.full(len(x.right), w, np.float32) for x, w in zip(labelled, weights or [1.0] * len(labelled), strict=True)])
    return lgb.train(_PARAMETERS, lgb.Dataset(features, right.astype(int), weight=weight, feature_name=list(NAMES)), _ROUNDS)


def typical(labelled: Sequence[Labelled]) -> list[float]:
    """Return the median feature values of all candidates: the reference for rationale."""
    return [round(float(v), 4) for v in np.median(np.concatenate([x.features for x in labelled]), axis=0)]


def save_ranker(booster: lgb.Booster, path: Path) -> None:
    """Write the trees as ONNX."""
    model = convert_lightgbm(booster, initial_types=[("features", FloatTensorType([None, len(NAMES)]))], zipmap=False, target_opset=15)
    path.write_bytes(model.SerializeToString())
