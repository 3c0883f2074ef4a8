"""Train the logistic models: what tells notes from case reports, and phrases that name something from those that don't."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from onnx_models.candidates import Scene, phrases_of
from onnx_models.linear import buckets
from onnx_models.normalise import tokens
from onnx_models.spelling import Speller
from onnx_models.style import STYLE_BUCKETS
from onnx_models.telling import TELLING_BUCKETS, telling_features
from onnx_models.training.examples import Example

Arrays = dict[str, np.ndarray]


def train_style(data: Path, examples: Sequence[Example]) -> Arrays:
    """Return the model that tells clinical notes from published case reports, from training splits and uncoded text."""
    texts = [(e.text, e.kind == "note") for e in examples if e.kind != "phrase"]
    with gzip.open(data / "codiesp/background_unlabelled.jsonl.gz", "rt", encoding="utf-8") as handle:
        texts += [(json.loads(line)["text_en"], False) for line in handle]
    with (data / "notes/mts_dialog/MTS-Dialog-TrainingSet.csv").open(newline="", encoding="utf-8") as handle:
        texts += [(row["section_text"], True) for row in csv.DictReader(handle) if len(row["section_text"].split()) > 60]
    return _fit((({t.stem for t in tokens(text)}, label) for text, label in texts), STYLE_BUCKETS, strength=10.0, balanced=True)


def telling_cases(examples: Iterable[Example], speller: Speller) -> Iterator[tuple[str, set[str], bool]]:
    """Yield (id of the example, features, holds evidence) for each phrase of coded notes and cases."""
    for example in examples:
        if example.kind == "phrase":
            continue
        scene = Scene.of(example.text, (), speller)
        for begin, end, _, part in phrases_of(scene):
            stems = [t.stem for t, _ in scene.stream[scene.tokens_of(begin, end)]]
            holds = any(b < end and begin < e for b, e in example.spans)
            yield example.id, set(telling_features(stems, part.kind)), holds


def train_telling(cases: Iterable[tuple[set[str], bool]]) -> Arrays:
    """Return the model that tells which phrases hold evidence of a code."""
    return _fit(cases, TELLING_BUCKETS, strength=5.0, balanced=False)


def _fit(cases: Iterable[tuple[set[str], bool]], size: int, *, strength: float, balanced: bool) -> Arrays:
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    labels: list[bool] = []
    for features, label in cases:
        own = sorted(buckets(features, size))
        rows += [len(labels)] * len(own)
        columns += own
        values += [len(own) ** -0.5] * len(own)
        labels.append(label)
    matrix = csr_matrix((values, (rows, columns)), shape=(len(labels), size))
    model = LogisticRegression(C=strength, max_iter=500, class_weight="balanced" if balanced else None).fit(matrix, labels)
    return {"weights": model.coef_[0].astype(np.float16), "bias": np.array([model.intercept_[0]], np.float32)}
