"""Results, drugs and problems beside the note: each value with its course and with what it supports."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fhir_mappers.record import EncounterRecord, Observation, ReferenceRange

Supports = Mapping[str, Mapping[str, str]]  # resource -> anchor of a statement -> its label

_FLAGS = {"H": "high", "HH": "critically high", "L": "low", "LL": "critically low", "A": "abnormal", "AA": "critically abnormal", "POS": "positive"}
_UNITS = {"Cel": "°C", "[degF]": "°F", "{score}": "", "1": "", "[pH]": "", "{INR}": "", "[lb_av]": "lb", "[in_i]": "in"}
_POWERS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_WIDTH, _HEIGHT, _EDGE = 96.0, 24.0, 3.0  # of a time line, in its own units
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Result:
    """One laboratory test or vital sign with its newest value."""

    label: str
    value: str
    flag: str | None
    limits: str | None
    when: str | None
    count: int
    curve: str  # points of a time line ("0,20 48,4 96,12"), '' with fewer than two values
    last: tuple[float, float] | None  # the newest point
    words: str  # the course in words, for those who don't see the line
    supports: tuple[tuple[str, str], ...]
    vital: bool


@dataclass(frozen=True, slots=True)
class Drug:
    """A medication."""

    label: str
    dosage: str | None
    status: str | None
    when: str | None
    supports: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem-list entry or diagnosis."""

    label: str
    code: str | None
    status: str | None
    when: str | None
    supports: tuple[tuple[str, str], ...]


def results(record: EncounterRecord, supports: Supports) -> tuple[Result, ...]:
    """Return one entry for each test, those that support something first, then the abnormal ones."""
    courses: dict[tuple[str, str | None], list[Observation]] = defaultdict(list)
    for observation in record.observations:
        if observation.concept.label:
            courses[observation.concept.label, observation.unit].append(observation)
    found = [_result(sorted(course, key=_moment), supports) for course in courses.values()]
    return tuple(sorted(found, key=lambda r: (not r.supports, r.vital, r.flag is None, r.label.lower())))


def drugs(record: EncounterRecord, supports: Supports) -> tuple[Drug, ...]:
    """Return the medications, those that support something first; the same order twice is shown once."""
    found = dict.fromkeys(
        Drug(m.concept.label, m.dosage, m.status, f"{m.date:%Y-%m-%d}" if m.date else None, _targets([m.source], supports))
        for m in record.medications
        if m.concept.label
    )
    return tuple(sorted(found, key=lambda d: (not d.supports, d.label.lower())))


def findings(record: EncounterRecord, supports: Supports) -> tuple[Finding, ...]:
    """Return problems and diagnoses of the record."""
    found = dict.fromkeys(
        Finding(
            p.concept.label,
            next((c.code for c in p.concept.codings if "icd-10" in c.system), None),
            p.clinical_status,
            p.recorded.isoformat() if p.recorded else None,
            _targets([p.source], supports),
        )
        for p in record.problems
        if p.concept.label
    )
    return tuple(sorted(found, key=lambda f: (not f.supports, f.label.lower())))


def _result(course: Sequence[Observation], supports: Supports) -> Result:
    newest = course[-1]
    curve = _curve([o.value for o in course if o.value is not None])
    return Result(
        label=newest.concept.label,
        value=_value(newest),
        flag=_flag(newest),
        limits=_limits(newest.reference_range),
        when=f"{newest.effective:%Y-%m-%d}" if newest.effective else None,
        count=len(course),
        curve=" ".join(f"{x:g},{y:g}" for x, y in curve),
        last=curve[-1] if curve else None,
        words=", ".join(f"{_value(o)} on {o.effective:%Y-%m-%d}" if o.effective else _value(o) for o in course),
        supports=_targets([o.source for o in course], supports),
        vital=newest.category == "vital-signs",
    )


def _curve(values: Sequence[float]) -> list[tuple[float, float]]:
    if len(values) < 2:
        return []
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = (_WIDTH - 2 * _EDGE) / (len(values) - 1)
    return [(round(_EDGE + at * step, 1), round(_HEIGHT - _EDGE - (v - low) / span * (_HEIGHT - 2 * _EDGE), 1)) for at, v in enumerate(values)]


def _value(observation: Observation) -> str:
    if observation.value is None:
        return observation.value_text or "no value"
    number = f"{observation.comparator or ''}{observation.value:g}"
    unit = readable_unit(observation.unit or "")
    return f"{number} {unit}" if unit else number


def readable_unit(ucum: str) -> str:
    """Return a UCUM unit as people write it: "mm[Hg]" is mmHg, "10*3/uL" is 10³/µL; annotations in braces lose them."""
    if ucum in _UNITS:
        return _UNITS[ucum]
    words = re.sub(r"[\[\]{}]", "", ucum).replace("_", " ").replace("m2", "m²")
    return re.sub(r"\bu(?=[gLlm])", "µ", re.sub(r"10\*(\d)", lambda m: f"10{_POWERS[int(m[1])]}", words))


def _flag(observation: Observation) -> str | None:
    if observation.interpretation:
        return _FLAGS.get(observation.interpretation.upper())
    limits, value = observation.reference_range, observation.value
    if limits is None or value is None or observation.comparator:
        return None
    if limits.high is not None and value > limits.high:
        return "high"
    return "low" if limits.low is not None and value < limits.low else None


def _limits(limits: ReferenceRange | None) -> str | None:
    if limits is None:
        return None
    if limits.low is not None and limits.high is not None:
        return f"{limits.low:g} to {limits.high:g}"
    if limits.high is not None:
        return f"up to {limits.high:g}"
    return f"from {limits.low:g}" if limits.low is not None else limits.text


def _targets(sources: Sequence[str], supports: Supports) -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys((anchor, label) for source in sources for anchor, label in supports.get(source, {}).items()))


def _moment(observation: Observation) -> datetime:
    moment = observation.effective or _LONG_AGO
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
