"""Where the Alphabetic Index sends a name that sounds like more, or like less, than it says.

Alphabetic Index, Mass; Otitis, media (guideline I.B.1: the index first, then the tabular list).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES
from cds_service.review.rules import Change, Exchange, Phase, rule
from cds_service.review.sheet import Line, Sheet

_KIDNEY_MASS = re.compile(r"\b(?:renal|kidney) mass(?:es)?\b|\bmass(?:es)? (?:of|in|on) (?:the )?(?:\w+ )?kidney\b", re.I)
_FLUID = re.compile(r"effusion|serous|nonsuppurative|non-suppurative|secretory|mucoid|glue|catarrhal|\bome\b|allergic", re.I)
_SIDES = {"H65.90": "H66.90", "H65.91": "H66.91", "H65.92": "H66.92", "H65.93": "H66.93"}


@rule(
    "index.mass-kidney",
    "Mass of a kidney",
    f"{GUIDELINES}, I.B.1; Alphabetic Index, Mass, kidney",
    Phase.STATUS,
    needs=("R93.41", "R93.42", "R93.49"),
    yields=("N28.89",),
)
def kidney_mass(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """A renal mass that the provider names is a disorder of the kidney, not an abnormal image."""
    for line in sheet.under("R93.41", "R93.42", "R93.49"):
        if _named(line, _KIDNEY_MASS):
            yield Exchange(line.code, "N28.89", "A mass of the kidney is documented, and the index gives this code.")


@rule(
    "index.otitis-media",
    "Otitis media without a kind",
    f"{GUIDELINES}, I.B.1; Alphabetic Index, Otitis, media",
    Phase.STATUS,
    needs=("H65.9",),
    yields=("H66.9",),
)
def otitis_media(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """Otitis media of which no kind is documented is H66.9; H65.9 wants words of an effusion."""
    for line in sheet.under("H65.9"):
        if line.code in _SIDES and not _named(line, _FLUID):
            yield Exchange(line.code, _SIDES[line.code], "No effusion is documented: the index gives this code.")


def _named(line: Line, words: re.Pattern[str]) -> bool:
    return any(words.search(e.text) for e in line.evidence)


RULES = (kidney_mass, otitis_media)
