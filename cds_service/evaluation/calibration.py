"""`marginalia calibrate`: what the engine's scores are worth once the review has chosen, measured on the development split."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from cds_service.evaluation.measure import Answer, notes, phrases
from cds_service.evaluation.reader import Product
from cds_service.review.confidence import Confidence
from onnx_models.evaluation.metrics import calibration_error

_LEAST = 0.2  # score from which answers are looked at: well below any sensible threshold
_POINTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_HEAD = "# Score of the engine, and the share of the codes suggested with it that were right: development splits, by `marginalia calibrate`.\n"


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Data folder; without it only committed text is measured.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Table to write; default: the packaged one.")
def calibrate(data: Path | None, out: Path | None) -> None:
    """Measure what the engine's scores are worth on the development split, and write the table that the review reads."""
    from onnx_models.evaluation.notes import gold_notes
    from onnx_models.evaluation.phrases import read
    from onnx_models.training.terms import TabularList

    loaded, tabular = Product.load(), TabularList()
    product = Product(loaded.coder, replace(loaded.knowledge, threshold=_LEAST, confidence=Confidence()))
    bank = read()
    # The phrases of codes kept from training in their proportion to the bank: dev is a tenth of the others, unseen_dev all of half of them.
    said = phrases(product, [p for p in bank if p.split == "dev" or (p.split == "unseen_dev" and zlib.crc32(p.text.encode()) % 5 == 0)], tabular).answers
    written = notes(product, [n for n in gold_notes(data, "dev") if n.text], tabular).answers
    concepts = product.coder.concepts

    def taught(answer: Answer) -> bool:
        row = concepts.row(tabular.stem(answer.code))
        return row is not None and concepts[row].taught

    parts = {"statement": [a for a in said if taught(a)], "untaught": [a for a in said if not taught(a)], "note": written}
    lines = [f"{kind} = {_curve(kind, answers)}\n" for kind, answers in parts.items()]
    path = out or Path(str(resources.files("cds_service.review") / "tables" / "confidence.toml"))
    path.write_text(_HEAD + "".join(lines), encoding="utf-8")


def _curve(kind: str, answers: Sequence[Answer]) -> list[list[float]]:
    """Return points of a logistic curve over the log-odds of the score: two numbers are fitted, so that a few hundred answers suffice."""
    from sklearn.linear_model import LogisticRegression

    score, right = np.array([a.confidence for a in answers]), np.array([a.right for a in answers])
    model = LogisticRegression(C=1e6).fit(_logit(score), right)
    before, after = (calibration_error(p, right) for p in (score, model.predict_proba(_logit(score))[:, 1]))
    click.echo(f"{kind}: {len(answers)} answers, {right.mean():.3f} right, calibration error {before:.3f}, fitted {after:.3f}", err=True)
    values = model.predict_proba(_logit(np.array(_POINTS)))[:, 1]
    return [[0.0, 0.0], *([p, round(float(v), 3)] for p, v in zip(_POINTS, values, strict=True)), [1.0, 1.0]]


def _logit(score: Iterable[float]) -> npt.NDArray[np.float64]:
    clipped = np.clip(np.asarray(list(score), float), 1e-3, 1 - 1e-3)
    return np.asarray(np.log(clipped / (1 - clipped)).reshape(-1, 1))
