"""Kidney and ureter: the stage of chronic kidney disease that the provider names; stones with hydronephrosis.

Guideline I.C.14.a.1; Alphabetic Index, Disease, kidney, chronic, stage; tabular notes at N13.2 and N20.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, beside, best, least, spoken
from cds_service.review.model import Evidence
from cds_service.review.rules import Add, Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_STAGE = re.compile(r"(?:stage|stg|grade|g|ckd|disease|failure|insufficiency)[\s,:(-]*(?P<stage>[1-5]|iv|i{1,3}|v)(?P<part>[abc]?)(?!\w)")
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5"}
_END_STAGE = "End stage renal disease is named."
_EARLIER = (("I12.0", "I12.9"), ("I13.11", "I13.10"), ("I13.2", "I13.0"))  # with stage 5 or end stage, and with an earlier stage
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
    said = _end_stage_named(case)
    if not said or _DIALYSIS in sheet:
        return
    standing = sheet.under("N18")
    for line in standing:
        yield Exchange(line.code, _DIALYSIS, _END_STAGE, least(line, WORDING), said, telling=said)
    if not standing:
        yield Add(_DIALYSIS, WORDING, said, _END_STAGE, telling=said)


@rule(
    "guideline.I.C.14.a.1.not-yet",
    "Not yet end stage, not yet on dialysis",
    f"{GUIDELINES}, I.C.14.a.1 and III; tabular list, N18.5 (Excludes1: requiring chronic dialysis), N18.6, Z99.2",
    Phase.STATUS,
    needs=("N18.6", "Z99.2", *(code for code, _ in _EARLIER)),
    yields=("N18", "I12.9", "I13.0", "I13.10"),
)
def not_yet(sheet: Sheet, case: Case) -> Iterable[Change]:
    """What has not come yet is not coded: no N18.6 and no Z99.2 from "not yet ESRD", "pre-dialysis"; nor the combinations that hold them."""
    no_stage, no_dialysis = case.said("not_yet_end_stage"), case.said("not_yet_dialysis")
    for line in sheet.under("Z99.2"):
        if no_dialysis and all(beside(no_dialysis, (e,), before=0, after=0) for e in line.evidence):
            yield Withhold(line.code, "not yet on dialysis")
    if _end_stage_named(case) or not (no_stage or no_dialysis):
        return
    text = "The documentation says that end stage, or dialysis, has not come yet."
    code, said = _stated(case)
    for line in sheet.under(_DIALYSIS):
        yield Exchange(line.code, code or _UNSTAGED, text, least(line, WORDING), said or no_stage or no_dialysis)
    if code != "N18.5":
        for late, earlier in _EARLIER:
            yield Exchange(late, earlier, text)


def _end_stage_named(case: Case) -> tuple[Evidence, ...]:
    """Return the places where end stage is said of the patient now, and not as what has not come yet."""
    denied = case.said("not_yet_end_stage")
    return tuple(e for e in spoken(case, "end_stage_kidney") if not _overlap((e,), denied))


@rule(
    "tabular.D63.1",
    "Anaemia in chronic kidney disease after the kidney disease",
    "Tabular list, D63.1: code first underlying chronic kidney disease (N18.-)",
    Phase.COMPANION,
    needs=("D63.1",),
    yields=("N18.9",),
)
def anemia(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """Anaemia in chronic kidney disease names that disease: its code comes first, without stage where none is documented."""
    if not sheet.has("N18"):
        line = sheet.lines["D63.1"]
        yield Add(_UNSTAGED, line.confidence, line.evidence, "D63.1 asks for the kidney disease first; its stage is not documented.")


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


RULES = (not_yet, stage, end_stage, anemia, obstructing_stone)
