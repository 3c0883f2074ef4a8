"""Uncertain diagnoses: coded for inpatients as if established, but never for the diseases that need confirmation.

Guidelines II.H, III.C, IV.H; I.C.1.a.1 (HIV), I.C.1.f (Zika), I.C.1.g.1 (COVID-19), I.C.10.c (influenza due to certain viruses).
The general case is decided where statements are weighed (`Case.counts`).
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES
from cds_service.review.rules import Change, Phase, Withhold, rule
from cds_service.review.sheet import Sheet
from onnx_models.reading import Certainty

_CONFIRMED_ONLY = ("A92.5", "B20", "Z21", "J09", "U07.1", "J12.82")


@rule(
    "guideline.II.H.confirmed",
    "Diseases coded only when confirmed",
    f"{GUIDELINES}, I.C.1.a.1, I.C.1.f, I.C.1.g.1, I.C.10.c",
    Phase.STATUS,
    needs=_CONFIRMED_ONLY,
)
def confirmed_only(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """HIV, Zika, COVID-19 and novel influenza are not coded from "suspected" or "probable", for inpatients neither."""
    for line in sheet.under(*_CONFIRMED_ONLY):
        if all(e.assertion is None or e.assertion.certainty is not Certainty.CERTAIN for e in line.evidence):
            yield Withhold(line.code, "uncertain (needs confirmation)")


@rule(
    "guideline.II.H.later",
    "A doubt that a later note resolves",
    f"{GUIDELINES}, II.H: uncertain at the time of discharge",
    Phase.STATUS,
)
def resolved(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An uncertain diagnosis counts for an inpatient only if it is still in doubt at the end."""
    if not case.inpatient:
        return
    last: dict[str, tuple[int, bool]] = {}
    for statement in case.statements:
        for candidate in statement.mention.candidates[:1]:
            negated = not case.counts(statement.mention.assertion)
            last[candidate.code] = (statement.order, negated)
    for line in sheet:
        doubtful = all(e.assertion is not None and e.assertion.certainty is Certainty.POSSIBLE for e in line.evidence)
        order, negated = last.get(line.code, (0, False))
        if doubtful and negated and order > 0:
            yield Withhold(line.code, "ruled out")


RULES = (confirmed_only, resolved)
