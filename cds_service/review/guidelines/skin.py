"""Pressure ulcers: healed ones, and the stage in other words.

Guideline I.C.12.a; I.B.14 (the stage may be documented by any clinician).
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, least, together
from cds_service.review.rules import Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_STAGES = (("unstageable_ulcer", "0", "unstageable"), ("deep_tissue_damage", "6", "deep tissue damage"))
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


RULES = (healed, unstageable)
