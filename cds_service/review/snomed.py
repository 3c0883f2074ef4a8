"""SNOMED CT to ICD-10-CM: a problem list that is coded in SNOMED CT, read through the customer's map.

The extended map gives rows by concept: groups that together make the translation, and in each group rows by priority, whose first rule that holds decides.
Rules look at sex, at the age when the condition began, and at other concepts of the list. What isn't known decides nothing: the advice of the map is told
then. Source: NLM, "I-MAGIC / SNOMED CT to ICD-10-CM Map" specification; SNOMED International, Extended Map reference set.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from cds_service.review.codeset import ICD10CM, CodeSet
from fhir_mappers.record import Coding, Concept, EarlierDiagnosis, EncounterRecord, Order, Patient, Problem
from fhir_mappers.systems import SNOMED

_AGE = "445518008"  # age at onset of clinical finding
_SEXES = {"248152002": "female", "248153007": "male"}
_CLAUSE = re.compile(r"IFA\s+(\d+)\s*\|[^|]*\|\s*(?:(<=|>=|<|>|=)\s*(\d+(?:\.\d+)?)\s*(day|month|year)s?)?\s*", re.I)
_DAYS = {"day": 1.0, "month": 365.25 / 12, "year": 365.25}
_OPEN = "?"  # stands in a target for a character that the encounter must give
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class MapRow:
    """One row of the map."""

    group: int
    priority: int
    rule: str  # "TRUE", "OTHERWISE TRUE", "IFA 248152002 | Female (finding) |"
    advice: str
    target: str  # code as it is written; "" where the concept can't be classified


@dataclass(frozen=True, slots=True)
class Who:
    """What the rules look at."""

    sex: str | None = None  # "female" | "male"
    onset_days: float | None = None  # age in days when the condition began
    concepts: frozenset[str] = frozenset()  # other concepts of the same list


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the map makes of a concept."""

    codes: tuple[str, ...] = ()  # one of each group, in order
    advice: tuple[str, ...] = ()  # of groups that can't be decided
    possible: tuple[str, ...] = ()  # targets of such groups


@dataclass(frozen=True, eq=False)
class SnomedMap:
    """One release of a map. Immutable; rows are kept packed, because a map has a quarter of a million."""

    version: str  # "2026-03-01"
    effective_from: date
    _packed: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, version: str, effective_from: date, rows: Iterable[tuple[str, MapRow]]) -> SnomedMap:
        """Return a map of (concept, row)."""
        packed: dict[str, str] = {}
        for concept, row in rows:
            line = _SEPARATOR.join((str(row.group), str(row.priority), row.rule, row.advice, row.target))
            packed[concept] = f"{packed[concept]}\n{line}" if concept in packed else line
        return cls(version, effective_from, packed)

    def __len__(self) -> int:
        return len(self._packed)

    def rows(self, concept: str) -> tuple[MapRow, ...]:
        """Return the rows of a concept by group and priority."""
        found = []
        for line in self._packed.get(concept, "").split("\n"):
            if line:
                group, priority, rule, advice, target = line.split(_SEPARATOR)
                found.append(MapRow(int(group), int(priority), rule, advice, target))
        return tuple(sorted(found, key=lambda r: (r.group, r.priority)))


def mapped(concept: str, by: SnomedMap, who: Who, codes: CodeSet) -> Mapped:
    """Return the codes of a concept for a person, of those that are in force."""
    groups: dict[int, list[MapRow]] = {}
    for row in by.rows(concept):
        groups.setdefault(row.group, []).append(row)
    found: list[str] = []
    advice: list[str] = []
    possible: list[str] = []
    for rows in groups.values():
        decided = _decided(rows, who)
        if decided is not None and not decided.target:
            continue  # the map says that this part can't be classified
        if decided is not None and codes.is_billable(decided.target):
            found.append(decided.target)
            continue
        left = rows if decided is None else [decided]
        advice.append(left[0].advice)
        possible += [t for r in left if (t := r.target.rstrip(_OPEN).rstrip(".")) and codes.is_valid(codes.stem(t) or t)]
    return Mapped(tuple(dict.fromkeys(found)), tuple(dict.fromkeys(advice)), tuple(dict.fromkeys(possible)))


def _decided(rows: Iterable[MapRow], who: Who) -> MapRow | None:
    """Return the first row whose rule holds; None where a rule before it can't be judged, or none holds."""
    for row in rows:
        truth = holds(row.rule, who)
        if truth is None:
            return None
        if truth:
            return row
    return None


def holds(rule: str, who: Who) -> bool | None:
    """Tell whether a rule holds; None where what it asks isn't known."""
    plain = " ".join(rule.split())
    if plain.upper() in ("TRUE", "OTHERWISE TRUE", ""):
        return True
    judged = [_clause(part, who) for part in re.split(r"\s+AND\s+(?=IFA\b)", plain)]
    if False in judged:
        return False
    return None if None in judged else True


def _clause(text: str, who: Who) -> bool | None:
    match = _CLAUSE.fullmatch(text)
    if match is None:
        return None
    concept, sign, number, unit = match.groups()
    if concept in _SEXES:
        return None if who.sex is None else who.sex == _SEXES[concept]
    if concept == _AGE:
        return None if who.onset_days is None or not sign else _compared(who.onset_days, sign, float(number) * _DAYS[unit.lower()])
    return concept in who.concepts if sign is None else None


def _compared(value: float, sign: str, limit: float) -> bool:
    return {"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit, "=": value == limit}[sign]


def through_map(record: EncounterRecord, maps: Iterable[SnomedMap], codes: CodeSet, on: date) -> EncounterRecord:
    """Return a record whose problems, earlier diagnoses and reasons of orders have ICD-10-CM codes beside their SNOMED CT codes.

    What has an ICD-10-CM code already keeps it, and what the map leaves open stays as it is: the same record comes back then.
    """
    by = max((m for m in maps if m.effective_from <= on), key=lambda m: m.effective_from, default=None)
    if by is None:
        return record
    listed = frozenset(code for p in record.problems if (code := p.concept.code_in(SNOMED)))

    def read(concept: Concept, onset: date | None) -> Concept:
        snomed = concept.code_in(SNOMED)
        if snomed is None or concept.code_in(ICD10CM):
            return concept
        found = mapped(snomed, by, _who(record.patient, onset, listed), codes)
        return replace(concept, codings=(*concept.codings, *(Coding(ICD10CM, c, codes.title(c)) for c in found.codes)))

    def problem(one: Problem) -> Problem:
        return replace(one, concept=read(one.concept, one.onset))

    def earlier(one: EarlierDiagnosis) -> EarlierDiagnosis:
        return replace(one, concept=read(one.concept, None))

    def order(one: Order) -> Order:
        return replace(one, reasons=tuple(read(r, None) for r in one.reasons))

    return replace(
        record,
        problems=tuple(problem(p) for p in record.problems),
        earlier_diagnoses=tuple(earlier(d) for d in record.earlier_diagnoses),
        orders=tuple(order(o) for o in record.orders),
    )


def _who(patient: Patient, onset: date | None, listed: Collection[str]) -> Who:
    days = float((onset - patient.birth_date).days) if onset and patient.birth_date and onset >= patient.birth_date else None
    return Who(patient.gender if patient.gender in ("female", "male") else None, days, frozenset(listed))


def left_open(record: EncounterRecord, maps: Iterable[SnomedMap], codes: CodeSet, on: date) -> Iterator[tuple[Problem, Mapped]]:
    """Yield the problems with a SNOMED CT code that the map doesn't translate to complete codes, with its advice."""
    by = max((m for m in maps if m.effective_from <= on), key=lambda m: m.effective_from, default=None)
    listed = frozenset(code for p in record.problems if (code := p.concept.code_in(SNOMED)))
    for one in record.problems if by else ():
        snomed = one.concept.code_in(SNOMED)
        if snomed and by:
            found = mapped(snomed, by, _who(record.patient, one.onset, listed), codes)
            if found.advice or not found.codes:
                yield one, found
