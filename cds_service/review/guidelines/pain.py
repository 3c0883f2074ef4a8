"""Pain: not coded beside the known disease that hurts, unless the pain itself is treated.

Guideline I.C.6.b.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, best
from cds_service.review.rules import Change, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_PAIN = ("G89.11", "G89.18", "G89.29", "G89.21", "G89.28")
_DISEASE = ("M15", "M16", "M17", "M18", "M19", "M47", "M48.0", "M50", "M51", "M05", "M06", "M80", "M84", "S", "C", "K80", "K85", "K86.1", "N20")


@rule(
    "guideline.I.C.6.b.1",
    "Pain of a known cause",
    f"{GUIDELINES}, I.C.6.b.1.a: G89 only where the encounter is for control of the pain",
    Phase.EXCLUSION,
    needs=_PAIN,
)
def known_cause(sheet: Sheet, case: Case) -> Iterable[Change]:
    """A code of category G89 is not reported with the definitive diagnosis of the cause, unless the reason of the encounter is pain control."""
    cause = best(sheet.under(*_DISEASE))
    if cause and not case.asserted("pain_management"):
        for line in sheet.under(*_PAIN):
            yield Withhold(line.code, f"integral to {cause.code}", cause.code, "Right if the encounter is for control of the pain.")


RULES = (known_cause,)
