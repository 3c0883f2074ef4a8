"""Mental disorders: hierarchy of substance use, dementia with its cause, depression.

Guidelines I.C.5.b.2, I.C.5.d, I.A.13; Alphabetic Index, "Alzheimer's".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, best, least, together
from cds_service.review.model import Evidence
from cds_service.review.rules import Add, Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_SUBSTANCES = ("F10", "F11", "F12", "F13", "F14", "F15", "F16", "F18", "F19")
_LEVELS = (20, 40, 60, 80, 100, 120, 200, 240)  # mg/100 ml from which Y90.1 to Y90.8 hold
_DEMENTING = ("G30", "G31.0", "G31.83", "G20", "G10", "G35", "B20", "A81.0")


@rule(
    "guideline.I.C.5.b.2",
    "Use, abuse and dependence: only the highest",
    f"{GUIDELINES}, I.C.5.b.2",
    Phase.EXCLUSION,
    needs=_SUBSTANCES,
)
def hierarchy(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """Of use, abuse and dependence of one substance only dependence, else abuse, is reported."""
    for substance in _SUBSTANCES:
        ranks = [sheet.under(f"{substance}.{digit}") for digit in "219"]
        highest = next((lines for lines in ranks if lines), ())
        for line in (line for lines in ranks if lines is not highest for line in lines):
            yield Withhold(line.code, f"contained in {highest[0].code}")


@rule(
    "guideline.I.C.5.b.3",
    "Use of a substance only with what it causes",
    f"{GUIDELINES}, I.C.5.b.3",
    Phase.EXCLUSION,
    needs=tuple(f"{s}.90" for s in _SUBSTANCES),
)
def bare_use(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Use without abuse or dependence is coded only where the provider ties it to a disorder or a medical condition."""
    for line in sheet.under(*(f"{s}.90" for s in _SUBSTANCES)):
        if not together(case, "substance_related", line.evidence):
            yield Withhold(line.code, "excluded by I.C.5.b.3 (no condition is tied to the use)")


@rule(
    "index.alzheimer",
    "Dementia with its cause",
    "Alphabetic Index, Disease, Alzheimer's G30.9 [F02.80]; tabular list, F02, code first; guideline I.A.13",
    Phase.COMBINATION,
    needs=_DEMENTING,
    yields=("F02",),
)
def dementia(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Dementia in a disease that causes it is F02 after the disease; Alzheimer's disease always brings it."""
    cause = best(sheet.under(*_DEMENTING))
    if cause is None:
        return
    for line in sheet.under("F03"):
        combined = line.code.replace("F03.9", "F02.8").replace("F03", "F02")  # severity unspecified is .9 there and .8 here
        if case.codes.is_billable(combined):
            yield Exchange(line.code, combined, "The disease that causes the dementia is documented.", least(line, cause), cause.evidence)
    alzheimer = best(sheet.under("G30"))
    if alzheimer and not sheet.has("F02", "F03"):
        yield Add("F02.80", alzheimer.confidence, alzheimer.evidence, "Alzheimer's disease is coded with the dementia that it brings.")


@rule(
    "index.depression",
    "Depression without further words",
    "Alphabetic Index, Depression (acute) (mental) F32.A; tabular list, F32.9 Major depression NOS",
    Phase.STATUS,
    needs=("F32.9",),
    yields=("F32.A",),
    valid_from=date(2021, 10, 1),
)
def depression(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """"Depression" alone is F32.A; F32.9 is for major depression without further detail."""
    words = " ".join(e.text.lower() for e in sheet.lines["F32.9"].evidence)
    if "major" not in words and "mdd" not in words:
        yield Exchange("F32.9", "F32.A", "The documentation says depression, not major depression.", alternative="Right if major depression is meant.")


@rule(
    "guideline.I.C.5.b.5",
    "Blood alcohol level",
    f"{GUIDELINES}, I.C.5.b.5 and I.B.14; tabular list, Y90: code first any associated alcohol related disorders (F10)",
    Phase.EXCLUSION,
    needs=("F10", "Y90"),
    yields=("Y90",),
)
def blood_alcohol(sheet: Sheet, case: Case) -> Iterable[Change]:
    """The level, whoever documents it, accompanies an alcohol related disorder of the provider, and never stands without one."""
    disorder = best(sheet.under("F10"))
    if disorder is None:
        for line in sheet.under("Y90"):
            yield Withhold(line.code, "excluded by I.C.5.b.5 (no alcohol related disorder of the provider)")
        return
    said = tuple(e for e in case.asserted("blood_alcohol") if e.section != "family")
    if said and not sheet.has("Y90"):
        level = max(_level(e) for e in said)
        code = f"Y90.{sum(level >= least_of for least_of in _LEVELS)}"
        yield Add(code, least(disorder, WORDING), said, f"A blood alcohol level of {level:g} mg/100 ml is documented beside {disorder.code}.")


def _level(found: Evidence) -> float:
    """Return milligrams in 100 ml: ".24 %" is 240."""
    number = re.findall(r"\d*\.\d+|\d+", found.text)[-1]
    return float(number) * 1000 if "." in number else float(number)


RULES = (depression, dementia, hierarchy, bare_use, blood_alcohol)
