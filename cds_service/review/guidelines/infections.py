"""Infections: HIV, sepsis, COVID-19.

Guidelines I.C.1.a, I.C.1.d, I.C.1.g.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, beside, best, least
from cds_service.review.rules import Add, Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_SEPSIS = ("A40", "A41", "A02.1", "A22.7", "A26.7", "A32.7", "A42.7", "A54.86", "B37.7", "O85", "P36", "T81.44", "O86.04")
_NAMED_SEPSIS = ("A40", "A41", "R65.2")
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


RULES = (sepsis_named, sepsis_organism, covid_pneumonia, septic_shock, hiv, covid_contained)
