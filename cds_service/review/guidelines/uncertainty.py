"""Uncertain diagnoses: coded for inpatients as if established, but never for the diseases that need confirmation.

Guidelines II.H, III.C, IV.H; I.C.1.a.1 (HIV), I.C.1.f (Zika), I.C.1.g.1 (COVID-19), I.C.10.c (influenza due to certain viruses).
The general case is decided where statements are weighed (`Case.counts`).
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, beside
from cds_service.review.model import Evidence
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


@rule(
    "guideline.II.H.terms",
    "What was only considered is no diagnosis",
    f"{GUIDELINES}, II.H, III.C and IV.H: probable, suspected, likely, questionable, possible, still to be ruled out, compatible with, consistent with",
    Phase.STATUS,
)
def considered(sheet: Sheet, case: Case) -> Iterable[Change]:
    """"Sepsis was considered" tells of a thought, and is not coded for inpatients either."""
    for line in sheet:
        written = [e for e in line.evidence if e.begin is not None]
        if written and all(_considered(e, case) for e in written):
            yield Withhold(line.code, "considered only")


def _considered(found: Evidence, case: Case) -> bool:
    """Tell whether words stand in "X was considered" or "we considered X"."""
    return bool(beside(case.said("considered"), (found,), before=0, after=2) or beside(case.said("considering"), (found,), before=2, after=0))


@rule(
    "guideline.II.H.discharge",
    "Uncertain at the time of discharge",
    f"{GUIDELINES}, II.H and III.C; Coding Clinic 3Q 2005, page 22: the final statement counts",
    Phase.STATUS,
)
def at_discharge(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Where the discharge is documented, a diagnosis that earlier notes only suspect and the last ones don't repeat is not coded."""
    discharge = [n for n in case.notes if "discharge" in n.title.lower() and not n.is_report]
    if not case.inpatient or not discharge or discharge[-1].date is None:
        return
    last = {n.source for n in case.notes if n.date and n.date.date() >= discharge[-1].date.date()}
    for line in sheet:
        if all(e.assertion is not None and e.assertion.certainty is Certainty.POSSIBLE and e.source not in last for e in line.evidence):
            yield Withhold(line.code, "uncertain (not at discharge)")


RULES = (confirmed_only, considered, resolved, at_discharge)
