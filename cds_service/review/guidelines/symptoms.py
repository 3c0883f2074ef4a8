"""Signs and symptoms: not coded where they belong to a definitive diagnosis.

Guidelines I.B.4, I.B.5, I.B.6, II.A, IV.D. Which symptoms belong to which diagnosis stands in `tables/integral.tsv`.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, best
from cds_service.review.rules import Change, Phase, Withhold, rule
from cds_service.review.sheet import Sheet


@rule(
    "guideline.I.B.5",
    "Symptoms integral to a diagnosis",
    f"{GUIDELINES}, I.B.5 and II.A",
    Phase.EXCLUSION,
)
def integral(sheet: Sheet, case: Case) -> Iterable[Change]:
    """A symptom that routinely belongs to a diagnosis of the same sheet is not coded."""
    for line in sheet:
        diagnosis = best(other for other in sheet if other.code != line.code and case.knowledge.integral.belongs(line.code, other.code))
        if diagnosis:
            yield Withhold(line.code, f"integral to {diagnosis.code}")


RULES = (integral,)
