"""Remittances: X12 835 (005010X221A1, 004010X091A1) as payers send them. pyx12 takes the file apart and checks its envelope; here claims are read and checked.

Source: ASC X12 835, segments CLP (claim payment), CAS (adjustment), SVC (service), DTM 405 and BPR16 (dates), and its rule of balance: what a claim
charges less what is paid is the sum of its adjustments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from io import StringIO
from pathlib import Path
from typing import Any

from cds_service.errors import MarginaliaError

__all__ = ["Adjustment", "RemittanceError", "RemittedClaim", "remitted_claims"]

_LARGEST = 256 * 2**20
_GROUPS = ("CO", "CR", "OA", "PI", "PR")
_DENIED, _REVERSAL, _PREDETERMINED = "4", "22", "25"
_CONTRACT = ("CO-45", "PI-45", "CO-253", "CO-237")  # what a fee schedule, a sequestration or a programme takes off: no denial
_ENDS_CLAIM = ("CLP", "LX", "PLB", "SE", "ST")


class RemittanceError(MarginaliaError):
    """A remittance file is damaged or no remittance."""

    code = "remittance"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What was not paid as charged, and why."""

    reason: str  # group and claim adjustment reason code: "CO-50"
    amount: Decimal


@dataclass(frozen=True, slots=True)
class RemittedClaim:
    """A payer's decision on one claim."""

    claim: str  # CLP01: the number that the provider gave the claim
    status: str  # CLP02
    charged: Decimal
    paid: Decimal
    adjustments: tuple[Adjustment, ...]  # of the claim and of its services
    day: date | None  # of the remittance
    line: int  # in the file
    remarks: tuple[str, ...] = ()  # remittance advice remark codes

    @property
    def is_decision(self) -> bool:
        """False for a reversal of an earlier decision, and for a forecast of a payment."""
        return self.status not in (_REVERSAL, _PREDETERMINED)

    @property
    def is_denied(self) -> bool:
        """True where the payer says so, or pays nothing for another reason than contract and what the patient owes."""
        return self.status == _DENIED or (self.charged > 0 and self.paid <= 0 and bool(self.denial_reasons))

    @property
    def denial_reasons(self) -> tuple[str, ...]:
        """Reasons of what was refused, each once, in order."""
        found = (a.reason for a in self.adjustments if a.amount > 0 and not a.reason.startswith("PR-") and a.reason not in _CONTRACT)
        return tuple(sorted(set(found)))


@dataclass(frozen=True, slots=True)
class _Segment:
    name: str
    cells: tuple[str, ...]  # from 1: cells[0] is the first element
    line: int
    number: int

    def cell(self, at: int) -> str:
        return self.cells[at - 1].strip() if at <= len(self.cells) else ""


def remitted_claims(path: Path) -> tuple[RemittedClaim, ...]:
    """Return the claims of a remittance file, in its order.

    Raises:
        RemittanceError: it can't be read, is no 835, is cut off, its counts are wrong, or a claim doesn't balance. The message names file, line and reason.
    """
    segments = _segments(path)
    if not any(s.name == "ST" for s in segments):
        raise _damaged(path.name, segments[-1], "no transaction set (ST) in the whole file")
    claims: list[RemittedClaim] = []
    day: date | None = None
    at = 0
    while at < len(segments):
        segment = segments[at]
        if segment.name == "ST" and segment.cell(1) != "835":
            raise _damaged(path.name, segment, f"a transaction set {segment.cell(1) or 'without a name'}, and no remittance (835)")
        if segment.name == "ST":
            day = None
        if segment.name == "BPR":
            day = _day(path.name, segment, segment.cell(16)) or day
        if segment.name == "DTM" and segment.cell(1) == "405":
            day = _day(path.name, segment, segment.cell(2)) or day
        if segment.name == "CLP":
            end = next((n for n in range(at + 1, len(segments)) if segments[n].name in _ENDS_CLAIM), len(segments))
            claims.append(_claim(path.name, segments[at:end], day))
            at = end
            continue
        at += 1
    return tuple(claims)


def _segments(path: Path) -> list[_Segment]:
    try:
        from pyx12.errors import X12Error  # an extra: asked for only where remittances are read
        from pyx12.x12file import X12Reader
    except ImportError as error:
        raise RemittanceError("Remittances can't be read: pyx12 is not installed.", "Install the extra: pip install 'marginalia[denials]'.") from error
    text = _text(path)
    reader: Any
    try:
        reader = X12Reader(StringIO(text))
    except X12Error as error:
        raise RemittanceError(f"{path.name}, line 1: no X12 file ({str(error)[:80]}).", "Give the 835 as the payer or clearing house sent it.") from error
    lines = _lines(text, reader.get_term()[0])
    found: list[_Segment] = []
    for raw in reader:
        number = int(reader.get_cur_line())
        name = str(raw.get_seg_id())
        cells = tuple(str(raw.get_value(f"{name}{n:02}") or "") for n in range(1, len(raw) + 1))
        found.append(_Segment(name, cells, lines[min(number, len(lines)) - 1], number))
        _refuse(path.name, found[-1], reader.pop_errors())
    reader.cleanup()
    _refuse(path.name, found[-1], reader.pop_errors())
    if found[-1].name != "IEA":
        raise _damaged(path.name, found[-1], "the file ends here, without the end of its interchange (IEA)")
    return found


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise RemittanceError(f"{path.name} is larger than {_LARGEST} bytes.", "Give the files one by one, as they came.")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise RemittanceError(f"{path.name} can't be read ({error.strerror}).", "Check the path, and that Marginalia may read it.") from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise RemittanceError(f"{path.name}, line {line}: not UTF-8.", "Give the 835 as the payer or clearing house sent it.") from error


def _lines(text: str, terminator: str) -> list[int]:
    """Return on which line of the file each segment begins."""
    found, line = [], 1
    for part in text.split(terminator):
        blank = len(part) - len(part.lstrip("\r\n"))
        found.append(line + part[:blank].count("\n"))
        line += part.count("\n")
    return found


def _refuse(name: str, at: _Segment, errors: list[tuple[str, str, str, Any, Any]]) -> None:
    if errors:
        raise _damaged(name, at, errors[0][2].rstrip("."))


def _claim(name: str, segments: list[_Segment], day: date | None) -> RemittedClaim:
    head = segments[0]
    if not head.cell(1) or not head.cell(2):
        raise _damaged(name, head, "a claim without its number or status (CLP01, CLP02)")
    charged, paid = (_amount(name, head, at) for at in (3, 4))
    adjustments = tuple(a for s in segments if s.name == "CAS" for a in _adjustments(name, s))
    services = [s for s in segments if s.name == "SVC"]
    if charged - paid != sum((a.amount for a in adjustments), Decimal()):
        total = sum((a.amount for a in adjustments), Decimal())
        raise _damaged(name, head, f"claim and adjustments don't balance: {charged} charged, {paid} paid, {total} adjusted")
    if services and sum((_amount(name, s, 2) for s in services), Decimal()) != charged:
        raise _damaged(name, head, "the services don't add up to what the claim charges")
    remarks = tuple(c for s in segments for c in _remarks(s) if c)
    return RemittedClaim(head.cell(1), head.cell(2), charged, paid, adjustments, day, head.line, remarks)


def _adjustments(name: str, segment: _Segment) -> Iterator[Adjustment]:
    """Yield up to six adjustments of a segment: group, then reason, amount and quantity each."""
    group = segment.cell(1)
    if group not in _GROUPS:
        raise _damaged(name, segment, f"an adjustment of the unknown group {group or '(none)'}")
    for at in range(2, max(3, len(segment.cells) + 1), 3):
        reason = segment.cell(at)
        if not reason and at > 2 and not segment.cell(at + 1):
            continue
        if not reason or len(reason) > 5 or not reason.isalnum() or not any(c.isdigit() for c in reason):
            raise _damaged(name, segment, f"{reason or 'nothing'} stands where a reason code belongs (CAS{at:02})")
        yield Adjustment(f"{group}-{reason}", _amount(name, segment, at + 1))


def _remarks(segment: _Segment) -> tuple[str, ...]:
    if segment.name == "MOA":
        return tuple(segment.cell(n) for n in range(3, 8))
    if segment.name == "MIA":
        return tuple(segment.cell(n) for n in (5, 20, 21, 22, 23))
    return (segment.cell(2),) if segment.name == "LQ" and segment.cell(1) == "HE" else ()


def _amount(name: str, segment: _Segment, at: int) -> Decimal:
    written = segment.cell(at)
    try:
        amount = Decimal(written)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise _damaged(name, segment, f"{written or 'nothing'} stands where an amount belongs ({segment.name}{at:02})")
    return amount


def _day(name: str, segment: _Segment, written: str) -> date | None:
    if not written:
        return None
    try:
        return datetime.strptime(written, "%Y%m%d").date()
    except ValueError as error:
        raise _damaged(name, segment, f"{written} is no date") from error


def _damaged(name: str, at: _Segment, why: str) -> RemittanceError:
    return RemittanceError(f"{name}, line {at.line}, segment {at.number} ({at.name}): {why}.", "Ask for the file again; nothing of it was used.")
