"""Signs and symptoms: not coded where they belong to a definitive diagnosis.

Guidelines I.B.4, I.B.5, I.B.6, II.A, IV.D. Which symptoms belong to which diagnosis stands in `tables/integral.tsv`.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import LEADING, Case
from cds_service.review.guidelines.support import GUIDELINES, best
from cds_service.review.rules import Change, Phase, Withhold, rule
from cds_service.review.sheet import Line, Sheet

_SYMPTOM = ("R", "M25.5", "M54.2", "M54.5", "M54.6", "M54.9", "M79.1", "M79.6", "H57.1", "H92.0", "L29.9", "L53.9", "N64.4")
_GRAVE = ("R40.2", "R54", "R55", "R56", "R57", "R64", "R65")  # conditions of chapter 18 that are more than a complaint
_FINDING = {"exam", "vitals", "labs", "imaging", "findings"}


@rule(
    "guideline.I.B.5",
    "Symptoms integral to a diagnosis",
    f"{GUIDELINES}, I.B.5 and II.A",
    Phase.EXCLUSION,
)
def integral(sheet: Sheet, case: Case) -> Iterable[Change]:
    """A symptom that routinely belongs to a diagnosis of the same sheet is not coded."""
    for line in sheet:
        diagnosis = best(case.knowledge.integral.holders(line.code, sheet))
        if diagnosis:
            yield Withhold(line.code, f"integral to {diagnosis.code}")


@rule(
    "guideline.IV.D",
    "Symptoms that are no problem of their own",
    f"{GUIDELINES}, I.B.4, III.B and IV.D",
    Phase.EXCLUSION,
)
def incidental(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Where the provider concludes with a diagnosis, a symptom counts only if it is listed in the conclusion as a problem of its own."""
    concluded = [line for line in sheet if not line.code.startswith((*_SYMPTOM, "Z")) and _sections(line) & set(LEADING)]
    for line in sheet.under(*_SYMPTOM):
        if line.code.startswith(_GRAVE) or (line.code, "U09.9") in sheet.order:  # what remains of COVID-19 is named by its symptom
            continue
        if concluded and not any(e.section in LEADING and case.is_item(e) for e in line.evidence):
            yield Withhold(line.code, "finding" if _sections(line) <= _FINDING else "ros only")


@rule(
    "guideline.III.B",
    "Findings that nobody interprets",
    f"{GUIDELINES}, III.B and IV.K",
    Phase.STATUS,
)
def finding(sheet: Sheet, case: Case) -> Iterable[Change]:
    """What stands in the examination, in results or in a report only is not coded where a provider concludes elsewhere."""
    concludes = any(s.mention.section in LEADING and not s.note.is_report for s in case.statements)
    reports = {n.source for n in case.notes if n.is_report or n.is_transcript}
    provider_writes = len(reports) < len(case.notes)
    for line in sheet:
        reported = provider_writes and all(e.source in reports for e in line.evidence)
        if reported or (concludes and all(e.section in _FINDING or e.source in reports for e in line.evidence)):
            yield Withhold(line.code, "finding")


def _sections(line: Line) -> set[str]:
    return {e.section or "" for e in line.evidence}


RULES = (finding, integral, incidental)
