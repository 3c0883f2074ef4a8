"""Order files, code lists, addenda and conversion tables of ICD-10-CM and ICD-10-PCS.

Layout of an order file (CMS, "ICD-10-CM/PCS Order File"), positions from 1: order number 1-5, code 7-13, complete ("1") or heading ("0") 15,
short title 17-76, long title 78 to the end. A code list has the code in 1-7 and the title from 9.
Addenda: action 1-12 ("Add:", "Delete:", "Revise from:", "Revise to:"); for ICD-10-CM complete or heading 14, code 16-23, short title 24-83, long
title 85 to the end; for ICD-10-PCS code 14-20, short title 22-81, long title 83 to the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cds_service.codesets.official import OfficialFile, dotted
from cds_service.errors import CodeSetError

DIAGNOSIS = re.compile(r"[A-Z]\d[0-9A-Z][0-9A-Z]{0,4}|[A-Z]A\d[0-9A-Z]{0,4}")
PROCEDURE = re.compile(r"[0-9A-HJ-NP-Z]{3}|[0-9A-HJ-NP-Z]{7}")  # never I or O
_ORDER = re.compile(r"(\d{5}) (\S{3,7}) {1,5}([01]) (.{60}) (\S.*)")
_ACTIONS = ("add", "delete", "revise from", "revise to")
_RANGE = re.compile(r"([A-Z0-9.]+)\s*-\s*([A-Z0-9.]+)")
_MIXED = "Put together the files of one release, as they were published."


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line of an order file."""

    line: int
    code: str  # without dot
    complete: bool  # may stand on a claim
    title: str


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the addenda."""

    line: int
    action: str  # "add" | "delete" | "revise from" | "revise to"
    code: str  # without dot
    complete: bool | None  # None where the layout doesn't say
    title: str


def order_lines(file: OfficialFile, code: re.Pattern[str]) -> dict[str, OrderLine]:
    """Return the lines of an order file by code. Raises CodeSetError with the line that isn't in the layout, out of order, or there twice."""
    found: dict[str, OrderLine] = {}
    last = 0
    for number, text in file.lines():
        match = _ORDER.fullmatch(text)
        if match is None:
            raise file.damaged(number, "order number, code, 0 or 1, short and long title are expected, each at its position")
        if not code.fullmatch(match[2]):
            raise file.damaged(number, f"{match[2]} is no {'ICD-10-CM' if code is DIAGNOSIS else 'ICD-10-PCS'} code", _MIXED)
        if match[2] in found:
            raise file.damaged(number, f"{match[2]} stands in line {found[match[2]].line} too")
        if int(match[1]) <= last:
            raise file.damaged(number, f"order number {match[1]} follows {last:05d}: lines are missing or mixed up")
        last = int(match[1])
        found[match[2]] = OrderLine(number, match[2], match[3] == "1", match[5].strip())
    if not found:
        raise file.damaged(1, "no code in the whole file")
    return found


def listed(file: OfficialFile) -> dict[str, OrderLine]:
    """Return the complete codes of a code list by code. Raises CodeSetError."""
    found: dict[str, OrderLine] = {}
    for number, text in file.lines():
        code, title = text[:7].strip(), text[8:].strip()
        if not DIAGNOSIS.fullmatch(code) or not title or text[7:8].strip():
            raise file.damaged(number, "a code in positions 1 to 7 and its title from 9 are expected")
        if code in found:
            raise file.damaged(number, f"{code} stands in line {found[code].line} too")
        found[code] = OrderLine(number, code, True, title)
    return found


def changes(file: OfficialFile, code: re.Pattern[str]) -> tuple[Change, ...]:
    """Return the lines of addenda. Raises CodeSetError with the line that isn't in the layout."""
    found: list[Change] = []
    for number, text in file.lines():
        action, colon, _ = text[:13].partition(":")
        if not colon or action.strip().lower() not in _ACTIONS:
            raise file.damaged(number, "Add:, Delete:, Revise from: or Revise to: is expected")
        found.append(_change(file, number, action.strip().lower(), text, code))
    pairs = [c for c in found if c.action.startswith("revise")]
    for one, other in zip(pairs[::2], pairs[1::2], strict=False):
        if (one.action, other.action) != ("revise from", "revise to") or one.code != other.code:
            raise file.damaged(other.line, f"'Revise from' and 'Revise to' of {one.code} don't stand together")
    if len(pairs) % 2:
        raise file.damaged(pairs[-1].line, f"'Revise from' and 'Revise to' of {pairs[-1].code} don't stand together")
    return tuple(found)


def _change(file: OfficialFile, number: int, action: str, text: str, code: re.Pattern[str]) -> Change:
    if code is DIAGNOSIS and text[13:14] in ("0", "1") and text[14:15] == " ":
        complete, name, title = text[13:14] == "1", text[15:23].strip(), text[84:].strip() or text[23:84].strip()
    elif code is PROCEDURE:
        complete, name, title = None, text[13:21].strip(), text[82:].strip() or text[21:82].strip()
    else:  # addenda of a code list
        name, _, title = text[13:].strip().partition(" ")
        complete, title = True, title.strip()
    if not code.fullmatch(name) or not title:
        raise file.damaged(number, "a code and its title are expected, each at its position")
    return Change(number, action, name, complete, title)


def check_changes(file: OfficialFile, told: Iterable[Change], lines: Mapping[str, OrderLine], order: str) -> None:
    """Check that an order file is what the addenda make. Raises CodeSetError with the line of the addenda that it contradicts."""
    told = tuple(told)
    added = {(c.code, c.complete) for c in told if c.action == "add"}
    for change in told:
        line = lines.get(change.code)
        same = line is not None and change.complete in (None, line.complete)
        if change.action in ("add", "revise to") and not same:
            raise file.damaged(change.line, f"{change.code} is added or revised, and {order} doesn't hold it so", _MIXED)
        if change.action == "delete" and same and (change.code, change.complete) not in added:
            raise file.damaged(change.line, f"{change.code} is deleted, and {order} still holds it", _MIXED)


def conversions(file: OfficialFile, code: re.Pattern[str]) -> dict[str, tuple[str, ...]]:
    """Return which codes take the place of an earlier one: earlier code -> current codes, both as they are written.

    Columns of ICD-10-CM: current code, effective year or date, previous codes ("H02.101-H02.106; H02.109"); of ICD-10-PCS the current code is the
    first and the previous ones the fourth. Raises CodeSetError.
    """
    found: dict[str, list[str]] = {}
    began = False
    at = 2 if code is DIAGNOSIS else 3
    for number, text in file.lines():
        cells = [c.strip().strip('"') for c in re.split(r"\t|\s{2,}(?=\S)" if "\t" not in text else r"\t", text.strip())]
        if not began:
            began = cells[0].lower().startswith("current code")
            continue
        current = cells[0].replace(".", "")
        if len(cells) <= at or not code.fullmatch(current):
            if current.lower().startswith(("no", "none")):
                continue
            raise file.damaged(number, "a current code, a date and previous codes are expected")
        for previous in _previous(cells[at]):
            if not code.fullmatch(previous):
                raise file.damaged(number, f"{previous} is no code")
            found.setdefault(_written(previous, code), []).append(_written(current, code))
    if not began:
        raise file.damaged(1, "a line with the headings 'Current code assignment', 'Effective' and 'Previous Code(s) Assignment' is expected")
    return {old: tuple(dict.fromkeys(new)) for old, new in found.items()}


def _written(code: str, pattern: re.Pattern[str]) -> str:
    return dotted(code) if pattern is DIAGNOSIS else code


def _previous(cell: str) -> Iterator[str]:
    if re.search(r"\b(?:none|categor|nopcs)", cell, re.I):
        return
    for part in re.split(r"[;,]|\band\b", cell):
        part = part.strip().replace(".", "")
        if not part:
            continue
        span = _RANGE.fullmatch(part)
        if span is None:
            yield part
            continue
        first, last = span[1], span[2]
        last = first[: len(first) - len(last)] + last if len(last) < len(first) else last
        stem = first[:-1]
        if last[:-1] == stem and first[-1].isdigit() and last[-1].isdigit():
            yield from (f"{stem}{n}" for n in range(int(first[-1]), int(last[-1]) + 1))
        else:
            yield from (first, last)


def mixed(name: str, other: str, why: str) -> CodeSetError:
    """Return the error of two files that don't belong together."""
    return CodeSetError(f"{name} and {other} are mixed up: {why}.", _MIXED)
