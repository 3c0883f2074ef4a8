"""Fitting: a logistic regression over what the edits find, judged by cross-validation. It refuses to teach what the claims don't show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import date

import numpy as np

from cds_service.denials.matching import Example, Matched
from cds_service.errors import ConfigurationError, MarginaliaError
from cds_service.review.claims.learned import LearnedDenials

__all__ = ["LEAST_CLAIMS", "LEAST_OF_EACH", "TooLittleError", "fitted"]

LEAST_CLAIMS = 200  # matched to a review
LEAST_OF_EACH = 30  # denied ones, and others
_LEAST_SEEN = 10  # claims with a feature: of fewer nothing is learned
_FOLDS = 5
_STRENGTH = 1.0  # inverse of the penalty on weights
_CERTAIN = 1.96  # standard errors of a 95% interval


class TooLittleError(MarginaliaError):
    """The claims are too few, or tell nothing."""

    code = "denials.too-little"


def fitted(claims: Matched, *, version: str, today: date) -> LearnedDenials:
    """Return what matched claims teach. The same claims teach the same.

    Raises:
        TooLittleError: fewer than `LEAST_CLAIMS` claims, fewer than `LEAST_OF_EACH` denied or other ones, or findings that don't tell them apart.
        ConfigurationError: scikit-learn is not installed.
    """
    examples = claims.examples
    _enough(claims)
    counts = Counter(f for e in examples for f in e.features)
    features = sorted(f for f, n in counts.items() if _LEAST_SEEN <= n <= len(examples) - _LEAST_SEEN)
    if not features:
        raise TooLittleError("The claims have no finding in common.", "Nothing can be learned from them.")
    table = np.array([[float(f in e.features) for f in features] for e in examples])
    answers = np.array([int(e.denied) for e in examples])
    predicted, weights, intercept = _regression(table, answers)
    usual = float(answers.mean())
    auc = _auc(predicted, answers)
    low, high = _interval(auc, int(answers.sum()), int(len(answers) - answers.sum()))
    if low <= 0.5:
        told = f"What the edits find doesn't tell denied claims from others: area under the curve {auc:.2f} ({low:.2f} to {high:.2f}) by cross-validation."
        raise TooLittleError(told, "No score is kept. Try again with more remittances.")
    days = sorted(e.day for e in examples if e.day)
    return LearnedDenials(
        version=version,
        trained=today,
        claims=len(examples),
        denied=claims.denied,
        first_day=days[0] if days else None,
        last_day=days[-1] if days else None,
        auc=round(auc, 4),
        auc_low=round(low, 4),
        auc_high=round(high, 4),
        brier=round(float(np.mean((predicted - answers) ** 2)), 4),
        brier_usual=round(usual * (1 - usual), 4),
        intercept=round(intercept, 6),
        weights={f: round(float(w), 6) for f, w in zip(features, weights, strict=True)},
        seen={f: _seen(f, examples) for f in features},
        reasons=dict(sorted(claims.reasons.items())),
    )


def _enough(claims: Matched) -> None:
    found, denied = len(claims.examples), claims.denied
    if found < LEAST_CLAIMS or min(denied, found - denied) < LEAST_OF_EACH:
        told = f"{claims.claims} claims in the remittances, {found} of them with a review, {denied} of those denied."
        wanted = f"At least {LEAST_CLAIMS} claims with a review are needed, {LEAST_OF_EACH} denied and {LEAST_OF_EACH} others; no score is kept."
        raise TooLittleError(told, wanted)


def _seen(feature: str, examples: Sequence[Example]) -> tuple[int, int]:
    having = [e for e in examples if feature in e.features]
    return len(having), sum(e.denied for e in having)


def _regression(table: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return probabilities by cross-validation, and weights and intercept over all claims."""
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold, cross_val_predict
    except ImportError as error:
        raise ConfigurationError("Training needs scikit-learn.", "Install the extra: pip install 'marginalia[denials]'.") from error
    model = LogisticRegression(C=_STRENGTH, max_iter=1000)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    predicted = cross_val_predict(model, table, answers, cv=folds, method="predict_proba")[:, 1]
    model.fit(table, answers)
    return predicted, model.coef_[0], float(model.intercept_[0])


def _auc(predicted: np.ndarray, answers: np.ndarray) -> float:
    """Return the chance that a denied claim has the higher score of two, ties counted half."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(answers, predicted))


def _interval(auc: float, positive: int, negative: int) -> tuple[float, float]:
    """Return the 95% interval of an area under the curve (Hanley and McNeil 1982)."""
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (positive - 1) * (one - auc**2) + (negative - 1) * (two - auc**2)
    error = math.sqrt(max(spread, 0.0) / (positive * negative))
    return max(0.0, auc - _CERTAIN * error), min(1.0, auc + _CERTAIN * error)
