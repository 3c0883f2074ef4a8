"""Straight-through candidates: encounters that the work list marks by the customer's own rule. Off unless a file holds rules.

A mark is a remark for a person. Nothing is decided, finished or written by it.

The file is TOML (an example is `docs/examples/straight-through.toml`):

    name              what the rules are and who agreed on them
    [[rule]]
    id                what the work list shows
    settings          "inpatient", "outpatient", "emergency": one or more
    least_confidence  0.5 to 1: of every suggestion
    codes             beginnings of codes: every suggestion begins with one of them; absent: any code
    never             beginnings of codes that no suggestion has
    most_codes        suggestions at most; 12 unless given

An encounter is a candidate where all of one rule holds. Besides, whatever the file says: there is a suggestion, all are complete
codes, no documentation query and no claim edit stands, and every note was read in full.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smart_app.errors import ConfigurationError
from smart_app.review_facts import ReviewFacts

_SETTINGS = ("inpatient", "outpatient", "emergency")
_FIELDS = frozenset({"id", "settings", "least_confidence", "codes", "never", "most_codes"})
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_BEGINNING = re.compile(r"[A-Z0-9][A-Z0-9.]{0,7}")
_LEAST, _MOST = 0.5, 12


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the customer."""

    id: str  # what the work list shows: small letters, digits, hyphens
    settings: frozenset[str]  # inpatient, outpatient, emergency: one or more
    least_confidence: float  # of every suggestion, 0.5 to 1
    codes: tuple[str, ...] = ()  # beginnings of codes, with one of which every suggestion begins; any code unless given
    never: tuple[str, ...] = ()  # beginnings of codes that no suggestion has
    most_codes: int = _MOST  # suggestions at most, 1 to 100

    def holds(self, review: ReviewFacts) -> bool:
        """Tell whether all of the rule holds for a review."""
        codes = [s.code for s in review.suggestions]
        return (
            review.setting in self.settings
            and len(codes) <= self.most_codes
            and all(s.confidence >= self.least_confidence for s in review.suggestions)
            and (not self.codes or all(code.startswith(self.codes) for code in codes))
            and not any(code.startswith(self.never) for code in codes if self.never)
        )


@dataclass(frozen=True, slots=True)
class StraightThrough:
    """The rules of one file."""

    name: str
    rules: tuple[Rule, ...]

    def marks(self, review: ReviewFacts) -> str | None:
        """Return the id of the first rule that marks a review; None where none does."""
        if not review.suggestions or review.asks or review.findings or review.left or not review.read:
            return None
        if not all(s.billable for s in review.suggestions):
            return None
        return next((rule.id for rule in self.rules if rule.holds(review)), None)


def read_rules(path: Path) -> StraightThrough:
    """Return the rules of a file; raises ConfigurationError that names the wrong field."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(f"can't be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(f"isn't TOML: {error}") from error
    name, entries = values.get("name"), values.get("rule")
    if set(values) - {"name", "rule"}:
        raise _wrong(f"has unknown fields: {', '.join(sorted(set(values) - {'name', 'rule'}))}")
    if not isinstance(name, str) or not name.strip():
        raise _wrong("needs a 'name': what the rules are and who agreed on them")
    if not isinstance(entries, list) or not entries or not all(isinstance(e, dict) for e in entries):
        raise _wrong("needs one or more tables [[rule]]")
    rules = tuple(_rule(entry) for entry in entries)
    if len({rule.id for rule in rules}) < len(rules):
        raise _wrong("has two rules with the same 'id'")
    return StraightThrough(name.strip(), rules)


def _rule(entry: Mapping[str, Any]) -> Rule:
    id = entry.get("id")
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise _wrong("has a rule whose 'id' isn't made of small letters, digits and hyphens")
    if set(entry) - _FIELDS:
        raise _wrong(f"has unknown fields in rule '{id}': {', '.join(sorted(set(entry) - _FIELDS))}")
    settings = _strings(entry, id, "settings")
    if not settings or set(settings) - set(_SETTINGS):
        raise _wrong(f"needs in rule '{id}' 'settings': some of {', '.join(_SETTINGS)}")
    least = entry.get("least_confidence")
    if isinstance(least, bool) or not isinstance(least, float | int) or not _LEAST <= least <= 1:
        raise _wrong(f"needs in rule '{id}' 'least_confidence': a number from {_LEAST} to 1")
    most = entry.get("most_codes", _MOST)
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= 100:
        raise _wrong(f"has in rule '{id}' a wrong 'most_codes': a whole number from 1 to 100 is expected")
    codes, never = (_strings(entry, id, name) for name in ("codes", "never"))
    if odd := [code for code in (*codes, *never) if not _BEGINNING.fullmatch(code)]:
        raise _wrong(f"has in rule '{id}' what can't begin a code: {odd[0][:20]!r}; expected is e.g. 'E11' or 'I10'")
    return Rule(id, frozenset(settings), float(least), codes, never, most)


def _strings(entry: Mapping[str, Any], id: str, name: str) -> tuple[str, ...]:
    values = entry.get(name, [])
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise _wrong(f"has in rule '{id}' a wrong '{name}': a list of texts is expected")
    return tuple(values)


def _wrong(problem: str) -> ConfigurationError:
    message = f"The file of straight-through rules {problem}."
    return ConfigurationError("smart.straight-through", message, "Correct it; check it with: marginalia pilot rules FILE")
