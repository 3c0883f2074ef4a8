"""Sequencing: which diagnosis comes first, and the order of the others.

Guidelines II (principal diagnosis, UHDDS), IV.G (first-listed for outpatients), II.A and I.B.4 (symptoms), I.A.13 and I.A.17 (etiology before
manifestation, code first, use additional code), I.C.15.a.1 (obstetrics), I.C.20 (external causes never first), I.C.21.c.16 (Z codes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from cds_service.review.case import Case
from cds_service.review.codeset import CodeSet
from cds_service.review.guidelines.conventions import is_etiology
from cds_service.review.guidelines.drugs import degree, is_poisoning
from cds_service.review.prominence import Place, Prominences
from cds_service.review.sheet import Line, Sheet
from cds_service.review.spans import coded_after, coded_first

_NEVER_FIRST = (
    *"VWXY",
    *("B95", "B96", "B97", "R65.2", "Z16", "Z37", "Z3A", "Z66", "Z67", "Z68"),
    *(f"Z{n}" for n in range(79, 100)),
)
_POWER_FAILURE = "Z99.12"  # a ventilated patient while the power fails: first-listed only (I.C.21.c.16), among codes of status
_NEVER_FIRST_TITLE = re.compile(r"(?:Adverse effect of|Underdosing of)\b")
_UNDERLYING = re.compile(r"(?:the )?underlying (?:diseases?|physiological condition|condition, such as|neoplasm)", re.I)
_BIRTH_AND_TREATMENT = ("Z38", "Z51.0", "Z51.1")  # first in every setting: I.C.16.a.2, I.C.2.e.2
# First-listed by I.C.21.c.16, I.C.15.b.1.
_EXAM = ("Z00", "Z01", "Z02", "Z04", "Z31.81", "Z31.82", "Z31.83", "Z31.84", "Z33.2", "Z34", "Z39", "Z40", "Z42", "Z52", "Z76.1", "Z76.2", _POWER_FAILURE)
_SCREENING = ("Z11", "Z12", "Z13")
_RANKED = ("T2", "T31", "T32", "R13.1")
_BY_SITE = ("T20", "T21", "T22", "T23", "T24", "T25")
_AFTERCARE = ("Z08", "Z09", "Z47", "Z48")  # generally first-listed, where they are the reason: I.C.21.c.7, I.C.21.c.8
_COMPLICATION = re.compile(r"T8[0-8].*A")  # II.G
_STATUS = (*(f"Z{n}" for n in range(14, 100) if f"Z{n}" not in ("Z34", "Z38", "Z51")), "Z08", "Z09", "P07")


def sequenced(sheet: Sheet, case: Case) -> tuple[Line, ...]:
    """Return the lines of a sheet in the order of a claim, the principal or first-listed diagnosis first."""
    prominences = Prominences(sheet, case)
    wished = sorted(sheet, key=lambda line: _key(line, case, prominences))
    before = _predecessors(wished, case.codes)
    _add_order(before, sheet)
    ordered: dict[str, Line] = {}
    for line in wished:
        _place(line, before, ordered, ())
    return tuple(ordered.values())


def may_be_first(code: str, codes: CodeSet) -> bool:
    """Tell whether the classification lets a code stand first at all."""
    return (code == _POWER_FAILURE or not code.startswith(_NEVER_FIRST)) and not needs_etiology(codes, code) and not _NEVER_FIRST_TITLE.match(codes.title(code))


@lru_cache(maxsize=8192)
def needs_etiology(codes: CodeSet, code: str) -> bool:
    """Tell whether a code must follow another: a manifestation, or one whose note says to code the underlying disease first (I.A.13)."""
    return codes.is_manifestation(code) or any(_UNDERLYING.match(note) for e in codes.ancestors(code) for note in e.code_first[:1])


def _place(line: Line, before: Mapping[str, Sequence[Line]], ordered: dict[str, Line], waiting: tuple[str, ...]) -> None:
    """Put `line` after everything that must precede it; a circle of notes is broken where it closes."""
    if line.code in ordered or line.code in waiting:
        return
    for earlier in before[line.code]:
        _place(earlier, before, ordered, (*waiting, line.code))
    ordered[line.code] = line


def _predecessors(lines: Sequence[Line], codes: CodeSet) -> dict[str, list[Line]]:
    """Return, for each code, the lines that the notes of the tabular list put before it."""
    first = {line.code: spans for line in lines if (spans := coded_first(codes, line.code))}
    after = {line.code: spans for line in lines if (spans := coded_after(codes, line.code))}

    def precedes(one: str, other: str, manifest: bool) -> bool:
        named = (other in first and one in first[other]) or (one in after and other in after[one]) or (manifest and is_etiology(codes, one, other))
        return (named and one != other and not (one in first and other in first[one])) or _ranks_before(one, other)

    asking = [(other, after[other.code].heads) for other in lines if other.code in after]
    found: dict[str, list[Line]] = {}
    for line in lines:
        code, manifest = line.code, codes.is_manifestation(line.code)
        if manifest or code.startswith(_RANKED):
            candidates = list(lines)
        elif code in first:
            heads, asked = first[code].heads, {other.code for other, wanted in asking if code[:3] in wanted}
            candidates = [other for other in lines if other.code[:3] in heads or other.code in asked]
        else:
            candidates = [other for other, wanted in asking if code[:3] in wanted]
        found[code] = [other for other in candidates if precedes(other.code, code, manifest)]
    return found


def _add_order(before: dict[str, list[Line]], sheet: Sheet) -> None:
    """Add the order that rules decided, where no note of the tabular list says the opposite."""
    for first, then in sheet.order:
        if first in before and then in before and all(line.code != then for line in before[first]):
            before[then] = [sheet.lines[first], *(line for line in before[then] if line.code != first)]


def _ranks_before(one: str, other: str) -> bool:
    """Tell whether a guideline puts one of two codes before the other: the deeper burn (I.C.19.d.1), its site before its extent, dysphagia after I69."""
    if one.startswith(_BY_SITE):
        return degree(one) > degree(other) >= 0 or other.startswith(("T31", "T32"))
    return one.startswith("I69") and one.endswith("91") and other.startswith("R13.1")


def _key(line: Line, case: Case, prominences: Prominences) -> tuple[object, ...]:
    code, prominence = line.code, prominences.of(line)
    aftercare = code.startswith(_AFTERCARE) and prominence[0] <= Place.REASON and prominences.is_reason(line)
    return (
        not may_be_first(code, case.codes),
        not _leads(line, case, prominences, prominence[0]),
        code.startswith(_STATUS) and not aftercare,
        *prominence,
        -line.confidence,
        code,
    )


def _leads(line: Line, case: Case, prominences: Prominences, place: int) -> bool:
    """Tell whether a guideline puts a code before whatever else is documented."""
    code = line.code
    if code.startswith(_BIRTH_AND_TREATMENT) or (code.startswith("O") and code[1] in "0123456789"):
        return True
    if is_poisoning(code) and place <= Place.CONCLUDED:  # I.C.19.e.5.b: the poisoning first, then what it does
        return True
    if _COMPLICATION.fullmatch(code) and place <= Place.LISTED and prominences.is_admitted_for(line):
        return True
    return not case.inpatient and (code.startswith(_EXAM) or (code.startswith(_SCREENING) and prominences.is_reason(line)))
