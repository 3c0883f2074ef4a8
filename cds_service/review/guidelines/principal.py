"""Principal diagnosis of an inpatient: equal candidates, contrasting diagnoses, a plan that was not carried out.

Guidelines II.C, II.D, II.F; I.C.21.c.13 (Z53).
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, spoken, together
from cds_service.review.rules import Add, Change, Explain, Phase, rule
from cds_service.review.sheet import Line, Sheet


@rule(
    "guideline.II.C",
    "Two diagnoses that equally meet the definition",
    f"{GUIDELINES}, II.C",
    Phase.EXCLUSION,
)
def equal(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Where the record says that two conditions were equally the reason of the admission, either may be first."""
    both = _joined(sheet, case, "equally")
    for line in both:
        others = ", ".join(o.code for o in both if o.code != line.code)
        yield Explain(line.code, f"It and {others} equally meet the definition of the principal diagnosis: either may be first.")


@rule(
    "guideline.II.D",
    "Contrasting diagnoses",
    f"{GUIDELINES}, II.D",
    Phase.EXCLUSION,
)
def contrasting(sheet: Sheet, case: Case) -> Iterable[Change]:
    """"Either A or B", "A versus B": for an inpatient both are coded as if confirmed, in the order of the circumstances."""
    both = _joined(sheet, case, "either_or")
    for line in both:
        others = ", ".join(o.code for o in both if o.code != line.code)
        yield Explain(line.code, f"Documented as one of two contrasting diagnoses, beside {others}: both are coded as if confirmed.")


def _joined(sheet: Sheet, case: Case, cue: str) -> list[Line]:
    """Return the diagnoses of an inpatient that stand in one sentence with a wording; none where fewer than two do."""
    if not case.inpatient or not case.said(cue):
        return []
    found = [line for line in sheet if line.code[0] not in "VWXYZ" and together(case, cue, line.evidence)]
    return found if len(found) > 1 else []


@rule(
    "guideline.II.F",
    "Original plan not carried out",
    f"{GUIDELINES}, II.F; tabular list, Z53",
    Phase.COMPANION,
    yields=("Z53",),
)
def not_carried_out(sheet: Sheet, case: Case) -> Iterable[Change]:
    """The condition that led to the admission stays first though its treatment wasn't given; Z53 says that, and why."""
    if sheet.has("Z53"):
        return
    said = spoken(case, "plan_not_carried_out")
    if said and any(line.code[0] not in "VWXYZ" for line in sheet):
        code, why = "Z53.9", "reason not documented"
        if together(case, "patient_declined", said):
            code, why = "Z53.20", "by decision of the patient"
        elif together(case, "contraindicated", said):
            code, why = "Z53.09", "because of a contraindication"
        yield Add(code, WORDING, said, f"A planned procedure was not carried out, {why}.")


RULES = (equal, contrasting, not_carried_out)
