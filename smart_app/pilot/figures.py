"""The figures of a pilot, made of the facts: pure, and with every small cell taken out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from smart_app.decisions import REASONS, Action
from smart_app.pilot import estimates
from smart_app.pilot.disclosure import Count, cells, gathered, hidden, part_of
from smart_app.pilot.estimates import Bounds, Estimate
from smart_app.pilot.facts import EncounterFacts
from smart_app.pilot.measures import MEASURES, Measure, Value
from smart_app.settings import LEAST_CELL

Facts = Sequence[EncounterFacts]
Values = Sequence[tuple[EncounterFacts, Value]]  # what each encounter tells of a measure
Told = Estimate | Bounds | None  # None: nothing to count, or too few patients


@dataclass(frozen=True, slots=True)
class Line:
    """A measure over the whole period, and before and after the date."""

    measure: Measure
    all: Told
    before: Told = None
    after: Told = None
    difference: Estimate | None = None


@dataclass(frozen=True, slots=True)
class CodeLine:
    """What people made of one code, or of all that is rarer."""

    code: str  # "" for the others together
    display: str
    codes: int
    decided: int
    accepted: Count
    share: Estimate | None  # None where it would tell a small cell


@dataclass(frozen=True, slots=True)
class Month:
    """What became of the suggestions of one month."""

    month: str  # "2026-10"
    outcomes: Mapping[str, Count]
    rest: Count  # all that wasn't accepted as it is


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two coders, blind to each other, agree."""

    encounters: int
    same: Estimate | None  # encounters with the very same codes
    share: Estimate | None  # codes on which both say the same
    kappa: Estimate | None
    codes: tuple[tuple[str, str, int, Count], ...]  # code, title, readings, of these alike


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that the owner of a pilot is told. `withheld`: so few patients that nothing is told."""

    tenant: str
    since: datetime
    until: datetime
    change: datetime | None
    least: int
    made: datetime
    withheld: bool
    totals: tuple[tuple[str, str, Count], ...] = ()  # key, words, number
    lines: tuple[Line, ...] = ()
    codes: tuple[CodeLine, ...] = ()
    reasons: tuple[tuple[str, str, Count], ...] = ()
    cards: tuple[tuple[str, str, Count], ...] = ()
    months: tuple[Month, ...] = ()
    agreement: Agreement | None = None


OUTCOMES: Mapping[str, str] = {"accept": "accepted", "change": "changed", "reject": "rejected", "": "not decided"}


def figures(
    facts: Facts,
    *,
    tenant: str,
    since: datetime,
    until: datetime,
    made: datetime,
    change: datetime | None = None,
    least: int = LEAST_CELL,
    payment: bool = True,
) -> Figures:
    """Return the figures of a period; `payment` is False for who isn't told of claims."""
    if len(_patients(facts)) < least:
        return Figures(tenant, since, until, change, least, made, withheld=True)
    ruled = any(e.candidate for e in facts)
    measures = [m for m in MEASURES if (payment or not m.payment) and (ruled or not m.rule)]
    return Figures(
        tenant,
        since,
        until,
        change,
        least,
        made,
        withheld=False,
        totals=tuple(_totals(facts, least)),
        lines=tuple(_line(m, facts, change, least) for m in measures),
        codes=tuple(_codes(facts, least)),
        reasons=_reasons(facts, least),
        cards=_cards(facts, least),
        months=tuple(_months(facts, least)),
        agreement=_agreement(facts, least),
    )


def _patients(facts: Iterable[EncounterFacts]) -> set[str]:
    return {e.patient for e in facts}


def _totals(facts: Facts, least: int) -> Iterable[tuple[str, str, Count]]:
    """Yield the numbers of all encounters; neither a number nor what is missing to the one it is a part of may be of few patients."""
    numbers: tuple[tuple[str, str, Callable[[EncounterFacts], tuple[int, int]]], ...] = (
        ("encounters", "Encounters", lambda _: (1, 1)),
        ("finished", "Encounters finished", lambda e: (int(e.finished), 1)),
        ("suggestions", "Suggestions", lambda e: (len(e.suggested), len(e.suggested))),
        ("decided", "Suggestions decided", lambda e: (len(e.decided), len(e.suggested))),
        ("added", "Codes added by hand", lambda e: (len(e.outcomes) - len(e.suggested),) * 2),
        ("queries", "Queries sent", lambda e: (len(e.queries),) * 2),
        ("answered", "Queries answered", lambda e: (sum(q.answered is not None for q in e.queries), len(e.queries))),
    )
    yield "patients", "Patients", Count(len(_patients(facts)), str(len(_patients(facts))))
    for key, words, of in numbers:
        counts = [(e.patient, *of(e)) for e in facts]
        if hidden(len({patient for patient, part, _ in counts if part}), least):
            yield key, words, Count(None, f"of fewer than {least} patients")
        elif hidden(len({patient for patient, part, whole in counts if part < whole}), least):
            yield key, words, Count(None, f"for all but fewer than {least} patients")
        else:
            number = sum(part for _, part, _ in counts)
            yield key, words, Count(number, str(number))


def _line(measure: Measure, facts: Facts, change: datetime | None, least: int) -> Line:
    told = [(e, value) for e in facts if _tells(value := measure.of(e))]
    whole = _estimate(measure, told, least)
    if change is None:
        return Line(measure, whole)
    earlier, later = [one for one in told if one[0].at < change], [one for one in told if one[0].at >= change]
    before, after = _estimate(measure, earlier, least), _estimate(measure, later, least)
    if not isinstance(before, Estimate) or not isinstance(after, Estimate):
        # One side would follow from the other and the whole.
        return Line(measure, whole, before if not later else None, after if not earlier else None)
    between = None
    if measure.how == "share":
        between = estimates.difference_of_shares(before, after)
    elif measure.how != "p95":  # the bootstrap is poor at the edge
        between = estimates.difference(_numbers(earlier), _numbers(later), of_medians=measure.how == "median")
    return Line(measure, whole, before, after, between)


def _estimate(measure: Measure, told: Values, least: int) -> Told:
    if len({e.patient for e, _ in told}) < least:
        return None
    if measure.how == "share":
        counts = [(e.patient, value) for e, value in told if isinstance(value, tuple)]
        few_hits = hidden(len({patient for patient, (hits, _) in counts if hits}), least)
        few_others = hidden(len({patient for patient, (hits, of) in counts if hits < of}), least)
        if not few_hits and not few_others:
            return estimates.share([count for _, count in counts])
        # The most that so few patients can have; how many they have isn't told.
        most = sum(sorted((of for _, (_, of) in counts), reverse=True)[: least - 1])
        of = sum(of for _, (_, of) in counts)
        return Bounds(0.0 if few_hits else max(0.0, 1 - most / of), min(1.0, most / of) if few_hits else 1.0, of)
    values = _numbers(told)
    if measure.how == "mean":  # of something that is counted: its sum follows from it
        return None if hidden(len({e.patient for e, value in told if value}), least) else estimates.mean(values)
    return estimates.middle(values, 0.95 if measure.how == "p95" else 0.5)


def _tells(value: Value) -> bool:
    return bool(value[1]) if isinstance(value, tuple) else value is not None


def _numbers(told: Values) -> list[float]:
    return [float(value) for _, value in told if isinstance(value, float | int)]


def _codes(facts: Facts, least: int) -> Iterable[CodeLine]:
    """Yield the acceptance by code, over decided suggestions; rare codes stand together, or nowhere."""
    seen: dict[str, list[tuple[EncounterFacts, bool]]] = {}
    titles: dict[str, str] = {}
    for e in facts:
        for o in e.decided:
            seen.setdefault(o.code, []).append((e, o.action is Action.ACCEPT))
            titles[o.code] = titles.get(o.code) or o.display
    alone, others = gathered({code: {e.patient for e, _ in rows} for code, rows in seen.items()}, least)
    groups = [(code, [code]) for code in alone] + ([("", others)] if others else [])
    found = []
    for code, members in groups:
        rows = [row for member in members for row in seen[member]]
        patients = {e.patient for e, _ in rows}
        if len(patients) < least:  # all codes together are rare
            return
        part = part_of(sum(hit for _, hit in rows), len(rows), least)
        if part.value is not None and any(hidden(len({e.patient for e, hit in rows if hit is way}), least) for way in (True, False)):
            part = Count(None, "not shown")
        share = estimates.share([(int(hit), 1) for _, hit in rows] if code else _by_encounter(rows))
        found.append(CodeLine(code, titles.get(code, ""), len(members), len(rows), part, share if part.value is not None else None))
    told = [line for line in found if line.accepted.value is not None]
    if len(told) == len(found) - 1 and told:  # the one that isn't told would follow from the sum of all
        least_told = min(told, key=lambda line: line.decided)
        found[found.index(least_told)] = CodeLine(least_told.code, least_told.display, least_told.codes, least_told.decided, Count(None, "not shown"), None)
    yield from found


def _by_encounter(rows: Sequence[tuple[EncounterFacts, bool]]) -> list[tuple[int, int]]:
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for e, hit in rows:
        hits, of = counts.get((e.patient, e.encounter), (0, 0))
        counts[e.patient, e.encounter] = (hits + hit, of + 1)
    return list(counts.values())


def _reasons(facts: Facts, least: int) -> tuple[tuple[str, str, Count], ...]:
    numbers: Counter[str] = Counter()
    patients: dict[str, set[str]] = {}
    for e in facts:
        for o in e.decided:
            if o.action in (Action.CHANGE, Action.REJECT):
                key = o.reason or "none"
                numbers[key] += 1
                patients.setdefault(key, set()).add(e.patient)
    return _told(numbers, patients, {**REASONS, "none": "No reason given"}, least)


def _cards(facts: Facts, least: int) -> tuple[tuple[str, str, Count], ...]:
    """Return what became of cards in the EHR, and why they were overridden."""
    numbers: Counter[str] = Counter()
    patients: dict[str, set[str]] = {}
    for e in facts:
        for card in e.cards:
            key = "accepted" if card.outcome == "accepted" else f"overridden: {card.reason or 'no reason given'}"
            numbers[key] += 1
            patients.setdefault(key, set()).add(e.patient)
    return _told(numbers, patients, {key: key.capitalize() for key in numbers}, least)


def _told(numbers: Counter[str], patients: Mapping[str, Set[str]], words: Mapping[str, str], least: int) -> tuple[tuple[str, str, Count], ...]:
    counts = cells({key: (number, len(patients[key])) for key, number in numbers.most_common()}, least)
    return tuple((key, words.get(key, key), count) for key, count in counts.items())


def _months(facts: Facts, least: int) -> Iterable[Month]:
    by_month: dict[str, list[EncounterFacts]] = {}
    for e in facts:
        by_month.setdefault(f"{e.at:%Y-%m}", []).append(e)
    alone, _ = gathered({month: _patients(group) for month, group in by_month.items()}, least)
    for month in sorted(alone):
        group = by_month[month]
        numbers = dict.fromkeys(OUTCOMES, 0)
        patients: dict[str, set[str]] = {key: set() for key in OUTCOMES}
        for e in group:
            for o in e.suggested:
                key = o.action.value if o.action else ""
                numbers[key] += 1
                patients[key].add(e.patient)
        rest = sum(numbers.values()) - numbers["accept"]
        few = hidden(len(patients["accept"]), least) or hidden(len(frozenset().union(*(p for key, p in patients.items() if key != "accept"))), least)
        counts = cells({key: (number, len(patients[key])) for key, number in numbers.items()}, least)
        yield Month(month, counts, Count(None, "not shown") if few else Count(rest, str(rest)))


def _agreement(facts: Facts, least: int) -> Agreement | None:
    """Return the agreement of second readings; None where there are none, or of too few patients."""
    read = [(e, e.reading) for e in facts if e.reading]
    if len(_patients(e for e, _ in read)) < least:
        return None
    tables: list[estimates.Table] = []
    by_code: dict[str, list[tuple[str, bool]]] = {}
    titles = {o.code: o.display for e, _ in read for o in e.outcomes if o.display}
    for e, r in read:
        codes = r.candidates
        both, neither = len(r.first & r.second), len(codes - r.first - r.second)
        tables.append((both, len(r.first - r.second), len(r.second - r.first), neither))
        for code in codes:
            by_code.setdefault(code, []).append((e.patient, (code in r.first) == (code in r.second)))
    alone, _ = gathered({code: {patient for patient, _ in rows} for code, rows in by_code.items()}, least)
    lines = [(code, titles.get(code, ""), len(by_code[code]), part_of(sum(same for _, same in by_code[code]), len(by_code[code]), least)) for code in alone]
    return Agreement(
        encounters=len(read),
        same=estimates.share([(int(r.first == r.second), 1) for _, r in read]),
        share=estimates.share([(both + neither, both + first + second + neither) for both, first, second, neither in tables]),
        kappa=estimates.kappa(tables),
        codes=tuple(lines),
    )
