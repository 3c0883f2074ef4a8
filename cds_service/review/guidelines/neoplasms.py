"""Neoplasms: history against current disease, anaemia of malignancy, unknown primary.

Guidelines I.C.2.c, I.C.2.d, I.C.2.m.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, all_past, best, least, together
from cds_service.review.rules import Add, Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_PAST = 0.6  # confidence in the history of a malignancy that is mentioned as past
_HISTORY = (
    ("C50", "Z85.3"), ("C61", "Z85.46"), ("C18", "Z85.038"), ("C20", "Z85.048"), ("C34", "Z85.118"), ("C67", "Z85.51"), ("C64", "Z85.528"),
    ("C73", "Z85.850"), ("C43", "Z85.820"), ("C53", "Z85.41"), ("C54", "Z85.42"), ("C56", "Z85.43"), ("C16", "Z85.028"), ("C62", "Z85.47"),
    ("C15", "Z85.01"), ("C22", "Z85.05"), ("C25", "Z85.07"), ("C32", "Z85.21"), ("C71", "Z85.841"), ("C81", "Z85.71"), ("C82", "Z85.72"),
    ("C83", "Z85.72"), ("C84", "Z85.72"), ("C85", "Z85.72"), ("C44", "Z85.828"),
)  # fmt: skip


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


@rule(
    "guideline.I.C.2.m",
    "A malignancy of the past",
    f"{GUIDELINES}, I.C.2.d and I.C.2.m; tabular list, Z85",
    Phase.STATUS,
    yields=("Z85",),
)
def past(sheet: Sheet, case: Case) -> Iterable[Change]:
    """A malignancy that is told as history, with no treatment directed at it, is Z85 by its site."""
    for line in sheet.under("C"):
        code = _history_of(line.code)
        if code and all_past(line.evidence, case) and not together(case, "cancer_treatment", line.evidence):
            yield Exchange(line.code, code, "The malignancy is documented as past.", alternative="Right if it is still there, or still treated.")
    for left in sheet.left_out:
        code = _history_of(left.code)
        if code and left.reason == "historical" and not sheet.has(left.code[:3], code):
            yield Add(code, _PAST, left.evidence, "The malignancy is documented as past.")


def _history_of(code: str) -> str | None:
    return next((history for prefix, history in _HISTORY if code.startswith(prefix)), None)


@rule(
    "guideline.I.C.2.k",
    "Unknown primary malignancy",
    f"{GUIDELINES}, I.C.2.k; Alphabetic Index, Neoplasm, unknown site or unspecified, primary",
    Phase.COMPANION,
    needs=("C77", "C78", "C79"),
    yields=("C80.1",),
)
def unknown_primary(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Metastases whose primary is documented as unknown are accompanied by C80.1."""
    said = case.said("unknown_primary")
    secondary = best(sheet.under("C77", "C78", "C79"))
    primary = [line for line in sheet.under("C") if not line.code.startswith(("C77", "C78", "C79"))]
    if said and secondary and not primary and not sheet.has("Z85"):
        yield Add("C80.1", least(secondary, WORDING), said, "The primary site is documented as unknown.")


@rule(
    "guideline.I.C.2.c.2",
    "Anaemia of chemotherapy",
    f"{GUIDELINES}, I.C.2.c.2; tabular list, D64.81",
    Phase.COMBINATION,
    needs=("D64.9",),
    yields=("D64.81",),
)
def chemotherapy_anemia(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Anaemia that the provider links to chemotherapy is D64.81."""
    linked = case.asserted("anemia_of_chemotherapy")
    if linked:
        yield Exchange("D64.9", "D64.81", "The anaemia is documented as due to chemotherapy.", least(sheet.lines["D64.9"], WORDING), linked)


RULES = (past, anemia, chemotherapy_anemia, unknown_primary, unspecified)
