"""External causes: their 7th character, place, activity and status, and their order.

Guideline I.C.20. That they are never first is of `sequencing.py`, that they are never alone of `injuries.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES
from cds_service.review.rules import Change, Exchange, Phase, Precede, Withhold, rule
from cds_service.review.sheet import Line, Sheet

_CAUSES = ("V", "W", "X", "Y0", "Y2", "Y3")
_BESIDE = ("Y92", "Y93", "Y99")  # place, activity, status
_UNSTATED = ("Y92.9", "Y93.9", "Y99.9")
_EPISODES = {"A": "A", "B": "A", "C": "A", "S": "S"}  # of the injury -> of its cause; every other character is subsequent care
_WHOLE = 8  # characters of a code with its 7th character
_RANKS = (("X92", "X93", "X94", "X95", "X96", "X97", "X98", "X99", "Y00", "Y01", "Y02", "Y03", "Y04", "Y07", "Y08", "Y09"), ("Y38",),
          ("X34", "X35", "X36", "X37", "X38", "X39"), ("V",))  # fmt: skip


@rule(
    "guideline.I.C.20.a.2",
    "The cause has the episode of the injury",
    f"{GUIDELINES}, I.C.20.a.2 and I.C.20.i",
    Phase.COMPANION,
    needs=_CAUSES,
    yields=_CAUSES,
)
def episode(sheet: Sheet, case: Case) -> Iterable[Change]:
    """The 7th character of the cause follows the injuries that it caused, where all of them are of one episode."""
    episodes = _episodes(sheet)
    if len(episodes) == 1:
        letter = episodes.pop()
        for line in sheet.under(*_CAUSES):
            code = f"{line.code[:-1]}{letter}"
            if len(line.code) == _WHOLE and line.code[-1] in "ADS" and case.codes.is_billable(code):
                yield Exchange(line.code, code, "The external cause has the 7th character of the encounter for the injury.")


@rule(
    "guideline.I.C.20.b",
    "Place, activity and status once, at the first encounter",
    f"{GUIDELINES}, I.C.20.b, I.C.20.c and I.C.20.k",
    Phase.EXCLUSION,
    needs=_BESIDE,
)
def once(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """One of each, at the initial encounter for treatment only; none where it is not stated."""
    later = bool(_episodes(sheet)) and "A" not in _episodes(sheet)
    for kind in _BESIDE:
        stated = sorted((line for line in sheet.under(kind) if line.code not in _UNSTATED), key=lambda line: (-line.confidence, line.code))
        for line in sheet.under(*(code for code in _UNSTATED if code.startswith(kind))):
            yield Withhold(line.code, "excluded by I.C.20 (not stated)")
        for line in stated if later else stated[1:]:
            yield Withhold(line.code, "excluded by I.C.20 (initial encounter only)" if later else f"excluded by {stated[0].code} (one only)")


@rule(
    "guideline.I.C.20.f",
    "Order of external causes",
    f"{GUIDELINES}, I.C.20.d and I.C.20.f",
    Phase.EXCLUSION,
    needs=(*_CAUSES, *_BESIDE),
)
def order(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """Assault and abuse, terrorism, cataclysm, transport, every other cause; then place, activity and status."""
    standing = sorted(sheet.under(*_CAUSES, *_BESIDE), key=lambda line: (_rank(line), -line.confidence, line.code))
    for first, then in pairwise(standing):
        if _rank(first) < _rank(then):
            yield Precede(first.code, then.code, "Of several external causes the guideline names which comes first; place, activity and status follow.")


def _rank(line: Line) -> int:
    if line.code.startswith(_BESIDE):
        return len(_RANKS) + 1 + next(at for at, kind in enumerate(_BESIDE) if line.code.startswith(kind))
    return next((at for at, prefixes in enumerate(_RANKS) if line.code.startswith(prefixes)), len(_RANKS))


def _episodes(sheet: Sheet) -> set[str]:
    injuries = (line.code for line in sheet.under("S", "T0", "T1", "T2", "T3", "T7") if len(line.code) == _WHOLE)
    return {_EPISODES.get(code[-1], "D") for code in injuries}


RULES = (episode, once, order)
