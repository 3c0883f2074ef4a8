"""Services: procedures and supplies of a claim against NCCI pairs and unit limits.

Source: CMS, National Correct Coding Initiative: procedure-to-procedure (PTP) edits and medically unlikely edits (MUE), as files of the quarter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from cds_service.review.model import ClaimFinding
from fhir_mappers.record import Concept, EncounterRecord

CPT, HCPCS = "http://www.ama-assn.org/go/cpt", "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
_ALLOWED, _NOT_ALLOWED = "1", "0"
_PER_LINE = "1"  # MUE adjudication indicator: units of one line; 2 and 3: of one day
_DONE = (None, "completed")


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a claim, or of a draft order."""

    source: str
    code: str
    day: date
    units: float
    reasons: tuple[Concept, ...] = ()
    is_order: bool = False


@dataclass(frozen=True, slots=True)
class ProcedurePair:
    """A PTP edit: the second code is not paid beside the first on one day."""

    first: str
    second: str
    effective_from: date
    effective_to: date | None
    modifier: str  # "0" no modifier helps, "1" a modifier may, "9" not applicable
    rationale: str
    version: str

    def in_force(self, on: date) -> bool:
        """Tell whether the edit applies on a date of service."""
        return self.effective_from <= on and (self.effective_to is None or on <= self.effective_to)


@dataclass(frozen=True, slots=True)
class UnitLimit:
    """An MUE: most units of one service for one patient on one day, or on one line."""

    code: str
    units: int
    indicator: str  # "1" line, "2" day by policy, "3" day by clinical practice
    rationale: str
    version: str
    effective_from: date | None


def services_of(record: EncounterRecord, on: date) -> tuple[Service, ...]:
    """Return the procedures done and the draft orders that carry a HCPCS or CPT code, in order of reference."""
    found = [
        Service(p.source, code, p.performed.date() if p.performed else on, 1)
        for p in record.procedures
        if p.status in _DONE and (code := _code(p.concept))
    ]
    found += [
        Service(o.source, code, on, o.quantity or 1, o.reasons, True) for o in record.orders if o.status == "draft" and (code := _code(o.concept))
    ]
    return tuple(sorted(found, key=lambda s: (s.day, s.source)))


def _code(concept: Concept) -> str | None:
    return concept.code_in(HCPCS) or concept.code_in(CPT)


def service_findings(
    services: Sequence[Service], pairs: Mapping[tuple[str, str], ProcedurePair], limits: Mapping[str, UnitLimit]
) -> tuple[ClaimFinding, ...]:
    """Return pairs that are not paid together, and services beyond their units, day by day."""
    days: dict[date, list[Service]] = defaultdict(list)
    for service in services:
        days[service.day].append(service)
    return tuple(f for day in sorted(days) for f in (*_pairs(days[day], day, pairs), *_units(days[day], limits)))


def _pairs(services: Sequence[Service], day: date, pairs: Mapping[tuple[str, str], ProcedurePair]) -> Iterator[ClaimFinding]:
    by_code = {s.code: s for s in reversed(services)}
    for first in sorted(by_code):
        for second in sorted(by_code):
            pair = pairs.get((first, second))
            if pair is None or not pair.in_force(day) or pair.modifier not in (_ALLOWED, _NOT_ALLOWED):
                continue
            helps = pair.modifier == _ALLOWED
            remedy = (
                "Report the second only if it was a separate service, with the modifier that says so (59, XE, XP, XS, XU, or the anatomic one); else drop it."
                if helps
                else "Report the first alone: no modifier lets the second be paid."
            )
            yield ClaimFinding(
                "ncci.pair",
                (first, second),
                "NCCI procedure-to-procedure edits",
                pair.version,
                f"{second} is not paid beside {first} on {day.isoformat()}: {pair.rationale.lower() or 'NCCI edit'}.",
                remedy,
                "warning" if helps else "critical",
                _orders(by_code[first], by_code[second]),
                pair.effective_from,
                pair.effective_to,
            )


def _units(services: Sequence[Service], limits: Mapping[str, UnitLimit]) -> Iterator[ClaimFinding]:
    for code in sorted({s.code for s in services}):
        limit = limits.get(code)
        if limit is None:
            continue
        same = [s for s in services if s.code == code]
        units = max(s.units for s in same) if limit.indicator == _PER_LINE else sum(s.units for s in same)
        if units > limit.units:
            scope = "on one line" if limit.indicator == _PER_LINE else "on one day"
            yield ClaimFinding(
                "mue.units",
                (code,),
                "NCCI medically unlikely edits",
                limit.version,
                f"{units:g} units of {code} {scope}; the limit is {limit.units} ({limit.rationale.lower()}).",
                "Check the units against the record; bill more only where it supports them, and be ready to appeal."
                if limit.indicator != "2"
                else "Correct the units: this limit follows from the definition of the service and is absolute.",
                "critical" if limit.indicator == "2" else "warning",
                _orders(*same),
                limit.effective_from,
            )


def _orders(*services: Service) -> tuple[str, ...]:
    return tuple(dict.fromkeys(s.source for s in services if s.is_order))
