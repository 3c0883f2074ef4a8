"""Sequencing: which diagnosis comes first, and the order of the others.

Guidelines II (principal diagnosis, UHDDS), IV.G (first-listed for outpatients), II.A and I.B.4 (symptoms), I.A.13 (etiology before
manifestation), I.C.20 (external causes never first), I.C.21.c.16 (Z codes that are first-listed only).
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.review.case import Case
from cds_service.review.codeset import CodeSet
from cds_service.review.sheet import Line, Sheet

_LEADING = ("diagnosis", "assessment_plan", "impression", "plan")
_OPENING = ("chief_complaint", "hpi", "hospital_course", "preamble")
_NEVER_FIRST = (
    *"VWXY",
    *("B95", "B96", "B97", "Z16", "Z68"),
    *(f"Z{n}" for n in range(79, 100)),
)
_EXAM = ("Z00", "Z01", "Z02")


def sequenced(sheet: Sheet, case: Case) -> tuple[Line, ...]:
    """Return the lines of a sheet in the order of a claim, the principal or first-listed diagnosis first."""
    place = {line.code: _key(line, case) for line in sheet}
    return _etiology_first(sorted(sheet, key=lambda line: place[line.code]), case.codes)


def may_be_first(code: str, codes: CodeSet) -> bool:
    """Tell whether the classification lets a code stand first at all."""
    return not code.startswith(_NEVER_FIRST) and not codes.is_manifestation(code)


def _key(line: Line, case: Case) -> tuple[object, ...]:
    code = line.code
    return (
        not may_be_first(code, case.codes),
        not (code.startswith(_EXAM) and not case.inpatient),
        code.startswith("R") or code.startswith("Z"),
        *_where(line),
        -line.confidence,
        code,
    )


def _where(line: Line) -> tuple[int, int]:
    """Return how prominently a line is documented: rank of its best section and first offset in it."""
    best = (9, 0)
    for evidence in line.evidence:
        rank = _LEADING.index(evidence.section) if evidence.section in _LEADING else len(_LEADING) + (evidence.section not in _OPENING)
        best = min(best, (min(rank, 1) if rank < len(_LEADING) else rank, evidence.begin or 0))
    return best


def _etiology_first(lines: Iterable[Line], codes: CodeSet) -> tuple[Line, ...]:
    """Return lines with each manifestation after an etiology (convention I.A.13): the order is otherwise kept."""
    ordered = list(lines)
    return tuple([line for line in ordered if not codes.is_manifestation(line.code)] + [line for line in ordered if codes.is_manifestation(line.code)])
