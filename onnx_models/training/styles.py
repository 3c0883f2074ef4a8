"""Train the model that tells clinical notes from published case reports."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from onnx_models.normalise import tokens
from onnx_models.style import BUCKETS, buckets
from onnx_models.training.examples import Example


def style_texts(data: Path, examples: Sequence[Example]) -> Iterator[tuple[str, bool]]:
    """Yield (text, is a clinical note) of training splits and uncoded text."""
    yield from ((e.text, e.kind == "note") for e in examples if e.kind != "phrase")
    with gzip.open(data / "codiesp/background_unlabelled.jsonl.gz", "rt", encoding="utf-8") as handle:
        yield from ((json.loads(line)["text_en"], False) for line in handle)
    with (data / "notes/mts_dialog/MTS-Dialog-TrainingSet.csv").open(newline="", encoding="utf-8") as handle:
        yield from ((row["section_text"], True) for row in csv.DictReader(handle) if len(row["section_text"].split()) > 60)


def train_style(texts: Sequence[tuple[str, bool]]) -> dict[str, np.ndarray]:
    """Return the arrays of `style.Style`: logistic regression over distinct stems, each text of length one."""
    rows, columns, values, labels = [], [], [], []
    for row, (text, is_note) in enumerate(texts):
        own = buckets(t.stem for t in tokens(text))
        rows += [row] * len(own)
        columns += own
        values += [len(own) ** -0.5] * len(own)
        labels.append(is_note)
    matrix = csr_matrix((values, (rows, columns)), shape=(len(labels), BUCKETS))
    model = LogisticRegression(C=10.0, max_iter=500, class_weight="balanced").fit(matrix, labels)
    return {"weights": model.coef_[0].astype(np.float16), "bias": np.array([model.intercept_[0]], np.float32)}
