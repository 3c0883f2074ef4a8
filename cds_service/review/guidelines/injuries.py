"""Injuries: superficial beside deeper, aftercare, current against sequela.

Guidelines I.C.19.a, I.C.19.b.1, I.C.21.c.7.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, best, together
from cds_service.review.rules import Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Line, Sheet

_WHOLE = 8  # characters of a code with its 7th character
_BEGINNING = ("admission_diagnosis", "chief_complaint", "preop_diagnosis", "indication")
_SUPERFICIAL = tuple(f"S{region}0" for region in range(10))


@rule(
    "guideline.I.C.19.b.1",
    "Superficial injuries of the same site",
    f"{GUIDELINES}, I.C.19.b.1",
    Phase.EXCLUSION,
    needs=_SUPERFICIAL,
)
def superficial(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Abrasions and contusions are not coded with a more severe injury of the same site."""
    for line in sheet.under(*_SUPERFICIAL):
        severe = best(other for other in sheet.under(line.code[:2]) if other.code[2] != "0" and _same_side(line, other, case))
        if severe:
            yield Withhold(line.code, f"integral to {severe.code}")


def _same_side(one: Line, other: Line, case: Case) -> bool:
    titles = [case.codes.title(line.code).lower() for line in (one, other)]
    sides = [next((s for s in ("right", "left") if s in t), None) for t in titles]
    return None in sides or sides[0] == sides[1]


@rule(
    "guideline.I.C.21.c.7",
    "No aftercare code for an injury",
    f"{GUIDELINES}, I.C.21.c.7: the injury with its 7th character for subsequent care",
    Phase.EXCLUSION,
    needs=("Z47.8", "Z48", "Z51.89", "Z09"),
)
def aftercare(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """Aftercare of an injury is the injury with 7th character D, not a Z code."""
    injury = best(line for line in sheet.under("S", "T") if len(line.code) == 8 and line.code[-1] not in "ABCS")
    if injury:
        for line in sheet.under("Z47.8", "Z48", "Z51.89", "Z09"):
            yield Withhold(line.code, f"excluded by {injury.code} (7th character for subsequent care)")


@rule(
    "guideline.I.C.20.a",
    "External causes accompany an injury",
    f"{GUIDELINES}, I.C.20.a.1 and I.C.20.a.6",
    Phase.EXCLUSION,
    needs=("V", "W", "X", "Y"),
)
def external_cause(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """How it happened is coded beside the condition that it caused, never without one."""
    if not sheet.has("S", "T", "M", "G56", "H", "L", "O9A"):
        for line in sheet.under("V", "W", "X", "Y0", "Y2", "Y3", "Y92", "Y93", "Y99"):
            yield Withhold(line.code, "excluded by I.C.20.a (no condition that it caused is coded)")


@rule(
    "guideline.I.C.19.a.active",
    "Active treatment",
    f"{GUIDELINES}, I.A.5 and I.C.19.a: surgical treatment, emergency department encounter, evaluation and continuing treatment",
    Phase.STATUS,
    needs=("S", "T8", "M80", "M84.4", "M84.5", "M84.6"),
    yields=("S", "T8", "M80", "M84"),
)
def active_treatment(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An injury or complication that is the reason of the admission or operation is under active treatment: A, not D.

    Words as "postoperative" or "status post" beside it don't make the care subsequent; healing, aftercare and rehabilitation do.
    """
    if case.said("rehabilitation"):
        return
    for line in sheet.under("S", "T8", "M80", "M84.4", "M84.5", "M84.6"):
        code = f"{line.code[:-1]}A"
        if len(line.code) != _WHOLE or line.code[-1] != "D" or not case.codes.is_billable(code):
            continue
        begun = any(e.section in _BEGINNING for e in line.evidence)
        if begun and not together(case, "routine_care", line.evidence) and (case.inpatient or any(e.section == "preop_diagnosis" for e in line.evidence)):
            yield Exchange(line.code, code, "It is the reason of the admission or operation: active treatment.")


RULES = (superficial, aftercare, external_cause, active_treatment)
