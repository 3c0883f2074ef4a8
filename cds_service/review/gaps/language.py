"""The rule language of documentation gaps: a few typed conditions over the record, a question and its options.

A rule asks when all `needs` hold, at least `at_least` of `any` hold, and none of `unless` does. Every condition that holds gives its
evidence, which the question shows as indicators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from cds_service.errors import RuleError

FAMILIES = ("specificity", "acuity", "laterality", "linkage", "poa", "validation", "conflict", "indicator", "imaging", "recapture")
CLOSING = ("Other (please specify)", "Unable to determine")
SETTINGS = ("inpatient", "outpatient", "emergency")


@dataclass(frozen=True, slots=True)
class Coded:
    """A code at or below one of `codes` stands in the review."""

    codes: tuple[str, ...]
    title: str | None = None  # words that its title must hold ("unspecified stage")
    sided: bool = False  # only where the classification asks for the side and the code names none
    admission: str | None = None  # only with this indicator "present on admission"


@dataclass(frozen=True, slots=True)
class Said:
    """The wording `cue` of the table of cues stands in a note."""

    cue: str
    assertion: str = "present"  # "present" | "any"
    sections: tuple[str, ...] = ()  # kinds of section that count; empty: all
    earlier: bool = False  # only in notes before the day of the encounter


@dataclass(frozen=True, slots=True)
class Mentioned:
    """A note names a condition whose likeliest code lies at or below one of `codes`."""

    codes: tuple[str, ...]
    assertion: str = "present"  # "present" | "possible" | "negated" | "any"
    reports: bool | None = None  # True: in laboratory, imaging or pathology reports only; False: elsewhere only


@dataclass(frozen=True, slots=True)
class Contradicted:
    """A code at or below one of `codes` stands, and another provider's note denies the condition."""

    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """A laboratory result or vital sign of the table of measurements lies beyond a limit, or moves."""

    name: str
    below: float | None = None
    above: float | None = None
    times: int = 1  # how many results
    apart_days: int = 0  # least span between the first and the last of them
    rise: float | None = None  # last less lowest before it, within `within_days`
    rise_percent: float | None = None
    fall: float | None = None  # highest before it less last, within `within_days`
    fall_percent: float | None = None
    within_days: int | None = None  # before the encounter, or span of a movement


@dataclass(frozen=True, slots=True)
class Drug:
    """An active drug of a class of the table of drugs, without `reasons` being given where `unexplained`."""

    group: str
    unexplained: bool = False


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order or procedure whose name holds one of the words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """An active entry of the problem list with an ICD-10-CM code below `codes` or a name that holds one of `words`."""

    codes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """A diagnosis of an encounter of the calendar year before, with a code below `codes`, that no encounter of this year has repeated."""

    codes: tuple[str, ...]


Condition = Coded | Said | Mentioned | Contradicted | Measured | Drug | Ordered | Listed | Earlier
_KINDS: Mapping[str, type] = {
    "coded": Coded,
    "said": Said,
    "mentioned": Mentioned,
    "contradicted": Contradicted,
    "measured": Measured,
    "drug": Drug,
    "ordered": Ordered,
    "listed": Listed,
    "earlier": Earlier,
}
_SUBJECT = {"said": "cue", "measured": "name", "drug": "group", "ordered": "words"}  # what stands at the kind's name; else its codes


@dataclass(frozen=True, slots=True)
class GapRule:
    """One documentation gap."""

    id: str
    family: str
    title: str  # names the subject, never the wished answer
    question: str  # may hold {condition}: the title of the code of the first condition
    options: tuple[str, ...]  # closing options are added
    source: str
    needs: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    at_least: int = 1
    unless: tuple[Condition, ...] = ()
    show: tuple[Condition, ...] = ()  # further indicators, where present
    settings: tuple[str, ...] = SETTINGS
    min_age: int | None = None  # years
    max_age: int | None = None
    priority: int = 2  # 1 first
    each: bool = False  # ask for each code of the first condition

    @property
    def all_options(self) -> tuple[str, ...]:
        """Options as asked: with those that every question ends with."""
        return (*self.options, *CLOSING)


def gap_rules(table: Mapping[str, Any], name: str) -> tuple[GapRule, ...]:
    """Return the rules of a parsed TOML file. Raises RuleError that names file, rule and field."""
    try:
        entries = table["rule"]
    except KeyError as error:
        raise RuleError(f"{name} holds no [[rule]].", "Begin each rule with [[rule]].") from error
    return tuple(_rule(entry, f"{name}, rule {entry.get('id', number)}") for number, entry in enumerate(entries, 1))


def _rule(entry: Mapping[str, Any], where: str) -> GapRule:
    known = {f.name for f in fields(GapRule)}
    unknown = entry.keys() - known
    if unknown:
        raise RuleError(f"{where}: unknown field {sorted(unknown)[0]}.", f"Known fields are {', '.join(sorted(known))}.")
    values: dict[str, Any] = {}
    for key, value in entry.items():
        if key in ("needs", "any", "unless", "show"):
            values[key] = tuple(_condition(c, f"{where}, {key}") for c in value)
        else:
            values[key] = tuple(value) if isinstance(value, list) else value
    missing = {"id", "family", "title", "question", "options", "source"} - values.keys()
    if missing or not (values.get("needs") or values.get("any")):
        lacking = sorted(missing)[0] if missing else "needs or any"
        raise RuleError(f"{where}: {lacking} is missing.", "Give every rule an id, family, title, question, options, source, and needs or any.")
    if values["family"] not in FAMILIES:
        raise RuleError(f"{where}: unknown family {values['family']}.", f"Families are {', '.join(FAMILIES)}.")
    return GapRule(**values)


def _condition(entry: Mapping[str, Any], where: str) -> Condition:
    kinds = [k for k in _KINDS if k in entry]
    if len(kinds) != 1:
        raise RuleError(f"{where}: a condition needs exactly one of {', '.join(_KINDS)}.", "Split it, or name one.")
    kind, rest = kinds[0], dict(entry)
    rest[_SUBJECT.get(kind, "codes")] = rest.pop(kind)
    accepted = {f.name for f in fields(_KINDS[kind])}
    unknown = rest.keys() - accepted
    if unknown:
        raise RuleError(f"{where}: {kind} has no field {sorted(unknown)[0]}.", f"It takes {', '.join(sorted(accepted))}.")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in rest.items()}
    condition: Condition = _KINDS[kind](**values)
    return condition


def referenced(rules: Iterable[GapRule], pick: Callable[[Condition], str | None]) -> frozenset[str]:
    """Return the names that conditions refer to, as `pick` reads them: to check them against their tables."""
    conditions = (c for r in rules for c in (*r.needs, *r.any, *r.unless, *r.show))
    return frozenset(n for c in conditions if (n := pick(c)))
