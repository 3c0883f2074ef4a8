"""Obstetrics: weeks of gestation, trimester, incidental pregnancy.

Guidelines I.C.15.a, I.C.21.c.11; tabular list, Z3A.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, best, least
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
)
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
        bare = _TRIMESTER.sub("", title)
        parent = case.codes.entries[case.codes.stem(line.code)].parent or ""
        for sibling in case.codes.children(parent):
            other = case.codes.title(sibling)
            if f"{name} trimester" in other and _TRIMESTER.sub("", other) == bare and case.codes.is_billable(sibling):
                yield Exchange(line.code, sibling, f"{number} weeks are documented: {name} trimester.", least(line, WORDING), (found,))


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
            if sheet.has(code[:3] if prefix != "B20" else code[:5]):
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


RULES = (preexisting, trimester, weeks, outcome, incidental, normal_delivery)
