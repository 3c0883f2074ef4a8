"""Rules: named, dated, sourced decisions on the working sheet, and the one registry they all enter by.

A rule reads the sheet and the case and proposes changes; it changes nothing itself. The rule book applies the changes and
writes the rule's id and source into the rationale, so that every decision can be followed back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from enum import IntEnum

from cds_service.errors import RuleError
from cds_service.review.case import Case
from cds_service.review.model import Alternative, Evidence, NotCoded, Rationale
from cds_service.review.sheet import Line, Sheet, written_codes
from onnx_models.reading import Attributes


class Phase(IntEnum):
    """When a rule acts. Later phases see what earlier ones settled."""

    STATUS = 1  # what is stated of the patient, now, and with enough certainty
    COMBINATION = 2  # several conditions that one code, or a linked pair, expresses
    COMPANION = 3  # codes that must or should accompany another
    EXCLUSION = 4  # codes that may not stand beside another


@dataclass(frozen=True, slots=True)
class Add:
    """Report a code, because its condition is documented."""

    code: str
    confidence: float
    evidence: tuple[Evidence, ...]
    text: str
    attributes: Attributes = field(default_factory=Attributes)
    telling: tuple[Evidence, ...] = ()  # of the evidence, what is quoted first


@dataclass(frozen=True, slots=True)
class Exchange:
    """Report `new` instead of `old`, on the evidence of both."""

    old: str
    new: str
    text: str
    confidence: float | None = None  # None: that of `old`
    evidence: tuple[Evidence, ...] = ()  # beside that of `old`
    alternative: str | None = None  # why `old` stays on view as an alternative; None: it doesn't
    telling: tuple[Evidence, ...] = ()  # of the evidence, what is quoted first


@dataclass(frozen=True, slots=True)
class Withhold:
    """Don't report a code."""

    code: str
    reason: str  # as shown under "not coded": "integral to J18.9"
    under: str | None = None  # code whose alternatives show it
    why: str = ""  # what would make it right, where `under` is given


@dataclass(frozen=True, slots=True)
class Offer:
    """Name another code at a line, and what would make it right."""

    code: str
    other: str
    confidence: float
    why: str


@dataclass(frozen=True, slots=True)
class Explain:
    """Keep a code, and say why."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Precede:
    """Put one code before another, where both stand."""

    code: str
    other: str
    text: str


Change = Add | Exchange | Withhold | Offer | Explain | Precede
Decide = Callable[[Sheet, Case], Iterable[Change]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One convention or guideline."""

    id: str  # "guideline.I.C.4.a.2"
    title: str
    source: str  # "ICD-10-CM Official Guidelines FY2026, I.C.4.a.2"
    phase: Phase
    needs: tuple[str, ...]  # code prefixes of which one must stand; empty: always asked
    yields: tuple[str, ...]  # code prefixes that it may report
    decide: Decide = field(repr=False)
    valid_from: date = date(2015, 10, 1)  # ICD-10-CM in use in the United States
    valid_to: date | None = None

    def in_force(self, on: date) -> bool:
        """Tell whether the rule applies on a date."""
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)


def rule(
    id: str,
    title: str,
    source: str,
    phase: Phase,
    *,
    needs: tuple[str, ...] = (),
    yields: tuple[str, ...] = (),
    valid_from: date = date(2015, 10, 1),
    valid_to: date | None = None,
) -> Callable[[Decide], Rule]:
    """Make a rule of the function that decides it."""
    return lambda decide: Rule(id, title, source, phase, needs, yields, decide, valid_from, valid_to)


class RuleBook:
    """All rules, by id and in the order in which they act."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Register rules. Raises RuleError where an id comes twice."""
        self._rules: dict[str, Rule] = {}
        for one in rules:
            if one.id in self._rules:
                raise RuleError(f"Rule {one.id} is registered twice.", "Give each rule its own id.")
            self._rules[one.id] = one
        self._ordered = tuple(sorted(self._rules.values(), key=lambda r: r.phase))  # stable: else in order of registration

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._ordered)

    def __getitem__(self, id: str) -> Rule:
        return self._rules[id]

    def settle(self, sheet: Sheet, case: Case) -> Sheet:
        """Return the sheet after every rule in force has acted once, in order."""
        written = written_codes(sheet.lines)
        for one in self._ordered:
            if one.in_force(case.on) and (not one.needs or any(f"\n{prefix}" in written for prefix in one.needs)):
                changes = tuple(one.decide(sheet, case))
                for change in changes:
                    sheet = _applied(sheet, change, one, case)
                written = written_codes(sheet.lines) if changes else written
        return sheet


def _applied(sheet: Sheet, change: Change, by: Rule, case: Case) -> Sheet:
    if isinstance(change, Add):
        rationale = (Rationale(by.id, change.text, by.source),)
        return sheet.with_line(Line(change.code, change.confidence, change.evidence, rationale, (), change.attributes, change.telling))
    if isinstance(change, Exchange):
        return _exchanged(sheet, change, by, case)
    if isinstance(change, Withhold):
        return _withheld(sheet, change, by, case)
    line = sheet.lines.get(change.code)
    if line is None:
        return sheet
    if isinstance(change, Precede):
        return _preceding(sheet, change, by)
    if isinstance(change, Explain):
        return sheet.replaced(replace(line, rationale=(*line.rationale, Rationale(by.id, change.text, by.source))))
    return sheet.replaced(replace(line, alternatives=_with_alternative(line, case, change.other, change.confidence, change.why)))


def _preceding(sheet: Sheet, change: Precede, by: Rule) -> Sheet:
    line = sheet.lines.get(change.code)
    if line is None or change.other not in sheet or change.other == change.code:
        return sheet
    reason = Rationale(by.id, change.text, by.source)
    told = line.rationale if reason in line.rationale else (*line.rationale, reason)
    return replace(sheet.replaced(replace(line, rationale=told)), order=(*sheet.order, (change.code, change.other)))


def _exchanged(sheet: Sheet, change: Exchange, by: Rule, case: Case) -> Sheet:
    old = sheet.lines.get(change.old)
    if old is None or change.old == change.new:
        return sheet
    confidence = old.confidence if change.confidence is None else change.confidence
    alternatives = tuple(a for a in old.alternatives if a.code != change.new)
    rationale = (*old.rationale, Rationale(by.id, change.text, by.source))
    evidence = tuple(dict.fromkeys((*old.evidence, *change.evidence)))
    new = Line(change.new, confidence, evidence, rationale, alternatives, old.attributes, (*old.telling, *change.telling))
    if change.alternative is not None:
        new = replace(new, alternatives=_with_alternative(new, case, change.old, old.confidence, change.alternative))
    return sheet.without(change.old).with_line(new)


def _withheld(sheet: Sheet, change: Withhold, by: Rule, case: Case) -> Sheet:
    line = sheet.lines.get(change.code)
    if line is None:
        return sheet
    keeper = sheet.lines.get(change.under) if change.under else None
    if keeper:
        keeper = replace(keeper, alternatives=_with_alternative(keeper, case, line.code, line.confidence, change.why))
        sheet = sheet.replaced(keeper)
    return sheet.without(line.code, NotCoded(line.code, case.codes.title(line.code), line.evidence, change.reason, by.id))


def _with_alternative(line: Line, case: Case, code: str, confidence: float, why: str) -> tuple[Alternative, ...]:
    return (*(a for a in line.alternatives if a.code != code), Alternative(code, case.codes.title(code), round(confidence, 4), why))
