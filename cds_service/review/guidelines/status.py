"""Status, history and circumstances: body mass index, tobacco, long-term drugs.

Guidelines I.B.14, I.C.21.c.3 and 4; tabular notes at Z68, F17, Z72.0, Z87.891.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, best
from cds_service.review.rules import Change, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_WEIGHT = (
    *("E40", "E41", "E42", "E43", "E44", "E45", "E46", "E64.0", "E65", "E66", "E88.A", "F50"),
    *("O25", "O26.0", "O26.1", "O99.21", "O99.84", "R62.51", "R62.7", "R63.4", "R63.5", "R63.6", "R64", "Z71.3"),
)


@rule(
    "guideline.I.B.14",
    "Body mass index only beside a diagnosis of weight",
    f"{GUIDELINES}, I.B.14 and I.C.21.c.3",
    Phase.EXCLUSION,
    needs=("Z68",),
)
def body_mass_index(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """The index may come from any clinician, the diagnosis it belongs to (overweight, obesity, ...) from the provider."""
    if not sheet.has(*_WEIGHT):
        for line in sheet.under("Z68"):
            yield Withhold(line.code, "excluded by I.B.14 (no associated diagnosis of the provider)")


@rule(
    "tabular.F17",
    "Tobacco dependence before use and history",
    "Tabular list, F17, Excludes1: tobacco use NOS (Z72.0), history of tobacco dependence (Z87.891)",
    Phase.EXCLUSION,
    needs=("F17",),
)
def tobacco(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """Use and history are not coded beside current dependence; the product that is named stays."""
    dependence = best(sheet.under("F17"))
    for line in sheet.under("Z72.0", "Z87.891"):
        if dependence:
            yield Withhold(line.code, f"excluded by {dependence.code}")
    if sheet.has("F17.21", "F17.22", "F17.29"):
        for line in sheet.under("F17.20"):
            yield Withhold(line.code, "less specific than F17.21-, F17.22- or F17.29-")


RULES = (body_mass_index, tobacco)
