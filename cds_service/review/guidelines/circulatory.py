"""Circulatory system: hypertension with heart and kidney disease, coronary disease with angina.

Guidelines I.C.9.a and I.C.9.b.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, beside, best, evidence, least, spoken
from cds_service.review.rules import Add, Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Line, Sheet

_HEART = ("I51.4", "I51.5", "I51.7", "I51.81", "I51.89", "I51.9")  # I51.4-I51.7, I51.89, I51.9
_ESSENTIAL = ("I10", "I11", "I12", "I13")
_HEART_WORDS = ("disease", "megaly", "hypertrophy", "myocarditis", "degeneration", "dysfunction", "enlarge")
_ANGINA = (("I20.0", "I25.110"), ("I20.1", "I25.111"), ("I20.2", "I25.112"), ("I20.89", "I25.118"), ("I20.9", "I25.119"))
_COMPANIONS = (  # combination, what accompanies it, the code where no kind is documented
    (("I11.0", "I13.0", "I13.2"), ("I50", "I09.81"), "I50.9"),
    (("I12", "I13", "E08.22", "E09.22", "E10.22", "E11.22", "E13.22"), ("N18",), "N18.9"),
)
_LATE_KIDNEY = ("N18.5", "N18.6")
_LATE = ("I12.0", "I13.11", "I13.2")  # with kidney disease of stage 5 or end stage: which of the two, the words must say


@rule(
    "index.hypertension-heart-failure",
    "Hypertension and heart failure named in one statement",
    "Alphabetic Index, Hypertension; Failure, heart; ICD-10-CM Official Guidelines FY2026, I.C.9.a.1",
    Phase.STATUS,
    yields=("I10", "I50.9"),
)
def named_together(sheet: Sheet, case: Case) -> Iterable[Change]:
    """"HTN with CHF": both stand under their plain names, whichever of them the engine was unsure of. The combination follows."""
    said = spoken(case, "hypertension_with_heart_failure")
    if said and not sheet.has(*_ESSENTIAL):
        yield Add("I10", WORDING, said, "Hypertension is named together with heart failure.")
    if said and not sheet.has("I50", "I11.0", "I13.0", "I13.2"):
        yield Add("I50.9", WORDING, said, "Heart failure is named together with hypertension.")


@rule(
    "guideline.I.C.9.a",
    "Hypertension with heart failure or chronic kidney disease",
    f"{GUIDELINES}, I.C.9.a.1 to I.C.9.a.3",
    Phase.COMBINATION,
    needs=_ESSENTIAL,
    yields=("I11", "I12", "I13"),
)
def hypertension_with(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Hypertension with heart failure or with chronic kidney disease is presumed to be linked, even without a word that links them."""
    standing = sheet.under(*_ESSENTIAL)
    linked = [line for line in sheet.under("N18", "I50", *_HEART) if not beside(case.said("not_hypertensive"), line.evidence, before=5, after=45)]
    kidney = best(line for line in linked if line.code.startswith("N18"))
    failure = best(line for line in linked if line.code.startswith("I50"))
    heart = failure or best(line for line in linked if line.code.startswith(_HEART) and _names_heart_disease(line))
    code = _combined(
        failure=bool(failure or sheet.has("I11.0", "I13.0", "I13.2")),
        heart=bool(heart or sheet.has("I11", "I13")),
        kidney=kidney.code if kidney else "N18.5" if sheet.has(*_LATE) else "N18.9" if sheet.has("I12", "I13") else None,
    )
    parts = [line for line in (best(standing), kidney, heart) if line]
    text = "Hypertension with heart disease or chronic kidney disease: the classification presumes the link and gives one code."
    for line in standing:
        if line.code != code:
            yield Exchange(line.code, code, text, least(*parts), evidence(*standing, *parts))


def _names_heart_disease(line: Line) -> bool:
    """Tell whether the words are a disease, not the organ alone ("heart", "cardiac rehab")."""
    return any(word in e.text.lower() for e in line.evidence for word in _HEART_WORDS)


def _combined(*, failure: bool, heart: bool, kidney: str | None) -> str:
    late = kidney is not None and kidney.startswith(_LATE_KIDNEY)
    if kidney and failure:
        return "I13.2" if late else "I13.0"
    if kidney and heart:
        return "I13.11" if late else "I13.10"
    if kidney:
        return "I12.0" if late else "I12.9"
    return "I11.0" if failure else "I11.9" if heart else "I10"


@rule(
    "convention.use-additional.heart-kidney",
    "The kind of heart failure and the stage of kidney disease accompany their combination",
    "ICD-10-CM tabular list, use additional code at I11.0, I12, I13, E11.22",
    Phase.COMPANION,
    needs=("I11.0", "I12", "I13", "E08.22", "E09.22", "E10.22", "E11.22", "E13.22"),
    yields=("I50.9", "N18.9"),
)
def accompanied(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """A combination code with heart failure or kidney disease is followed by the code that says which."""
    for prefixes, family, unspecified in _COMPANIONS:
        combination = best(sheet.under(*prefixes))
        if combination and not sheet.has(*family) and not (unspecified == "N18.9" and combination.code in _LATE):
            yield Add(unspecified, combination.confidence, combination.evidence, f"{combination.code} asks for an additional code; the kind is not documented.")


@rule(
    "guideline.I.C.9.b",
    "Coronary disease with angina",
    f"{GUIDELINES}, I.C.9.b",
    Phase.COMBINATION,
    needs=("I25.10",),
    yields=("I25.11",),
)
def angina(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Atherosclerosis of a native coronary artery with angina is one code; the link is presumed."""
    for code, combined in _ANGINA:
        if code in sheet and "I25.10" in sheet and case.codes.is_billable(combined):
            disease, pain = sheet.lines["I25.10"], sheet.lines[code]
            yield Exchange("I25.10", combined, "Angina of a patient with coronary atherosclerosis: one code.", least(disease, pain), pain.evidence)
            yield Withhold(code, f"contained in {combined}")
            return


@rule(
    "guideline.I.C.9.a.elevated",
    "Elevated blood pressure is not coded beside hypertension",
    f"{GUIDELINES}, I.C.9.a.7",
    Phase.EXCLUSION,
    needs=("R03.0",),
)
def elevated_pressure(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """R03.0 is for a patient without a formal diagnosis of hypertension."""
    disease = best(sheet.under("I10", "I11", "I12", "I13", "I15", "I16", "I1A", "O10", "O13", "O14"))
    if disease:
        yield Withhold("R03.0", f"integral to {disease.code}")


RULES = (named_together, hypertension_with, angina, accompanied, elevated_pressure)
