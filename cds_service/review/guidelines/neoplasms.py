"""Neoplasms: history against current disease, anaemia of malignancy, unknown primary.

Guidelines I.C.2.c, I.C.2.d, I.C.2.m.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, best, least
from cds_service.review.rules import Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Sheet


@rule(
    "guideline.I.C.2.c.1",
    "Anaemia in malignancy",
    f"{GUIDELINES}, I.C.2.c.1; tabular list, D63.0",
    Phase.COMBINATION,
    needs=("D64.9",),
    yields=("D63.0",),
)
def anemia(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Anaemia that the provider links to the malignancy is D63.0 after it."""
    cancer = best(line for line in sheet.under("C") if not line.code.startswith("C44"))
    linked = case.asserted("anemia_of_malignancy")
    if cancer and linked:
        yield Exchange("D64.9", "D63.0", "The anaemia is documented as due to the malignancy.", least(cancer, sheet.lines["D64.9"], WORDING), linked)


@rule(
    "guideline.I.C.2.l",
    "Unspecified malignancy beside a named one",
    f"{GUIDELINES}, I.C.2.j; tabular list, C80",
    Phase.EXCLUSION,
    needs=("C80.1", "D49", "C76"),
)
def unspecified(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """A malignancy without site is not reported beside one whose site is documented."""
    named = best(line for line in sheet.under("C") if not line.code.startswith(("C80", "C76", "C77", "C78", "C79")))
    if named:
        for line in sheet.under("C80.1", "D49.9", "C76"):
            yield Withhold(line.code, f"less specific than {named.code}", named.code, "Right if a second, unnamed malignancy is meant.")


RULES = (anemia, unspecified)
