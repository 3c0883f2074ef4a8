"""What is measured beside an injury: the body surface that is burned, and the coma scale.

Guidelines I.C.19.d.6 (extent of burns and corrosions), I.C.18.e and I.B.14 (coma scale, whoever of the clinicians documents it).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, beside, best, least, spoken, together
from cds_service.review.model import Evidence
from cds_service.review.rules import Add, Change, Phase, rule
from cds_service.review.sheet import Sheet

_SITES = ("T20", "T21", "T22", "T23", "T24", "T25")
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"\d{1,3}(?:\.\d+)?")
_SEVERE, _MODERATE = 8, 12  # highest total score of the coma scale for R40.243, R40.242
_TIMES = (("coma_in_field", "1"), ("coma_at_arrival", "2"), ("coma_at_admission", "3"))
_LEAST_SCORE, _MOST_SCORE = 3, 15


@rule(
    "guideline.I.C.19.d.6",
    "Extent of body surface burned",
    f"{GUIDELINES}, I.C.19.d.6; tabular list, T31 and T32",
    Phase.COMPANION,
    needs=_SITES,
    yields=("T31", "T32"),
)
def burned_surface(sheet: Sheet, case: Case) -> Iterable[Change]:
    """T31 for burns, T32 for corrosions, by the percentage of the body and, of it, of third degree; never computed from sites."""
    said = spoken(case, "burned_surface")
    site = best(sheet.under(*_SITES))
    if not said or site is None or sheet.has("T31", "T32"):
        return
    whole = max(_percent(e) for e in said)
    deep = max((_percent(e) for e in spoken(case, "third_degree_surface")), default=0.0)
    if 0 < whole <= 100 and deep <= whole:
        head = "T32" if "corrosion" in case.codes.title(site.code).lower() else "T31"
        tens = min(int(whole // 10), 9)
        code = f"{head}.{tens}" if tens == 0 else f"{head}.{tens}{min(int(deep // 10), tens)}"
        if case.codes.is_billable(code):
            yield Add(code, least(site, WORDING), said, f"{whole:g} % of the body surface is documented, {deep:g} % of third degree.")


def _percent(found: Evidence) -> float:
    number = _NUMBER.search(found.text)
    return float(number[0]) if number else 0.0


@rule(
    "guideline.I.C.18.e",
    "Coma scale",
    f"{GUIDELINES}, I.C.18.e and I.B.14; tabular list, R40.21 to R40.24",
    Phase.COMPANION,
    needs=("S06", "S02"),
    yields=("R40.21", "R40.22", "R40.23", "R40.24"),
)
def coma_scale(sheet: Sheet, case: Case) -> Iterable[Change]:
    """The first score beside a head injury, with its time as 7th character; not of a sedated patient. Any clinician may document it.

    Eyes, verbal and motor response are a code each, one of each; the total score where only that is documented.
    """
    injury = best(sheet.under("S06", "S02"))
    if injury is None or sheet.has("R40.2"):
        return
    parts = next((found for found in case.said("coma_parts") if not together(case, "sedated", (found,))), None)
    if parts:
        scores = dict(zip(("eyes open", "best verbal response", "best motor response"), _DIGIT.findall(parts.text), strict=True))
        for (part, score), head in zip(scores.items(), ("R40.21", "R40.22", "R40.23"), strict=True):
            code = f"{head}{score}{_time(parts, case)}"
            if case.codes.is_billable(code):
                yield Add(code, least(injury, WORDING), (parts,), f"A coma scale with {part} {score} is documented beside a head injury.")
        return
    for found in case.said("coma_scale"):
        score = int(_percent(found))
        if not _LEAST_SCORE <= score <= _MOST_SCORE or together(case, "sedated", (found,)):
            continue
        band = "3" if score <= _SEVERE else "2" if score <= _MODERATE else "1"
        code = f"R40.24{band}{_time(found, case)}"
        if case.codes.is_billable(code):
            yield Add(code, least(injury, WORDING), (found,), f"A coma scale of {score} is documented beside a head injury.")
        return


def _time(found: Evidence, case: Case) -> str:
    """Return the 7th character: when the scale was recorded."""
    return next((t for cue, t in _TIMES if beside(case.said(cue), (found,), before=40, after=40) and together(case, cue, (found,))), "0")


RULES = (burned_surface, coma_scale)
