"""Infections: HIV, sepsis, COVID-19.

Guidelines I.C.1.a, I.C.1.d, I.C.1.g.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, all_past, beside, best, least, spoken, together
from cds_service.review.rules import Add, Change, Exchange, Offer, Phase, Precede, Withhold, rule
from cds_service.review.sheet import Line, Sheet

_SEPSIS = ("A40", "A41", "A02.1", "A22.7", "A26.7", "A32.7", "A42.7", "A54.86", "B37.7", "O85", "P36", "T81.44", "O86.04")
_NAMED_SEPSIS = ("A40", "A41", "R65.2")
_DEFINING = ("A07.2", "A07.3", "A31.2", "A81.2", "B25", "B37.1", "B37.81", "B39.3", "B45", "B58.2", "B59", "C46")  # illnesses that define AIDS
_PAST = 0.6  # confidence in an infection that is mentioned as past
_TOGETHER = 60  # characters within which an organism belongs to a sepsis
_ORGANISM = (  # organism code (B95-B96) or wording -> sepsis due to it
    ("B95.0", "A40.0"),
    ("B95.1", "A40.1"),
    ("B95.3", "A40.3"),
    ("B95.61", "A41.01"),
    ("B95.62", "A41.02"),
    ("B96.20", "A41.51"),
    ("B96.5", "A41.52"),
)


@rule(
    "guideline.I.C.1.d.organism",
    "Sepsis with its organism",
    f"{GUIDELINES}, I.C.1.d.1.a and 4; tabular list, A41",
    Phase.COMBINATION,
    needs=("A41.9",),
    yields=("A40", "A41"),
)
def sepsis_organism(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """Sepsis whose organism the provider names is coded by the organism."""
    for organism, sepsis in _ORGANISM:
        line = sheet.lines.get(organism)
        if line and beside(line.evidence, sheet.lines["A41.9"].evidence, before=_TOGETHER, after=_TOGETHER):
            yield Exchange("A41.9", sepsis, "The organism of the sepsis is documented.", least(line, sheet.lines["A41.9"]), line.evidence)
            yield Withhold(organism, f"contained in {sepsis}")
            return


@rule(
    "guideline.I.C.1.d.1",
    "Sepsis is coded where the provider names it",
    f"{GUIDELINES}, I.C.1.d.1.a: positive cultures and urosepsis are no sepsis",
    Phase.STATUS,
    needs=_NAMED_SEPSIS,
)
def sepsis_named(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An organism, a positive culture, bacteremia or urosepsis alone is not coded as sepsis."""
    for line in sheet.under(*_NAMED_SEPSIS):
        if not beside(case.said("sepsis"), line.evidence, before=0, after=0):
            yield Withhold(line.code, "sepsis is not documented")


@rule(
    "guideline.I.C.1.d.2",
    "Septic shock is severe sepsis",
    f"{GUIDELINES}, I.C.1.d.2.a",
    Phase.COMPANION,
    needs=("R65.2", "R57"),
    yields=("A41.9", "R65.21"),
)
def septic_shock(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """R65.2- follows the code of the systemic infection, A41.9 where it is not specified; shock of a septic patient is R65.21."""
    severe = best(sheet.under("R65.2"))
    if severe and not sheet.has(*_SEPSIS):
        yield Add("A41.9", severe.confidence, severe.evidence, "Severe sepsis is coded after the infection; the organism is not documented.")
    if severe and severe.code == "R65.21":
        for line in sheet.under("R65.20", "R57.9", "R57.1"):
            yield Withhold(line.code, "contained in R65.21")


@rule(
    "guideline.I.C.1.a.2",
    "HIV disease once is HIV disease for good",
    f"{GUIDELINES}, I.C.1.a.2.d to f",
    Phase.EXCLUSION,
    needs=("B20",),
)
def hiv(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """Asymptomatic HIV status or inconclusive tests are never coded beside HIV disease."""
    for line in sheet.under("Z21", "R75", "Z11.4", "Z71.7"):
        yield Withhold(line.code, "contained in B20")


@rule(
    "guideline.I.C.1.g.1.c",
    "Pneumonia due to COVID-19",
    f"{GUIDELINES}, I.C.1.g.1.c",
    Phase.COMBINATION,
    needs=("U07.1",),
    yields=("J12.82", "U07.1"),
    valid_from=date(2021, 1, 1),
)
def covid_pneumonia(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Pneumonia that the documentation ties to COVID-19 is J12.82 after U07.1."""
    linked = case.asserted("covid_pneumonia")
    for line in sheet.under("J18.9", "J12.9", "J12.89"):
        if linked:
            yield Exchange(line.code, "J12.82", "The pneumonia is documented as due to COVID-19.", least(line, WORDING), linked)


@rule(
    "guideline.I.C.1.g.1.a",
    "COVID-19 in place of its signs and of the virus",
    f"{GUIDELINES}, I.C.1.g.1.a; tabular list, U07.1",
    Phase.EXCLUSION,
    needs=("U07.1",),
)
def covid_contained(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """Exposure, screening and unspecified viral infection are not coded beside confirmed COVID-19."""
    for line in sheet.under("Z20.822", "Z11.52", "B34.2", "B34.9", "B97.29", "Z03.818"):
        yield Withhold(line.code, "contained in U07.1")


@rule(
    "guideline.I.C.1.a.2.d",
    "HIV with a condition that it causes is HIV disease",
    f"{GUIDELINES}, I.C.1.a.2.d: Z21 is not used where a condition is described as resulting from HIV",
    Phase.COMBINATION,
    needs=("Z21",),
    yields=("B20",),
)
def hiv_disease(sheet: Sheet, case: Case) -> Iterable[Change]:
    """A positive status beside a condition that the provider calls HIV-related is B20; an illness that defines AIDS without such a word offers it."""
    status = sheet.lines["Z21"]
    caused = [line for line in sheet if line.code[0] not in "VWXYZ" and _by_hiv(line, case)]
    if caused:
        yield Exchange("Z21", "B20", f"{caused[0].code} is documented as resulting from HIV.", least(status, *caused[:1]), caused[0].evidence)
    elif defining := best(sheet.under(*_DEFINING)):
        yield Offer("Z21", "B20", least(status, defining), f"Right if {defining.code}, an illness that defines AIDS, is documented as resulting from HIV.")


@rule(
    "guideline.I.C.1.a.2.a",
    "HIV disease before the condition that it causes",
    f"{GUIDELINES}, I.C.1.a.2.a and b; CDC, stage 3-defining opportunistic illnesses, MMWR 2014;63(RR-03)",
    Phase.EXCLUSION,
    needs=("B20",),
)
def hiv_first(sheet: Sheet, case: Case) -> Iterable[Change]:
    """B20 precedes its manifestations; a condition that has nothing to do with HIV keeps its place, also before B20."""
    for line in sheet:
        if line.code[0] not in "VWXYZ" and line.code != "B20" and (line.code.startswith(_DEFINING) or _by_hiv(line, case)):
            yield Precede("B20", line.code, f"{line.code} is a condition of HIV disease, which is coded first.")


def _by_hiv(line: Line, case: Case) -> bool:
    return line.code != "Z21" and bool(beside(case.said("hiv_related"), line.evidence, before=2, after=2))


@rule(
    "guideline.I.C.1.g.1.i",
    "History of COVID-19",
    f"{GUIDELINES}, I.C.1.g.1.i; tabular list, Z86.16",
    Phase.STATUS,
    yields=("Z86.16",),
    valid_from=date(2021, 1, 1),
)
def covid_past(sheet: Sheet, case: Case) -> Iterable[Change]:
    """COVID-19 that is told as past is Z86.16, unless something of it is said to remain."""
    if case.said("post_covid"):
        return
    for line in sheet.under("U07.1"):
        if all_past(line.evidence, case):
            yield Exchange(line.code, "Z86.16", "COVID-19 is documented as past.", alternative="Right if the infection is still there.")
    past = tuple(e for left in sheet.left_out if left.code == "U07.1" and left.reason == "historical" for e in left.evidence)
    if past and not sheet.has("U07.1", "Z86.16", "U09.9"):
        yield Add("Z86.16", _PAST, past, "COVID-19 is documented as past.")


@rule(
    "guideline.I.C.1.g.1.m",
    "Post COVID-19 condition",
    f"{GUIDELINES}, I.C.1.g.1.m; tabular list, U09.9 (code first the specific condition), Z86.16 (Excludes1)",
    Phase.COMBINATION,
    yields=("U09.9",),
    valid_from=date(2021, 10, 1),
)
def covid_remains(sheet: Sheet, case: Case) -> Iterable[Change]:
    """What is documented as remaining from COVID-19 comes first, then U09.9; U07.1 only where the infection itself is named too."""
    said = spoken(case, "post_covid")
    if not said:
        return
    if not sheet.has("U09.9"):
        yield Add("U09.9", WORDING, said, "A condition is documented as following COVID-19.")
    for line in sheet.under("U07.1"):
        if all(beside(said, (e,), before=0, after=0) for e in line.evidence):
            yield Withhold(line.code, "contained in U09.9")
    for line in sheet.under("Z86.16"):
        yield Withhold(line.code, "excluded by U09.9 (Excludes1)")
    for line in sheet:
        if line.code[0] not in "UVWXYZ" and together(case, "post_covid", line.evidence):
            yield Precede(line.code, "U09.9", "The specific condition comes before U09.9.")


@rule(
    "guideline.I.C.1.g.1.b",
    "COVID-19 before its manifestations",
    f"{GUIDELINES}, I.C.1.g.1.b, c and d",
    Phase.EXCLUSION,
    needs=("U07.1",),
    valid_from=date(2020, 4, 1),
)
def covid_first(sheet: Sheet, case: Case) -> Iterable[Change]:
    """What is documented as due to COVID-19 follows U07.1; sepsis, pregnancy and transplant complications have rules of their own."""
    for line in sheet:
        if line.code[0] not in "OUVWXYZ" and not line.code.startswith((*_SEPSIS, "T86")) and beside(
            case.said("covid_related"), line.evidence, before=2, after=2
        ):
            yield Precede("U07.1", line.code, f"{line.code} is documented as due to COVID-19, which is coded first.")


RULES = (sepsis_named, covid_past, sepsis_organism, covid_pneumonia, hiv_disease, covid_remains, septic_shock, hiv, hiv_first, covid_first, covid_contained)
