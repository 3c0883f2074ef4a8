"""Drugs and burns: poisoning, adverse effect and underdosing; the degree of a burn.

Guidelines I.C.19.e.5 and I.C.19.d.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, best, least, together
from cds_service.review.rules import Add, Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Line, Sheet
from cds_service.review.specificity import side_of

_DRUGS = tuple(f"T{n}" for n in range(36, 51))
_INTENT = "1234"  # accidental, self-harm, assault, undetermined
_ADVERSE, _UNDER, _ACCIDENTAL = "5", "6", "1"
_BURNS = tuple(f"T2{n}" for n in range(6))


def intent(code: str) -> str:
    """Return the character of a drug code that says how: 1-4 poisoning, 5 adverse effect, 6 underdosing; "" for another code."""
    return code[6] if code.startswith(_DRUGS) and len(code) == 8 and code[6].isdigit() else ""


def is_poisoning(code: str) -> bool:
    """Tell whether a code is a poisoning by a drug or a toxic effect, at its first care."""
    toxic = code[:3] in {f"T{n}" for n in range(51, 66)} and len(code) == 8
    return code.endswith("A") and (intent(code) in tuple(_INTENT) or toxic)


def _with_intent(code: str, digit: str) -> str:
    return f"{code[:6]}{digit}{code[7:]}"


@rule(
    "guideline.I.C.19.e.5.a",
    "Adverse effect of a drug taken as prescribed",
    f"{GUIDELINES}, I.C.19.e.5.a",
    Phase.STATUS,
    needs=_DRUGS,
    yields=_DRUGS,
)
def adverse_effect(sheet: Sheet, case: Case) -> Iterable[Change]:
    """A drug correctly prescribed and properly taken that harms is an adverse effect, no poisoning."""
    for line in sheet.under(*_DRUGS):
        if intent(line.code) == _ACCIDENTAL and together(case, "taken_properly", line.evidence) and not together(case, "taken_wrongly", line.evidence):
            code = _with_intent(line.code, _ADVERSE)
            if case.codes.is_billable(code):
                yield Exchange(line.code, code, "The drug was taken as prescribed: an adverse effect.", least(line, WORDING))


@rule(
    "guideline.I.C.19.e.5.b",
    "Poisoning by a drug taken wrongly",
    f"{GUIDELINES}, I.C.19.e.5.b: accidental unless another intent is documented",
    Phase.STATUS,
    needs=_DRUGS,
    yields=_DRUGS,
)
def poisoning(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Overdose, wrong drug, wrong dose, or a drug taken with alcohol against advice is a poisoning, accidental by default."""
    for line in sheet.under(*_DRUGS):
        if intent(line.code) == _ADVERSE and together(case, "taken_wrongly", line.evidence):
            code = _with_intent(line.code, _ACCIDENTAL)
            if case.codes.is_billable(code):
                yield Exchange(line.code, code, "The drug was taken wrongly: a poisoning, accidental by default.", least(line, WORDING))


@rule(
    "guideline.I.C.19.e.5.c",
    "Why a drug was underdosed",
    f"{GUIDELINES}, I.C.19.e.5.c; tabular list, Z91.1-",
    Phase.COMPANION,
    needs=_DRUGS,
    yields=("Z91.120", "Z91.128", "Z91.138"),
)
def underdosing(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Underdosing is accompanied by its reason: cost, another reason of the patient's will, or unintended."""
    if sheet.has("Z91.1", "Y63"):
        return
    for line in sheet.under(*_DRUGS):
        if intent(line.code) != _UNDER:
            continue
        for cue, code, text in (
            ("underdosed_for_cost", "Z91.120", "The patient took less because of its cost."),
            ("underdosed_by_mistake", "Z91.138", "The patient took less without meaning to."),
            ("underdosed_at_will", "Z91.128", "The patient took less at will."),
        ):
            said = together(case, cue, line.evidence)
            if said:
                yield Add(code, least(line, WORDING), said, text)
                return


@rule(
    "guideline.I.C.19.d.2",
    "Burns of one site: the highest degree",
    f"{GUIDELINES}, I.C.19.d.2",
    Phase.EXCLUSION,
    needs=_BURNS,
)
def degrees(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Burns of the same site and side, of different degrees, are coded to the highest degree only."""
    for line in sheet.under(*_BURNS):
        deeper = best(other for other in sheet.under(line.code[:3]) if degree(other.code) > degree(line.code) and _same_side(line, other, case))
        if deeper:
            yield Withhold(line.code, f"contained in {deeper.code}")


def degree(code: str) -> int:
    """Return the degree of a burn or corrosion (T20-T25): 0 unspecified, 1 to 3; -1 for another code."""
    if not code.startswith(_BURNS) or len(code) < 5:
        return -1
    return {"0": 0, "1": 1, "2": 2, "3": 3, "4": 0, "5": 1, "6": 2, "7": 3}[code[4]]


def _same_side(one: Line, other: Line, case: Case) -> bool:
    sides = [side_of(case.codes.title(line.code)) for line in (one, other)]
    return None in sides or "unspecified" in sides or sides[0] == sides[1]


RULES = (adverse_effect, poisoning, underdosing, degrees)
