"""Syndromes: what a syndrome's own code contains is not coded beside it.

Guidelines I.B.15, I.B.5 and I.C.17. Manifestations that are no part of the syndrome stay; so do all where the syndrome has no code of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, best
from cds_service.review.rules import Change, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_PARTS = (  # syndrome with a code of its own, what it always brings
    ("E22.2", ("E87.1",)),  # inappropriate antidiuretic hormone: hyponatremia
    ("N04", ("R80", "R60", "E88.09")),  # nephrotic: proteinuria, edema, low albumin
    ("Q21.3", ("Q21.0", "Q22.1", "I51.7")),  # tetralogy of Fallot: septal defect, pulmonary stenosis, hypertrophy
    ("D59.3", ("D69.6", "D59.4")),  # hemolytic-uremic: low platelets, hemolysis
    ("K58", ("R14", "R19.4")),  # irritable bowel: bloating, change of habit
    ("M35.0", ("H04.12", "R68.2", "K11.7")),  # sicca: dry eyes, dry mouth
    ("G61.0", ("R53.1", "M62.81")),  # Guillain-Barre: weakness
    ("Q96", ("R62.52", "E34.3")),  # Turner: short stature
    ("G56.0", ("R20.2", "R20.0")),  # carpal tunnel: tingling, numbness
)


@rule(
    "guideline.I.B.15",
    "What a syndrome contains",
    f"{GUIDELINES}, I.B.15, I.B.5 and I.C.17",
    Phase.EXCLUSION,
    needs=tuple(syndrome for syndrome, _ in _PARTS),
)
def contained(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """A manifestation that belongs to every case of a syndrome is not coded beside the code of the syndrome."""
    for syndrome, parts in _PARTS:
        whole = best(sheet.under(syndrome))
        for line in sheet.under(*parts) if whole else ():
            yield Withhold(line.code, f"integral to {whole.code if whole else syndrome}")


RULES = (contained,)
