"""Encounters for a purpose: antineoplastic treatment.

Guidelines I.C.2.e.2, I.C.2.e.3.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, spoken
from cds_service.review.rules import Add, Change, Phase, rule
from cds_service.review.sheet import Sheet

_TREATMENTS = (("admitted_for_chemotherapy", "Z51.11", "chemotherapy"), ("admitted_for_immunotherapy", "Z51.12", "immunotherapy"),
               ("admitted_for_radiation", "Z51.0", "radiation"))  # fmt: skip


@rule(
    "guideline.I.C.2.e.2",
    "Encounter for chemotherapy, immunotherapy or radiation",
    f"{GUIDELINES}, I.C.2.e.2 and I.C.2.e.3",
    Phase.COMPANION,
    yields=("Z51.0", "Z51.1"),
)
def antineoplastic(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An encounter solely for chemotherapy, immunotherapy or radiation is Z51 first, then the malignancy; complications follow."""
    for cue, code, name in _TREATMENTS:
        said = spoken(case, cue)
        if said and not sheet.has(code):
            yield Add(code, WORDING, said, f"The encounter is for {name}.")


RULES = (antineoplastic,)
