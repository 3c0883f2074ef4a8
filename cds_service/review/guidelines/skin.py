"""Ulcers: healed ones, the stage of pressure ulcers in other words, the depth of others.

Guideline I.C.12.a; I.B.14 (the stage may be documented by any clinician).
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, least, spoken, together
from cds_service.review.rules import Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_STAGES = (("unstageable_ulcer", "0", "unstageable"), ("deep_tissue_damage", "6", "deep tissue damage"))
_DEPTHS = (
    ("ulcer_skin", "1", "breakdown of skin only"),
    ("ulcer_fat", "2", "exposed fat"),
    ("ulcer_muscle", "3", "necrosis of muscle"),
    ("ulcer_bone", "4", "necrosis of bone"),
)
_UNSPECIFIED = "9"


@rule(
    "guideline.I.C.12.a.4",
    "Healed pressure ulcers",
    f"{GUIDELINES}, I.C.12.a.4: a healed ulcer is not coded, a healing one by its stage",
    Phase.STATUS,
    needs=("L89",),
)
def healed(sheet: Sheet, case: Case) -> Iterable[Change]:
    """No code for a pressure ulcer that is completely healed at admission."""
    for line in sheet.under("L89"):
        if line.evidence and all(together(case, "healed", (e,)) for e in line.evidence):
            yield Withhold(line.code, "healed")


@rule(
    "guideline.I.C.12.a.2",
    "Unstageable is not unspecified",
    f"{GUIDELINES}, I.C.12.a.2 and I.C.12.a.3",
    Phase.STATUS,
    needs=("L89",),
    yields=("L89",),
)
def unstageable(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An ulcer that can't be staged clinically is unstageable; damage of deep tissue has its own code; silence is unspecified."""
    for line in sheet.under("L89"):
        if not line.code.endswith(_UNSPECIFIED) or len(line.code) != 7:
            continue
        for cue, digit, name in _STAGES:
            said = together(case, cue, line.evidence)
            code = f"{line.code[:-1]}{digit}"
            if said and case.codes.is_billable(code):
                yield Exchange(line.code, code, f"The documentation says {name}.", least(line, WORDING), said, telling=said)
                break


@rule(
    "guideline.I.B.14.depth",
    "Depth of a chronic ulcer",
    f"{GUIDELINES}, I.B.14: the depth may be documented by any clinician, the ulcer by the provider",
    Phase.STATUS,
    needs=("L97", "L98.4"),
    yields=("L97", "L98.4"),
)
def depth(sheet: Sheet, case: Case) -> Iterable[Change]:
    """The one ulcer of a record whose severity is open takes the one depth that the record documents."""
    ulcers = sheet.under("L97", "L98.4")
    found = [(digit, name, said) for cue, digit, name in _DEPTHS if (said := spoken(case, cue))]
    if len(ulcers) == 1 and len(found) == 1 and case.codes.title(ulcers[0].code).endswith("unspecified severity"):
        digit, name, said = found[0]
        code = f"{ulcers[0].code[:-1]}{digit}"
        if case.codes.is_billable(code):
            yield Exchange(ulcers[0].code, code, f"The record documents {name}.", least(ulcers[0], WORDING), said, telling=said)


RULES = (healed, unstageable, depth)
