"""Learned denials: how likely a claim is denied, by what the customer's own remittances taught. For the coder only; nothing is shown without training.

A logistic regression over what the claim edits find and the setting: a weight for each, so that the score is explained by counts of claims. Training is
`cds_service.denials`; here the fitted numbers are only read and applied.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from cds_service.errors import RuleError
from cds_service.review.model import DenialDriver, DenialRisk

__all__ = ["LearnedDenials", "features_of"]

_FORM = 1
_EDIT = "edit:"
_SHOWN = 5  # findings that a score names


@dataclass(frozen=True)
class LearnedDenials:
    """What the remittances of one tenant taught."""

    version: str  # "2026-03-02-001"
    trained: date
    claims: int  # matched to a review
    denied: int
    first_day: date | None  # of the remittances
    last_day: date | None
    auc: float  # area under the curve, by cross-validation
    auc_low: float  # of its 95% interval
    auc_high: float
    brier: float  # mean squared error of the probabilities, by cross-validation
    brier_usual: float  # the same of the usual rate alone
    intercept: float
    weights: Mapping[str, float]  # feature -> log-odds
    seen: Mapping[str, tuple[int, int]]  # feature -> claims that had it, those of them denied
    reasons: Mapping[str, int]  # claim adjustment reason code with group -> denied claims that carried it

    @property
    def usual(self) -> float:
        """Share of claims that were denied."""
        return self.denied / self.claims

    @property
    def basis(self) -> str:
        """What the score was learned from, and how well it tells denied claims from paid ones."""
        days = f" of {self.first_day.isoformat()} to {self.last_day.isoformat()}" if self.first_day and self.last_day else ""
        quality = f"area under the curve {self.auc:.2f} ({self.auc_low:.2f} to {self.auc_high:.2f}) by cross-validation"
        return f"Learned from {self.claims} claims in this organization's remittances{days}, {self.denied} of them denied; {quality}."

    def risk(self, edits: Iterable[str], setting: str) -> DenialRisk:
        """Return how likely a claim is denied on which `edits` found something."""
        features = features_of(edits, setting)
        odds = self.intercept + sum(self.weights.get(f, 0.0) for f in sorted(features))
        known = sorted((f for f in features if f.startswith(_EDIT) and f in self.weights), key=lambda f: (-self.weights[f], f))
        drivers = tuple(DenialDriver(f.removeprefix(_EDIT), *self.seen[f]) for f in known[:_SHOWN])
        unknown = tuple(sorted(f.removeprefix(_EDIT) for f in features if f.startswith(_EDIT) and f not in self.weights))
        return DenialRisk(round(1 / (1 + math.exp(-odds)), 4), round(self.usual, 4), drivers, unknown, self.basis, self.version)

    def written(self) -> str:
        """Return the file that holds it, as JSON."""
        return json.dumps({"form": _FORM, **asdict(self)}, default=date.isoformat, indent=1, sort_keys=True) + "\n"

    @classmethod
    def read(cls, text: str, name: str) -> LearnedDenials:
        """Read a file that `written` made. Raises RuleError with file, line and reason where it is damaged."""
        remedy = "Train again with `marginalia denials train`, or take it out of force with `marginalia denials remove`."
        try:
            values: dict[str, Any] = json.loads(text)
            if values.pop("form") != _FORM:
                raise ValueError(f"not of form {_FORM}")
            for day in ("trained", "first_day", "last_day"):
                values[day] = date.fromisoformat(values[day]) if values[day] else None
            values["seen"] = {str(f): (int(claims), int(denied)) for f, (claims, denied) in values["seen"].items()}
            values["weights"] = {str(f): float(w) for f, w in values["weights"].items()}
            learned = cls(**values)
        except json.JSONDecodeError as error:
            raise RuleError(f"{name}, line {error.lineno}: not JSON ({error.msg}).", remedy) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RuleError(f"{name}, line 1: no learned denials ({error}).", remedy) from error
        numbers = (learned.intercept, learned.auc, *learned.weights.values())
        sound = 0 < learned.denied < learned.claims and learned.weights.keys() <= learned.seen.keys()
        if not sound or not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
            raise RuleError(f"{name}, line 1: its numbers contradict each other.", remedy)
        return learned


def features_of(edits: Iterable[str], setting: str) -> frozenset[str]:
    """Return what the score looks at: which edits found something, and the setting. Nothing of the patient."""
    return frozenset({f"setting:{setting}", *(f"{_EDIT}{e}" for e in edits)})
