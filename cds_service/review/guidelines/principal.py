"""Principal diagnosis of an inpatient: equal candidates, contrasting diagnoses, a plan that was not carried out.

Guidelines II.C, II.D, II.F, II.I to II.K; I.C.21.c.13 (Z53).
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, spoken, together
from cds_service.review.prominence import admitted_for
from cds_service.review.rules import Add, Change, Exchange, Explain, Phase, Rule, rule
from cds_service.review.sheet import Line, Sheet


@rule(
    "guideline.II.C",
    "Two diagnoses that equally meet the definition",
    f"{GUIDELINES}, II.C",
    Phase.EXCLUSION,
)
def equal(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Where the record says that two conditions were equally the reason of the admission, either may be first."""
    both = _joined(sheet, case, "equally")
    for line in both:
        others = ", ".join(o.code for o in both if o.code != line.code)
        yield Explain(line.code, f"It and {others} equally meet the definition of the principal diagnosis: either may be first.")


@rule(
    "guideline.II.D",
    "Contrasting diagnoses",
    f"{GUIDELINES}, II.D",
    Phase.EXCLUSION,
)
def contrasting(sheet: Sheet, case: Case) -> Iterable[Change]:
    """"Either A or B", "A versus B": for an inpatient both are coded as if confirmed, in the order of the circumstances."""
    both = _joined(sheet, case, "either_or")
    for line in both:
        others = ", ".join(o.code for o in both if o.code != line.code)
        yield Explain(line.code, f"Documented as one of two contrasting diagnoses, beside {others}: both are coded as if confirmed.")


def _joined(sheet: Sheet, case: Case, cue: str) -> list[Line]:
    """Return the diagnoses of an inpatient that stand in one sentence with a wording; none where fewer than two do."""
    if not case.inpatient or not case.said(cue):
        return []
    found = [line for line in sheet if line.code[0] not in "VWXYZ" and together(case, cue, line.evidence)]
    return found if len(found) > 1 else []


@rule(
    "guideline.II.F",
    "Original plan not carried out",
    f"{GUIDELINES}, II.F; tabular list, Z53",
    Phase.COMPANION,
    yields=("Z53",),
)
def not_carried_out(sheet: Sheet, case: Case) -> Iterable[Change]:
    """The condition that led to the admission stays first though its treatment wasn't given; Z53 says that, and why."""
    if sheet.has("Z53"):
        return
    said = spoken(case, "plan_not_carried_out")
    if said and any(line.code[0] not in "VWXYZ" for line in sheet):
        code, why = "Z53.9", "reason not documented"
        if together(case, "patient_declined", said):
            code, why = "Z53.20", "by decision of the patient"
        elif together(case, "contraindicated", said):
            code, why = "Z53.09", "because of a contraindication"
        yield Add(code, WORDING, said, f"A planned procedure was not carried out, {why}.")


def _admitted_because(id: str, title: str, section: str, cue: str, text: str) -> Rule:
    """Return the rule for one way of becoming an inpatient; the order itself is that of `prominence.py`."""

    def named(sheet: Sheet, case: Case) -> Iterable[Change]:
        if case.inpatient and case.said(cue):
            for line in sheet:
                if line.code[0] not in "VWXY" and admitted_for(case, line.evidence, (cue,)):
                    yield Explain(line.code, text)

    return rule(id, title, f"{GUIDELINES}, {section}", Phase.EXCLUSION)(named)


from_observation = _admitted_because(
    "guideline.II.I", "Admission following observation", "II.I.1 and II.I.2", "from_observation",
    "It led to the admission after observation: the principal diagnosis.",
)  # fmt: skip
after_surgery = _admitted_because(
    "guideline.II.J", "Admission from outpatient surgery", "II.J", "after_surgery",
    "It is the reason of the admission after outpatient surgery: the principal diagnosis.",
)  # fmt: skip
for_rehabilitation = _admitted_because(
    "guideline.II.K", "Admission for rehabilitation", "II.K", "for_rehabilitation",
    "It is the condition for which rehabilitation is performed: the principal diagnosis.",
)  # fmt: skip


@rule(
    "guideline.II.K.injury",
    "Rehabilitation of an injury",
    f"{GUIDELINES}, II.K and I.C.19.a: subsequent care",
    Phase.STATUS,
    needs=("S",),
    yields=("S",),
)
def injury_in_rehabilitation(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An injury whose rehabilitation is the reason of the admission is coded for subsequent care, not for active treatment."""
    if case.said("for_rehabilitation"):
        for line in sheet.under("S"):
            code = f"{line.code[:-1]}D"
            if line.code[-1] == "A" and case.codes.is_billable(code) and admitted_for(case, line.evidence, ("for_rehabilitation",)):
                yield Exchange(line.code, code, "The admission is for its rehabilitation: subsequent care.")


RULES = (equal, contrasting, not_carried_out, from_observation, after_surgery, for_rehabilitation, injury_in_rehabilitation)
