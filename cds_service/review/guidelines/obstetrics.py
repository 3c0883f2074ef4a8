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


RULES = (trimester, weeks, incidental)
