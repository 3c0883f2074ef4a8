"""Newborns: the birth first, their own conditions in chapter 16, the mother's never.

Guidelines I.C.16.a, I.C.16.b, I.C.16.f; the perinatal period ends on the 28th day after birth.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES
from cds_service.review.rules import Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_PERINATAL = 28  # days
_SEPSIS = {
    "A40.1": "P36.0", "A40.0": "P36.19", "A40.3": "P36.19", "A40.8": "P36.19", "A40.9": "P36.10", "A41.01": "P36.2", "A41.02": "P36.39", "A41.1": "P36.39",
    "A41.2": "P36.30", "A41.4": "P36.5", "A41.51": "P36.4", "A41.50": "P36.8", "A41.52": "P36.8", "A41.59": "P36.8", "A41.89": "P36.8", "A41.9": "P36.9",
}  # fmt: skip


def days_old(case: Case) -> int | None:
    """Return the age in days at the beginning of the encounter; None where the birth date isn't known."""
    born = case.record.patient.birth_date
    start = case.record.start.date() if case.record.start else case.on
    return (start - born).days if born else None


def is_newborn(case: Case) -> bool:
    """Tell whether the patient is in the perinatal period."""
    days = days_old(case)
    return days is not None and 0 <= days <= _PERINATAL


@rule(
    "guideline.I.C.16.f",
    "Sepsis of a newborn",
    f"{GUIDELINES}, I.C.16.f; tabular list, P36",
    Phase.STATUS,
    needs=("A40", "A41"),
    yields=("P36",),
)
def sepsis(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Sepsis of a newborn is P36 with its organism, by default congenital or of the first 28 days."""
    if is_newborn(case):
        for line in sheet.under("A40", "A41"):
            if line.code in _SEPSIS:
                yield Exchange(line.code, _SEPSIS[line.code], "Sepsis of a patient of at most 28 days is coded as sepsis of the newborn.")


@rule(
    "guideline.I.C.16.a.1",
    "The mother's conditions are not the newborn's",
    f"{GUIDELINES}, I.C.15.a.1 and I.C.16.a.1",
    Phase.STATUS,
    needs=("O", "Z33", "Z34", "Z37", "Z3A"),
)
def mothers(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Codes of chapter 15 and of the outcome of delivery stand in the mother's record only."""
    if is_newborn(case):
        for line in sheet.under("O", "Z33", "Z34", "Z37", "Z3A"):
            yield Withhold(line.code, "the mother's, not the newborn's")


@rule(
    "guideline.I.C.16.b",
    "Observation of a newborn for what was ruled out",
    f"{GUIDELINES}, I.C.16.b",
    Phase.EXCLUSION,
    needs=("Z05",),
)
def observation(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """Z05 is for a healthy newborn in whom the suspected condition is not found; with a sign or a condition, that is coded."""
    found = next((line for line in sheet if line.code[0] in "PQR"), None)
    if found:
        for line in sheet.under("Z05"):
            yield Withhold(line.code, f"excluded by {found.code} (I.C.16.b)")


@rule(
    "guideline.I.C.16.a.2",
    "The birth is coded once",
    f"{GUIDELINES}, I.C.16.a.2: Z38 only at the encounter of the birth",
    Phase.EXCLUSION,
    needs=("Z38",),
)
def birth(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Z38 stands at the encounter in which the child was born, not at later visits."""
    days = days_old(case)
    if days is not None and days > 0:
        for line in sheet.under("Z38"):
            yield Withhold(line.code, "excluded by I.C.16.a.2 (born before this encounter)")


RULES = (mothers, sepsis, observation, birth)
