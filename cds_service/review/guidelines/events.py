"""Infarction and stroke: when they happened, in which order, and what remains of them.

Guidelines I.C.9.d (sequelae of cerebrovascular disease), I.C.9.e (myocardial infarction), I.C.6.a (dominant side), I.C.18.i (NIHSS).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cds_service.review.case import Case
from cds_service.review.guidelines.support import GUIDELINES, WORDING, all_past, least, together
from cds_service.review.model import Evidence
from cds_service.review.rules import Add, Change, Exchange, Explain, Phase, Withhold, rule
from cds_service.review.sheet import Sheet

_PAST = 0.6  # confidence in the history of an event that is mentioned as past
_FOUR_WEEKS = 28  # days
_DAYS = {"day": 1, "week": 7, "wk": 7, "month": 30, "mo": 30, "year": 365, "yr": 365}
_NUMBERS = {w: n for n, w in enumerate("one two three four five six seven eight nine ten eleven twelve".split(), 1)}
_INTERVAL = re.compile(r"(\d{1,3}|[a-z]+) (day|week|wk|month|mo|year|yr)s?\b")
_INFARCTION = ("I21.0", "I21.1", "I21.2", "I21.3", "I21.4", "I21.9")
_SUBSEQUENT = {"I21.0": "I22.0", "I21.1": "I22.1", "I21.2": "I22.8", "I21.3": "I22.9", "I21.4": "I22.2", "I21.9": "I22.9"}
# Deficit -> last characters of its code below I69.3- or I69.1-, and whether the deficit's own code stays.
_DEFICITS = (
    ("G81.91", "51", False),
    ("G81.92", "52", False),
    ("G81.93", "53", False),
    ("G81.94", "54", False),
    ("G81.90", "59", False),
    ("R47.01", "20", False),
    ("R47.02", "21", False),
    ("R47.1", "22", False),
    ("R13.1", "91", True),
    ("R29.810", "92", False),
    ("R27.0", "93", False),
)


def _days_ago(words: Iterable[Evidence], case: Case) -> int | None:
    """Return how many days ago the sentence of an event says that it happened; the shortest where it says several."""
    found = []
    for told in together(case, "time_ago", words):
        match = _INTERVAL.search(told.text.lower())
        if match:
            number = int(match[1]) if match[1].isdigit() else _NUMBERS.get(match[1], 1)
            found.append(number * _DAYS[match[2]])
    return min(found, default=None)


@rule(
    "guideline.I.C.9.e.1",
    "Infarction within four weeks",
    f"{GUIDELINES}, I.C.9.e.1",
    Phase.STATUS,
    yields=("I21", "I25.2"),
)
def four_weeks(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An infarction is I21 for four weeks, even where it is told as history, and I25.2 afterwards."""
    for line in sheet.under("I21"):
        days = _days_ago(line.evidence, case)
        if days is not None and days > _FOUR_WEEKS:
            yield Exchange(line.code, "I25.2", f"The infarction was {days} days ago, more than four weeks.")
        elif days is not None:
            yield Explain(line.code, f"The infarction was {days} days ago: for four weeks it is coded as acute.")
    for left in sheet.left_out:
        if left.reason == "historical" and left.code.startswith("I21"):
            days = _days_ago(left.evidence, case)
            if days is not None and days <= _FOUR_WEEKS and left.code not in sheet and case.codes.is_billable(left.code):
                yield Add(left.code, _PAST, left.evidence, f"The infarction was {days} days ago: for four weeks it is coded as acute.")


@rule(
    "guideline.I.C.9.e.4",
    "Old myocardial infarction",
    f"{GUIDELINES}, I.C.9.e.1 and I.C.9.e.4; Alphabetic Index, Infarct, myocardium, healed or old",
    Phase.STATUS,
    yields=("I25.2",),
)
def old_infarction(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An infarction more than four weeks old that needs no care is I25.2."""
    for line in sheet.under("I21", "I22"):
        days = _days_ago(line.evidence, case)
        if all_past(line.evidence, case) and (days is None or days > _FOUR_WEEKS):
            yield Exchange(line.code, "I25.2", "The infarction is documented as past.")
    yield from _history(sheet, ("I21", "I22"), "I25.2")


@rule(
    "guideline.I.C.9.e.4.subsequent",
    "A second infarction within four weeks",
    f"{GUIDELINES}, I.C.9.e.4: I22 together with I21",
    Phase.COMBINATION,
    needs=_INFARCTION,
    yields=("I22",),
)
def subsequent(sheet: Sheet, case: Case) -> Iterable[Change]:
    """A new infarction within four weeks of another is I22 beside the I21 of the first."""
    dated = {line.code: _days_ago(line.evidence, case) for line in sheet.under(*_INFARCTION)}
    first = next((code for code, days in sorted(dated.items()) if days is not None and days <= _FOUR_WEEKS), None)
    new = next((code for code, days in sorted(dated.items()) if days is None), None)
    if first and new:
        code = _SUBSEQUENT[new[:5]]
        yield Exchange(new, code, f"A new infarction within four weeks of another ({first}).", evidence=sheet.lines[first].evidence)


@rule(
    "guideline.I.C.9.e.1.evolves",
    "Infarction that evolves to ST elevation",
    f"{GUIDELINES}, I.C.9.e.1",
    Phase.COMBINATION,
    needs=("I21.4",),
)
def evolves(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An infarction without ST elevation that evolves to one with it is coded as the latter alone; two at different times are not one."""
    elevated = sheet.under("I21.0", "I21.1", "I21.2", "I21.3")
    if elevated and _days_ago((*sheet.lines["I21.4"].evidence, *elevated[0].evidence), case) is None:
        yield Withhold("I21.4", f"contained in {elevated[0].code}", elevated[0].code, "Right if it is an infarction of its own.")


@rule(
    "guideline.I.C.9.e.5",
    "Infarction of type 2",
    f"{GUIDELINES}, I.C.9.e.5; Alphabetic Index, Infarct, myocardium, type 2",
    Phase.COMBINATION,
    needs=("I21.3", "I21.4", "I21.9"),
    yields=("I21.A1",),
)
def type_2(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An infarction by demand ischemia or of type 2 is I21.A1, whatever its ST segment."""
    for line in sheet.under("I21.3", "I21.4", "I21.9"):
        said = together(case, "type_2_infarction", line.evidence)
        if said:
            yield Exchange(line.code, "I21.A1", "The infarction is documented as type 2.", least(line, WORDING), said, telling=said)


@rule(
    "guideline.I.C.9.d.3",
    "Stroke in the past",
    f"{GUIDELINES}, I.C.9.d.3",
    Phase.STATUS,
    yields=("Z86.73", "Z86.79"),
)
def old_stroke(sheet: Sheet, case: Case) -> Iterable[Change]:
    """A stroke of the past without remaining deficit is a history code, never I60-I63."""
    for line in sheet.under("I63", "G45.9", "I60", "I61"):
        if all_past(line.evidence, case):
            history = "Z86.79" if line.code.startswith(("I60", "I61")) else "Z86.73"
            yield Exchange(line.code, history, "The event is documented as past, and no deficit is said to remain.")
    if not sheet.has("I69"):
        yield from _history(sheet, ("I63", "G45.9"), "Z86.73")


@rule(
    "guideline.I.C.6.a",
    "Dominant side",
    f"{GUIDELINES}, I.C.6.a",
    Phase.COMBINATION,
    needs=("G81.00", "G81.10", "G81.90"),
    yields=("G81",),
)
def dominance(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Where the side is documented and dominance is not, the right is dominant and the left is not; an ambidextrous side is dominant."""
    left_handed = bool(case.asserted("left_handed"))
    for line in sheet.under("G81.00", "G81.10", "G81.90"):
        side = line.attributes.laterality
        if side in ("right", "left"):
            dominant = (side == "left") if left_handed else (side == "right")
            digit = {("right", True): "1", ("left", True): "2", ("right", False): "3", ("left", False): "4"}[side, dominant]
            yield Exchange(line.code, f"{line.code[:-1]}{digit}", f"The {side} side, {'dominant' if dominant else 'nondominant'} by default or by handedness.")


@rule(
    "guideline.I.C.9.d.1",
    "What remains of a stroke",
    f"{GUIDELINES}, I.C.9.d.1; I.B.10 (sequela)",
    Phase.COMBINATION,
    needs=tuple(code for code, _, _ in _DEFICITS),
    yields=("I69.3", "I69.1"),
)
def sequela(sheet: Sheet, case: Case) -> Iterable[Change]:
    """A deficit that the documentation ties to an earlier stroke is I69; the stroke is then neither current nor mere history."""
    codes = []
    for line in sheet:
        suffix, stays = next(((s, stays) for prefix, s, stays in _DEFICITS if line.code.startswith(prefix)), ("", False))
        said = together(case, "sequela_of_stroke", line.evidence) if suffix else ()
        if not said:
            continue
        code = f"{'I69.1' if any('hemorrh' in e.text.lower() for e in said) else 'I69.3'}{suffix}"
        codes.append(code)
        text = "The deficit is documented as remaining from a stroke."
        if stays:
            yield Add(code, least(line, WORDING), (*line.evidence, *said), text, telling=said)
        else:
            yield Exchange(line.code, code, text, least(line, WORDING), said, telling=said)
    if codes:
        for line in sheet.under("Z86.73"):
            yield Withhold(line.code, f"contained in {codes[0]}")
        for line in sheet.under("I63", "I61"):
            if all(together(case, "sequela_of_stroke", (e,)) for e in line.evidence):
                yield Withhold(line.code, f"contained in {codes[0]}")


@rule(
    "guideline.I.C.18.i",
    "Stroke scale only beside a stroke",
    f"{GUIDELINES}, I.C.18.i and I.B.14",
    Phase.EXCLUSION,
    needs=("R29.7",),
)
def stroke_scale(sheet: Sheet, _case: Case) -> Iterable[Change]:
    """The NIHSS score may come from any clinician, and accompanies an acute stroke (I63) that the provider documents."""
    if not sheet.has("I63"):
        for line in sheet.under("R29.7"):
            yield Withhold(line.code, "excluded by I.C.18.i (no stroke of the provider)")


def _history(sheet: Sheet, events: tuple[str, ...], history: str) -> Iterator[Change]:
    """Report the history of an event that is stated as past only."""
    past = tuple(e for n in sheet.left_out if n.reason == "historical" and n.code.startswith(events) for e in n.evidence)
    if past and not sheet.has(*events, history):
        yield Add(history, _PAST, past, "The event is documented as past.")


RULES = (four_weeks, old_infarction, old_stroke, type_2, evolves, subsequent, dominance, sequela, stroke_scale)
