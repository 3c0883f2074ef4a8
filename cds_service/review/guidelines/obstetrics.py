"""Obstetrics: weeks of gestation, trimester, incidental pregnancy.

Guidelines I.C.15.a, I.C.21.c.11; tabular list, Z3A.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, best, least, spoken, together
from cds_service.review.model import Evidence
from cds_service.review.rules import Add, Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_CHAPTER = ("O",)
_WITHOUT_WEEKS = ("O00", "O01", "O02", "O03", "O04", "O07", "O08", "O85", "O86", "O87", "O88", "O89", "O90", "O91", "O92", "O94")
_PREEXISTING = (  # condition, its code in pregnancy (trimester unspecified), whether its own code stays
    ("E10", "O24.019", True),
    ("E11", "O24.119", True),
    ("E13", "O24.819", True),
    ("I10", "O10.019", False),
    ("B20", "O98.719", True),
    ("Z21", "O98.719", True),
)
_FETAL = ("O31", "O32", "O33.3", "O33.4", "O33.5", "O33.6", "O35", "O36", "O40", "O41", "O60.1", "O60.2", "O64", "O69")
_WHOLE = 8  # characters of a code with its 7th character
_TRIMESTER = re.compile(r",?\s*\b(?:unspecified|first|second|third) trimester\b")


@rule(
    "tabular.Z3A",
    "Weeks of gestation",
    f"{GUIDELINES}, I.C.21.c.11; tabular list, Z3A and the note at the beginning of chapter 15",
    Phase.COMPANION,
    needs=("O", "Z34"),
    yields=("Z3A",),
)
def weeks(sheet: Sheet, case: Case) -> Iterable[Change]:
    """The completed weeks that are documented accompany the codes of the pregnancy."""
    pregnancy = best(line for line in sheet.under("O", "Z34") if not line.code.startswith(_WITHOUT_WEEKS))
    documented = _weeks(case)
    if pregnancy is None or documented is None or sheet.has("Z3A"):
        return
    number, found = documented
    code = "Z3A.01" if number < 8 else f"Z3A.{number}"
    if case.codes.is_billable(code):
        yield Add(code, least(pregnancy, WORDING), (found,), f"{number} completed weeks are documented.")


@rule(
    "guideline.I.C.15.a.3",
    "Trimester",
    f"{GUIDELINES}, I.C.15.a.3 and 4",
    Phase.COMBINATION,
    needs=("O", "Z34"),
    yields=_CHAPTER,
)
def trimester(sheet: Sheet, case: Case) -> Iterable[Change]:
    """The trimester follows from the weeks: first below 14, second below 28, third from 28."""
    documented = _weeks(case)
    if documented is None:
        return
    number, found = documented
    name = "first" if number < 14 else "second" if number < 28 else "third"
    for line in sheet.under("O", "Z34"):
        title = case.codes.title(line.code)
        if "unspecified trimester" not in title:
            continue
        stem = case.codes.stem(line.code)
        bare = _TRIMESTER.sub("", case.codes.title(stem))
        for sibling in case.codes.children(case.codes.entries[stem].parent or ""):
            other, whole = case.codes.title(sibling), f"{sibling}{line.code[len(stem) :]}"
            if f"{name} trimester" in other and _TRIMESTER.sub("", other) == bare and case.codes.is_billable(whole):
                yield Exchange(line.code, whole, f"{number} weeks are documented: {name} trimester.", least(line, WORDING), (found,))


@rule(
    "guideline.I.C.15.a.1",
    "Incidental pregnancy only where nothing complicates it",
    f"{GUIDELINES}, I.C.15.a.1 and I.C.15.b.1",
    Phase.EXCLUSION,
    needs=_CHAPTER,
)
def incidental(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """Z33.1 and Z34 are never coded with codes of chapter 15."""
    complication = best(sheet.under("O"))
    for line in sheet.under("Z33.1", "Z34"):
        if complication:
            yield Withhold(line.code, f"excluded by {complication.code}")


def _weeks(case: Case) -> tuple[int, Evidence] | None:
    for found in case.asserted("weeks_of_gestation"):
        number = re.search(r"(?<![gGpP\d])\b(\d{1,2})(?!\d)", re.sub(r"\b[gG]\d\s?[pP]\d\S*", "", found.text))
        if number and 4 <= int(number[1]) <= 42:
            return int(number[1]), found
    return None


@rule(
    "guideline.I.C.15.c",
    "Conditions that were there before the pregnancy",
    f"{GUIDELINES}, I.C.15.a.1, I.C.15.c, I.C.15.f and I.C.15.g; tabular list, O10, O24, O98.7",
    Phase.COMBINATION,
    needs=tuple(prefix for prefix, _, _ in _PREEXISTING),
    yields=tuple(code[:4] for _, code, _ in _PREEXISTING),
)
def preexisting(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Diabetes, hypertension and HIV of a pregnant woman are coded in chapter 15 first, with their own code where the note asks for it."""
    pregnancy = best(line for line in sheet.under("O", "Z33.1", "Z34", "Z3A") if not line.code.startswith(_WITHOUT_WEEKS))
    if pregnancy is None or case.record.patient.gender == "male":
        return
    for prefix, code, stays in _PREEXISTING:
        for line in sheet.under(prefix):
            if sheet.has(code[:5] if code.startswith("O98") else code[:3]):
                continue
            text = f"{case.codes.title(line.code)} of a pregnant patient: chapter 15 takes precedence."
            if stays:
                yield Add(code, least(line, pregnancy), line.evidence, text)
            else:
                yield Exchange(line.code, code, text, least(line, pregnancy), pregnancy.evidence)


@rule(
    "guideline.I.C.15.n",
    "Normal delivery only where nothing else is",
    f"{GUIDELINES}, I.C.15.n",
    Phase.EXCLUSION,
    needs=("O80",),
)
def normal_delivery(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """O80 is never coded with another code of chapter 15."""
    other = best(line for line in sheet.under("O") if line.code != "O80")
    if other:
        yield Withhold("O80", f"excluded by {other.code} (I.C.15.n)")


@rule(
    "guideline.I.C.15.b.5",
    "Outcome of delivery",
    f"{GUIDELINES}, I.C.15.b.5 and I.C.21.c.11; tabular list, Z37",
    Phase.COMPANION,
    needs=("O60.1", "O60.2", "O68", "O69", "O70", "O71", "O72", "O74", "O75", "O76", "O77", "O80", "O82"),
    yields=("Z37.0", "Z37.1", "Z37.2"),
)
def outcome(sheet: Sheet, case: Case) -> Iterable[Change]:
    """The mother's record of the delivery says its outcome, as documented."""
    if sheet.has("Z37"):
        return
    for cue, code in (("stillbirth", "Z37.1"), ("twins_born", "Z37.2"), ("liveborn", "Z37.0")):
        said = case.asserted(cue)
        if said:
            yield Add(code, WORDING, said, "The outcome of the delivery is documented.")
            return


@rule(
    "guideline.I.C.15.a.6",
    "Which fetus a complication affects",
    f"{GUIDELINES}, I.C.15.a.6: 7th character for the fetus, with a code of O30",
    Phase.COMBINATION,
    needs=_FETAL,
    yields=(*_FETAL, "O30"),
)
def fetus(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Of several, the fetus that the words name is the 7th character; 0 for one alone, and where none is named."""
    several = next((code for cue, code in (("triplets", "O30.109"), ("twins", "O30.009")) if spoken(case, cue)), None)
    if not several and not sheet.has("O30"):
        return
    numbered = False
    for line in sheet.under(*_FETAL):
        named = {_number(e) for e in together(case, "fetus_named", line.evidence)}
        codes = [f"{line.code[:-1]}{number}" for number in sorted(named)]
        if len(line.code) != _WHOLE or line.code[-1] != "0" or not codes or not all(case.codes.is_billable(c) for c in codes):
            continue
        numbered = True
        for code in codes[1:]:
            yield Add(code, line.confidence, line.evidence, "The documentation names this fetus.", line.attributes)
        yield Exchange(line.code, codes[0], "The documentation names the fetus that is affected.")
    if numbered and several and not sheet.has("O30"):
        yield Add(several, WORDING, spoken(case, "triplets") or spoken(case, "twins"), "A fetus is named by number: the multiple gestation is coded too.")


def _number(found: Evidence) -> str:
    last = found.text.lower()[-1]
    return last if last.isdigit() else str("abcde".index(last) + 1)


RULES = (preexisting, fetus, trimester, weeks, outcome, incidental, normal_delivery)
