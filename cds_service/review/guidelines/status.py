"""Status, history and circumstances: body mass index, tobacco, long-term drugs.

Guidelines I.B.14, I.C.21.c.3 and 4; tabular notes at Z68, F17, Z72.0, Z87.891.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, best
from cds_service.review.rules import Change, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_CLINICIAN = re.compile(r"nurs|dieti[ct]|nutrition|therap|pharmac|social work|case manag|technician|medical assistant|\b(?:rn|lpn|rd|pt|ot|msw|emt)\b", re.I)
_PROVIDER = re.compile(r"practitioner|physician|advanced practice|midwife|anesthe|doctor", re.I)
# Body mass index, coma and stroke scale, alcohol level, social determinants, underimmunization (I.B.14).
_ANY_CLINICIAN = ("Z68", "R40.2", "R29.7", "Y90", *(f"Z{n}" for n in range(55, 66)), "Z28.3")
_EXAMS = ("Z00", "Z01", "Z02", "Z04", "Z31.8", "Z76.1", "Z76.2")
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


@rule(
    "guideline.I.C.21.c.16",
    "First-listed only, and the stay has another reason",
    f"{GUIDELINES}, I.C.21.c.16",
    Phase.EXCLUSION,
    needs=_EXAMS,
)
def examinations(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An examination that may only be first is not coded in a stay that a disease or injury explains."""
    reason = best(line for line in sheet if line.code[0] not in "RVWXYZ")
    if case.inpatient and reason:
        for line in sheet.under(*_EXAMS):
            why = f"excluded by I.C.21.c.16 (first-listed only, and {reason.code} is the reason)"
            yield Withhold(line.code, why, reason.code, "Right if it was the reason.")


@rule(
    "guideline.I.B.14.provider",
    "Diagnoses of the patient's provider only",
    f"{GUIDELINES}, I.A.19 and I.B.14",
    Phase.STATUS,
)
def of_the_provider(sheet: Sheet, case: Case) -> Iterable[Change]:
    """What only a nurse, dietitian, therapist or the like documents is not coded, apart from what I.B.14 leaves to any clinician."""
    others = {n.source for n in case.notes if _CLINICIAN.search(n.author_role or "") and not _PROVIDER.search(n.author_role or "")}
    for line in sheet if others else ():
        if line.evidence and not line.code.startswith(_ANY_CLINICIAN) and all(e.source in others for e in line.evidence):
            yield Withhold(line.code, "excluded by I.B.14 (not documented by a provider)")


RULES = (of_the_provider, body_mass_index, tobacco, examinations)
