"""Train the ranker: gradient-boosted trees over the candidates of coded examples.

Features that remember coded examples (how often a name was coded, which names are in the index) are made by cross-fitting: for
each example a lexicon and an index that have not seen its fold, so that the trees don't learn to trust a memory that a new
note doesn't have.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from onnxmltools.convert import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from onnx_models.coder import ModelInfo, NoteCoder
from onnx_models.features import NAMES, RIVAL_NAMES, rival_features
from onnx_models.lexicon import Lexicon
from onnx_models.linear import LinearModel
from onnx_models.retrieval import Concepts, VectorIndex
from onnx_models.runtime import Encoder
from onnx_models.spelling import Speller
from onnx_models.style import STYLE_BUCKETS, Style
from onnx_models.training.examples import Example, is_hidden, taught_codes
from onnx_models.training.index import Coded, build_concepts, build_lexicon, build_titles, build_vectors, document_windows
from onnx_models.training.linear import Arrays, train_telling
from onnx_models.training.terms import TabularList, Term
from onnx_models.wording import Titles

Floats = npt.NDArray[np.float32]
FOLDS = 5
PARAMETERS = {
    "objective": "binary", "learning_rate": 0.04, "num_leaves": 31, "min_data_in_leaf": 40, "feature_fraction": 0.7, "bagging_fraction": 0.8,
    "bagging_freq": 1, "lambda_l2": 5.0, "verbosity": -1, "seed": 13, "deterministic": True, "num_threads": 2,
}  # fmt: skip
ROUNDS = 350


@dataclass(frozen=True, slots=True)
class Labelled:
    """Candidate rows of one example with their labels."""

    group: str  # of its example: what shares a fold
    style: Style
    codes: tuple[str, ...]
    features: Floats  # (n, len(NAMES))
    right: npt.NDArray[np.bool_]  # (n,)
    places: tuple[frozenset[tuple[int, int, int]], ...]  # of the hits of each candidate
    counts: npt.NDArray[np.bool_]  # (n,) False where the guide calls the code neither required nor wrong
    gold: int  # codes of the example, found or not
    weight: float  # of each candidate


@dataclass(frozen=True, slots=True)
class LookUps:
    """What the engine looks up, made from some of the examples."""

    concepts: Concepts
    lexicon: Arrays
    vectors: Arrays
    telling: Arrays


@dataclass(frozen=True)
class Knowledge:
    """What look-ups are built from, whatever the fold."""

    terms: Sequence[Term]  # names that no example gave
    us_uses: Mapping[str, int]
    tabular: TabularList
    background: Sequence[set[int]]
    prototypes: Floats  # (concepts, d)
    speller: Speller
    telling: Sequence[tuple[str, set[str], bool]]  # of all examples: id, features of a phrase, whether it holds evidence
    untaught: Mapping[int, Floats]  # row of a concept whose phrases are hidden at times -> the vector it has without them

    def build(self, examples: Sequence[Example], *, hidden: Callable[[str], bool] = lambda _: False) -> LookUps:
        """Return concepts, lexicon, index and the model of telling phrases, made from the terms and these examples.

        Of codes (without 7th character) that are `hidden`, nothing that examples taught is used.
        """
        concepts = self.concepts(examples, hidden)
        coded = [
            Coded(document_windows(e.text, self.speller), tuple(t for t in e.evidence if not hidden(self.tabular.stem(t.code))), e.kind == "note")
            for e in examples
            if e.kind != "phrase"
        ]
        terms = [*self.terms, *(t for e in examples if e.kind == "phrase" for t in e.evidence if not hidden(self.tabular.stem(t.code)))]
        prototypes = self.prototypes.copy()
        for row, vector in self.untaught.items():
            if not concepts[row].taught:
                prototypes[row] = vector
        known = {e.id for e in examples}
        return LookUps(
            concepts,
            build_lexicon(terms, concepts, self.tabular, coded, self.background, self.speller),
            build_vectors(concepts, prototypes),
            train_telling((features, holds) for owner, features, holds in self.telling if owner in known),
        )

    def concepts(self, examples: Sequence[Example], hidden: Callable[[str], bool] = lambda _: False) -> Concepts:
        """Return the table of concepts with what these examples say of their use."""
        taught = {code for code in taught_codes(examples, self.tabular) if not hidden(code)}
        uses: Counter[str] = Counter(c for e in examples if e.kind == "case" for c in e.right)
        noted: Counter[str] = Counter(self.us_uses)
        for e in examples:
            if e.kind == "note":
                noted.update(e.right)
        return build_concepts(self.tabular, uses, noted, taught)


def bare_coder(found: LookUps, titles: Titles, speller: Speller, encoder: Encoder) -> NoteCoder:
    """Return an engine without a ranker, for collecting features."""
    return NoteCoder(
        info=ModelInfo("training", "0", "", encoder.provider),
        concepts=found.concepts,
        titles=titles,
        lexicon=Lexicon(found.lexicon),
        index=VectorIndex(found.vectors, lambda row: found.concepts[row].taught),
        encoder=encoder,
        style=LinearModel(np.zeros(STYLE_BUCKETS, np.float32), 0.0),  # training says the style
        telling=LinearModel(found.telling["weights"], float(found.telling["bias"][0])),
        speller=speller,
        rankers={},
        typical=[0.0] * len(NAMES),
    )


def label(coder: NoteCoder, example: Example) -> Labelled:
    """Return the labelled candidates of an example; codes are compared without 7th character."""
    rows = coder.analyse(example.text, style=example.style).rows
    features = np.stack([r.features for r in rows]) if rows else np.zeros((0, len(NAMES)), np.float32)
    right = np.array([r.code in example.right for r in rows], bool)
    counts = np.array([r.code in example.right or r.code not in example.neutral for r in rows], bool)
    codes, places = tuple(r.code for r in rows), tuple(r.places for r in rows)
    return Labelled(example.group, example.style, codes, features, right, places, counts, len(example.required), example.weight)


def fold_of(identifier: str) -> int:
    """Return the fold of an example, by hash, so that it never moves."""
    return int.from_bytes(hashlib.sha256(identifier.encode()).digest()[:4], "big") % FOLDS


def _hidden_in(fold: int, code: str) -> bool:
    return is_hidden(code) and fold_of(code[:5]) == fold


def cross_fitted(examples: Sequence[Example], knowledge: Knowledge, encoder: Encoder, progress: Callable[[str], None] = lambda _: None) -> list[Labelled]:
    """Return labelled candidates of all examples, each by look-ups that haven't seen its fold."""
    result: list[Labelled] = []
    for fold in range(FOLDS):
        found = knowledge.build([e for e in examples if fold_of(e.group) != fold], hidden=partial(_hidden_in, fold))
        coder = bare_coder(found, Titles(build_titles(found.concepts, knowledge.tabular)), knowledge.speller, encoder)
        result += [label(coder, e) for e in examples if fold_of(e.group) == fold and e.trains_ranker]
        progress(f"fold {fold + 1}/{FOLDS}: {len(result)} examples labelled")
    return result


def boosted(features: Sequence[Floats], labelled: Sequence[Labelled], names: Sequence[str]) -> lgb.Booster:
    """Return trees over the candidates that count."""
    table = np.concatenate([f[x.counts] for f, x in zip(features, labelled, strict=True)])
    right = np.concatenate([x.right[x.counts] for x in labelled])
    weight = np.concatenate([np.full(int(x.counts.sum()), x.weight, np.float32) for x in labelled])
    return lgb.train(PARAMETERS, lgb.Dataset(table, right.astype(int), weight=weight, feature_name=list(names)), ROUNDS)


def beside(first: lgb.Booster, x: Labelled) -> Floats:
    """Return the features of the second trees: an example's candidates with their rivals."""
    if not len(x.codes):
        return np.zeros((0, len(NAMES) + len(RIVAL_NAMES)), np.float32)
    return np.concatenate([x.features, rival_features(x.codes, x.places, np.asarray(first.predict(x.features), np.float32))], axis=1)


def train_rankers(labelled: Sequence[Labelled], progress: Callable[[str], None] = lambda _: None) -> tuple[lgb.Booster, lgb.Booster]:
    """Return the first and the second trees of one style; the second learn from first probabilities of trees that hadn't seen the example's fold."""
    folds = [fold_of(x.group) for x in labelled]
    table: list[Floats] = [np.zeros(0, np.float32)] * len(labelled)
    for fold in range(FOLDS):
        known = [x for x, f in zip(labelled, folds, strict=True) if f != fold]
        first = boosted([x.features for x in known], known, NAMES)
        for i, x in enumerate(labelled):
            if folds[i] == fold:
                table[i] = beside(first, x)
        progress(f"first trees, fold {fold + 1}/{FOLDS}")
    return boosted([x.features for x in labelled], labelled, NAMES), boosted(table, labelled, (*NAMES, *RIVAL_NAMES))


def typical(labelled: Sequence[Labelled]) -> list[float]:
    """Return the median feature values of all candidates: the reference for rationale."""
    return [round(float(v), 4) for v in np.median(np.concatenate([x.features for x in labelled]), axis=0)]


def save_ranker(booster: lgb.Booster, path: Path) -> None:
    """Write the trees as ONNX."""
    model = convert_lightgbm(booster, initial_types=[("features", FloatTensorType([None, booster.num_feature()]))], zipmap=False, target_opset=15)
    path.write_bytes(model.SerializeToString())
