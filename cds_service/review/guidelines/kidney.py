"""Kidney and ureter: the stage of chronic kidney disease that the provider names; stones with hydronephrosis.

Guideline I.C.14.a.1; Alphabetic Index, Disease, kidney, chronic, stage; tabular notes at N13.2 and N20.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, best, least, spoken
from cds_service.review.model import Evidence
from cds_service.review.rules import Add, Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_STAGE = re.compile(r"(?:stage|stg|grade|g|ckd|disease|failure|insufficiency)[\s,:(-]*(?P<stage>[1-5]|iv|i{1,3}|v)(?P<part>[abc]?)(?!\w)")
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5"}
_END_STAGE = "End stage renal disease is named."
_UNSTAGED, _STAGE_3, _DIALYSIS = "N18.9", "N18.30", "N18.6"


@rule(
    "guideline.I.C.14.a.1",
    "The stage of chronic kidney disease",
    f"{GUIDELINES}, I.C.14.a.1; Alphabetic Index, Disease, kidney, chronic, stage",
    Phase.STATUS,
    yields=("N18.1", "N18.2", "N18.3", "N18.4", "N18.5"),
)
def stage(sheet: Sheet, case: Case) -> Iterable[Change]:
    """The stage is coded where the words name it with the disease; end stage stands alone, and two stages in one note are left to a question."""
    code, said = _stated(case)
    if not code or _DIALYSIS in sheet or code in sheet:
        return
    standing = sheet.under("N18")
    text = "The words name the stage of the chronic kidney disease."
    for line in standing:
        vague = line.code == _UNSTAGED or (line.code == _STAGE_3 and code[:5] == _STAGE_3[:5])
        if vague or _overlap(line.evidence, said):
            yield Exchange(line.code, code, text, least(line, WORDING), said, telling=said)
    if not standing:
        yield Add(code, WORDING, said, text, telling=said)


@rule(
    "guideline.I.C.14.a.1.end-stage",
    "End stage renal disease is named",
    f"{GUIDELINES}, I.C.14.a.1; tabular list, N18.6",
    Phase.STATUS,
    yields=("N18.6",),
)
def end_stage(sheet: Sheet, case: Case) -> Iterable[Change]:
    """ESRD is N18.6 whatever else is said of the stage; the engine may have seen its combination with hypertension or diabetes alone."""
    said = spoken(case, "end_stage_kidney")
    if not said or _DIALYSIS in sheet:
        return
    standing = sheet.under("N18")
    for line in standing:
        yield Exchange(line.code, _DIALYSIS, _END_STAGE, least(line, WORDING), said, telling=said)
    if not standing:
        yield Add(_DIALYSIS, WORDING, said, _END_STAGE, telling=said)


def _stated(case: Case) -> tuple[str, tuple[Evidence, ...]]:
    """Return the code of the stage that the newest note with a stage names, with its words; "" where none or several are named."""
    asserted = spoken(case, "ckd_stage")
    newest = next((n.source for n in reversed(case.notes) if any(e.source == n.source for e in asserted)), None)
    named: dict[str, list[Evidence]] = {}
    for evidence in asserted:
        if evidence.source == newest:
            named.setdefault(_code(evidence.text.lower()), []).append(evidence)
    if {c[:5] for c in named} == {_STAGE_3[:5]} and len(named) == 2:
        named.pop(_STAGE_3, None)  # "3" beside "3a" says less of the same
    if len(named) != 1:
        return "", ()
    code, said = named.popitem()
    return code, tuple(said)


def _code(words: str) -> str:
    match = _STAGE.search(words)
    if match is None:
        return ""
    number = _ROMAN.get(match["stage"], match["stage"])
    part = {"a": "1", "b": "2"}.get(match["part"], "0") if number == "3" else ""
    return f"N18.{number}{part}"


def _overlap(one: Iterable[Evidence], other: Iterable[Evidence]) -> bool:
    return any(a.source == b.source and (a.begin or 0) < (b.end or 0) and (b.begin or 0) < (a.end or 0) for a in one for b in other)


@rule(
    "tabular.N13.2",
    "Hydronephrosis with a stone",
    "Tabular list, N13.2; N20, Excludes1: that with hydronephrosis (N13.2)",
    Phase.COMBINATION,
    needs=("N13.30", "N13.39"),
    yields=("N13.2",),
)
def obstructing_stone(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """A stone of kidney or ureter with hydronephrosis is one code."""
    stone = best(sheet.under("N20.1", "N20.2")) or best(sheet.under("N20"))
    if stone is None:
        return
    text = "Hydronephrosis with a stone of kidney or ureter: one code."
    for line in sheet.under("N13.30", "N13.39"):
        yield Exchange(line.code, "N13.2", text, least(line, stone), stone.evidence)
    for line in sheet.under("N20"):
        yield Withhold(line.code, "contained in N13.2")


RULES = (stage, end_stage, obstructing_stone)
