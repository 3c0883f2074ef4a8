"""Diabetes: type, insulin, and the conditions that the classification presumes to be linked ("with").

Guidelines I.C.4.a, I.A.15; Alphabetic Index, "Diabetes, with".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, beside, best, evidence, least, spoken
from cds_service.review.model import Evidence
from cds_service.review.rules import Add, Change, Exchange, Offer, Phase, Withhold, rule
from cds_service.review.sheet import Line, Sheet
from cds_service.review.structured import medication_evidence, problem_evidence
from fhir_mappers.record import Problem

TYPES = ("E08", "E09", "E10", "E11", "E13")
_HYPERGLYCEMIA = "R73.9"
_IF_DOCUMENTED = "Right if a provider documents that the patient has diabetes."
_TAKEN = ("allergies", "family", "ros", "labs")
_TYPE_1 = ("46635009", "E10")
_DIABETES_CONCEPTS = ("73211009", "44054006", "46635009")  # SNOMED CT: diabetes mellitus, type 2, type 1
_DIABETES_WORDS = re.compile(r"diab|dm|\bt[12]d\b|\bmody|\blada\b|\bdka\b|ketoacid|\btype (?:1|2|i|ii)\b")
_WITH = f"{GUIDELINES}, I.A.15; Alphabetic Index, Diabetes, with"

# Condition beside diabetes -> code of the combination below the type, and whether the condition's own code stays.
_COMPLICATIONS: tuple[tuple[tuple[str, ...], str, bool], ...] = (
    (("N18",), "22", True),
    (("G62.9", "G60.9", "G60.3", "G63"), "40", False),
    (("G58.9",), "41", False),
    (("G90.09", "G90.9", "G99.0"), "43", False),
    (("K31.84",), "43", True),
    (("H35.00",), "319", False),
    (("H26.9",), "36", False),
    (("L97.4", "L97.5"), "621", True),
    (("L97", "L98.4"), "622", True),
    (("I70.2",), "51", True),
    (("I73.9",), "51", False),
    (("I96",), "52", False),
    (("M86",), "69", True),
    (("M14.6",), "610", False),
    (("K05",), "630", True),
    (("E16.2", "E16.1"), "649", False),
)
_NAMED = (("diabetes_with_neuropathy", "40", "4"), ("diabetes_with_nephropathy", "21", "2"), ("diabetes_with_retinopathy", "319", "3"))
_REPLACED_BY_GANGRENE = "51"
_NAME_ALONE = re.compile(r"(?:type (?:[12]|ii?) )?(?:diabetes|diabetic|t[12] ?dm|dm ?[12]?|n?iddm)(?: mellitus)?(?:,? type (?:[12]|ii?))?", re.I)


def documented_diabetes(case: Case) -> Problem | None:
    """Return the active problem or encounter diagnosis that says diabetes, or None."""
    for problem in sorted(case.record.problems, key=lambda p: p.source):
        codes = [c.code for c in problem.concept.codings]
        active = problem.clinical_status in (None, "active", "recurrence", "relapse") and problem.verification_status not in ("refuted", "entered-in-error")
        label = problem.concept.label.lower()
        named = "diabetes" in label and not any(w in label for w in ("pre", "gestational", "insipidus", "family", "history"))
        if active and (any(c.startswith(TYPES) or c in _DIABETES_CONCEPTS for c in codes) or named):
            return problem
    return None


def type_of(problem: Problem) -> str:
    """Return the category of a documented diabetes; type 2 where the type is not said (I.C.4.a.2)."""
    codes = [c.code for c in problem.concept.codings]
    if any(c.startswith(_TYPE_1) for c in codes) or "type 1" in problem.concept.label.lower():
        return "E10"
    return next((c[:3] for c in codes if c.startswith(TYPES)), "E11")


@rule(
    "guideline.I.C.4.a.hyperglycemia",
    "Diabetes with hyperglycaemia, or hyperglycaemia alone",
    f"{_WITH} (hyperglycemia; inadequately controlled; out of control; poorly controlled)",
    Phase.COMBINATION,
    yields=("E08.65", "E09.65", "E10.65", "E11.65", "E13.65", _HYPERGLYCEMIA),
)
def hyperglycemia(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Poor control is coded with the diabetes of the record; without any documented diabetes it is a finding, and the diabetes an alternative."""
    said = spoken(case, "hyperglycemia")
    out_of_control = spoken(case, "diabetes_out_of_control")
    finding = sheet.lines.get(_HYPERGLYCEMIA)
    words = spoken(case, "diabetes")
    stated = best(line for line in sheet.under(*TYPES) if _names_diabetes(line))
    # What the engine takes for diabetes though its words never name it: sugar that runs high, insulin.
    meant = [line for line in sheet.under(*TYPES) if not _names_diabetes(line)]
    engine = best(line for line in meant if line.code.endswith(".65"))
    problem = documented_diabetes(case)
    support = tuple(dict.fromkeys((*said, *out_of_control, *(finding.evidence if finding else ()), *(engine.evidence if engine else ()))))
    if not (stated or words or problem):
        yield from (Withhold(line.code, "diabetes is documented nowhere in this record") for line in meant if line is not engine)
    if not support:
        return
    if stated or words or problem:
        if finding or said or out_of_control:
            yield from _with_diabetes(sheet, stated, problem, words, support)
        if problem and engine and not stated:
            yield Add(engine.code, engine.confidence, (problem_evidence(problem),), "Diabetes stands in the problem list.")
    elif engine:
        text = "Poor control of blood sugar is documented, but diabetes is documented nowhere in this record."
        yield Exchange(engine.code, _HYPERGLYCEMIA, text, max(engine.confidence, WORDING), alternative=_IF_DOCUMENTED)
    else:
        if not finding:
            yield Add(_HYPERGLYCEMIA, WORDING, said, "Hyperglycaemia is documented, and diabetes is documented nowhere in this record.")
        yield Offer(_HYPERGLYCEMIA, "E11.65", 0.2, _IF_DOCUMENTED)


def _names_diabetes(line: Line) -> bool:
    words = " ".join(e.text.lower() for e in line.evidence)
    return bool(_DIABETES_WORDS.search(words))


def _with_diabetes(sheet: Sheet, stated: Line | None, problem: Problem | None, words: tuple[Evidence, ...], support: tuple[Evidence, ...]) -> Iterator[Change]:
    category = stated.code[:3] if stated else type_of(problem) if problem else "E11"
    code = f"{category}.65"
    text = "Hyperglycaemia or poor control of a patient with diabetes is coded as diabetes with hyperglycaemia."
    plain = f"{category}.9"
    if plain in sheet:
        yield Exchange(plain, code, text, least(sheet.lines[plain], WORDING), support, telling=_poor_control(support))
    elif stated or problem or words:
        documented = (problem_evidence(problem),) if problem and not words else words[:1]
        yield Add(code, least(stated, WORDING) if stated else WORDING, (*support, *documented), text, telling=_poor_control(support))
    if _HYPERGLYCEMIA in sheet:
        yield Withhold(_HYPERGLYCEMIA, f"integral to {code}")


def _poor_control(support: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Return the words that say more than the name of the disease."""
    return tuple(e for e in support if not _NAME_ALONE.fullmatch(e.text.strip()))


@rule("guideline.I.C.4.a.with", "Diabetes with its complications", _WITH, Phase.COMBINATION, needs=TYPES, yields=TYPES)
def complications(sheet: Sheet, case: Case) -> Iterable[Change]:
    """A condition listed under "Diabetes, with" is presumed to be linked unless the documentation says otherwise."""
    diabetes = best(sheet.under(*TYPES))
    if diabetes is None:
        return
    for partner in sheet:
        suffix, stays = next(((s, stays) for prefixes, s, stays in _COMPLICATIONS if partner.code.startswith(prefixes)), ("", False))
        code = f"{diabetes.code[:3]}.{_suffix(suffix, sheet, partner, case)}"
        if not suffix or not case.codes.is_billable(code) or beside(case.said("not_related"), partner.evidence, before=60, after=60):
            continue
        text = f"{case.codes.title(partner.code)} beside diabetes: the classification presumes the link."
        if stays:
            yield Add(code, least(diabetes, partner), evidence(diabetes, partner), text)
        else:
            yield Exchange(partner.code, code, text, least(diabetes, partner), diabetes.evidence)


def _suffix(suffix: str, sheet: Sheet, partner: Line, case: Case) -> str:
    if suffix == "40" and (partner.code in ("G60.9", "G63") or case.asserted("polyneuropathy")):
        return "42"
    return "52" if suffix == _REPLACED_BY_GANGRENE and sheet.has("I96") else suffix


@rule(
    "guideline.I.C.4.a.plain",
    "Diabetes without complications only where there is none",
    f"{GUIDELINES}, I.C.4.a: as many codes of the category as describe all complications",
    Phase.COMPANION,
    needs=TYPES,
)
def plain(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """A code for no, or an unspecified, complication contradicts one that names it."""
    for category in TYPES:
        named = [line for line in sheet.under(category) if not line.code.endswith((".8", ".9"))]
        for line in sheet.under(f"{category}.8", f"{category}.9"):
            if named:
                yield Withhold(line.code, f"less specific than {named[0].code}", named[0].code, "Right if the diabetes has no complication.")
    for line in sheet.under(*(f"{t}.21" for t in TYPES)):
        if f"{line.code[:3]}.22" in sheet:
            yield Withhold(line.code, f"less specific than {line.code[:3]}.22")


@rule(
    "guideline.I.C.4.a.3",
    "Long-term insulin",
    f"{GUIDELINES}, I.C.4.a.3",
    Phase.COMPANION,
    needs=("E08", "E09", "E11", "E13"),
    yields=("Z79.4",),
)
def insulin(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Insulin as regular treatment is coded; insulin given for a while during an encounter is not."""
    if "Z79.4" in sheet:
        return
    taken = tuple(e for e in case.asserted("insulin_use") if e.section not in _TAKEN and not _temporary(e, case))
    diabetes = best(sheet.under("E08", "E09", "E11", "E13"))
    if taken and diabetes:
        yield Add("Z79.4", least(diabetes, WORDING), taken, "The patient with diabetes is treated with insulin.")
        return
    ordered = tuple(
        medication_evidence(m)
        for m in sorted(case.record.medications, key=lambda m: m.source)
        if "insulin" in m.concept.label.lower() and m.kind != "administration" and m.status in (None, "active", "completed")
    )
    if ordered and diabetes and not case.inpatient:
        yield Add("Z79.4", least(diabetes, 0.75), ordered, "Insulin is prescribed.")


def _temporary(found: Evidence, case: Case) -> bool:
    return bool(beside(case.said("temporary_treatment"), (found,), before=50, after=50))


@rule(
    "index.diabetes-with",
    "Diabetes with a complication in one wording",
    "Alphabetic Index, Diabetes, with: nephropathy, neuropathy, retinopathy",
    Phase.COMBINATION,
    yields=("E10.21", "E10.319", "E10.40", "E11.21", "E11.319", "E11.40"),
)
def named_complication(sheet: Sheet, case: Case) -> Iterable[Change]:
    """"DM2 with neuropathic complications", "diabetic nephropathy": coded where no code of that group stands yet."""
    for cue, suffix, group in _NAMED:
        said = spoken(case, cue)
        if not said or sheet.has(*(f"{t}.{group}" for t in TYPES)):
            continue
        standing = best(sheet.under(*TYPES))
        category = standing.code[:3] if standing else "E10" if case.asserted("type_1_diabetes") else "E11"
        code = f"{category}.{suffix}"
        if case.codes.is_billable(code):
            yield Add(code, WORDING, said, "The diabetes and its complication are documented together.")


RULES = (named_complication, hyperglycemia, complications, plain, insulin)
