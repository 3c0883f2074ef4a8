"""Reading elements of FHIR JSON: what is there with the right type is returned, anything else is absent.

These readers never raise, whatever JSON they meet, so that one odd element can't lose a resource. FHIR's own rules for dates
(https://hl7.org/fhir/R4/datatypes.html#dateTime) are followed, with the looseness that real servers need.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from fhir_mappers.record import Coding, Concept
from fhir_mappers.systems import canonical

_EMPTY: Mapping[str, Any] = {}
_UNWRITABLE = re.compile(r"[\0\ud800-\udfff]")  # NUL and half characters: JSON may carry them, databases and encodings refuse them
_DATE_TIME = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?\s*(Z|z|[+-]\d{2}:?\d{2})?)?)?)?")


def child(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object `name` (the first of a list), or an empty one."""
    return next(children(parent, name), _EMPTY)


def children(parent: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of the list `name`; a single object counts as a list of one."""
    value = parent.get(name)
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def items(parent: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the list `name` with an empty object in the place of whatever is none, so that places can be counted."""
    value = parent.get(name)
    return [i if isinstance(i, dict) else _EMPTY for i in value] if isinstance(value, list) else []


def text(parent: Mapping[str, Any], name: str) -> str | None:
    """Return the string `name` without blanks around it, or None where it is absent or empty."""
    value = parent.get(name)
    if not isinstance(value, str):
        return None
    if not value.isascii() or "\0" in value:
        value = _UNWRITABLE.sub("\ufffd", value)
    return value.strip() or None


def number(value: object) -> float | None:
    """Return a finite number; a string of digits counts as one, a boolean doesn't."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def concept(value: object) -> Concept | None:
    """Return a CodeableConcept, a bare Coding, or a plain string as a concept; None where it says nothing."""
    if isinstance(value, str):
        return Concept(text=value.strip()) if value.strip() else None
    if not isinstance(value, dict):
        return None
    if "concept" in value and isinstance(value["concept"], dict):  # R5 CodeableReference
        return concept(value["concept"])
    sources = [value] if "code" in value and "coding" not in value else list(children(value, "coding"))
    codings = tuple(Coding(system=canonical(text(c, "system") or ""), code=code, display=text(c, "display")) for c in sources if (code := text(c, "code")))
    words = text(value, "text") or next((d for c in sources if not text(c, "code") and (d := text(c, "display"))), None)
    return Concept(codings, words) if codings or words else None


def concepts(parent: Mapping[str, Any], name: str) -> tuple[Concept, ...]:
    """Return the concepts of the list `name`, without empty ones."""
    value = parent.get(name)
    items = value if isinstance(value, list) else [value]
    return tuple(found for item in items if (found := concept(item)))


def code(parent: Mapping[str, Any], name: str) -> str | None:
    """Return a status-like code: a plain code, or the first code of a Coding or CodeableConcept."""
    found = next(iter(concepts(parent, name)), None)
    if found is None:
        return None
    return found.codings[0].code if found.codings else found.text


def reference(parent: Mapping[str, Any], name: str) -> str | None:
    """Return `name`.reference."""
    return text(child(parent, name), "reference")


def identity(ref: str) -> tuple[str, str] | None:
    """Return (resource type, id) of a relative, absolute or versioned reference; None for urn:, contained and others."""
    if ref.startswith(("#", "urn:")):
        return None
    parts = ref.split("?")[0].split("/_history/")[0].rstrip("/").split("/")
    return (parts[-2], parts[-1]) if len(parts) >= 2 and parts[-2] and parts[-1] else None


def moment(value: object) -> datetime | None:
    """Return a dateTime as an aware datetime: a missing zone counts as UTC, a partial date as its first instant."""
    match = _DATE_TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    year, month, day_, hour, minute, second, fraction, zone = match.groups()
    try:
        clock = 0 if hour == "24" else int(hour or 0), int(minute or 0), min(int(second or 0), 59), int((fraction or "0")[:6].ljust(6, "0"))
        found = datetime(int(year), int(month or 1), int(day_ or 1), *clock, tzinfo=_zone(zone))
        return found + timedelta(days=1) if hour == "24" else found
    except (ValueError, OverflowError):
        return None


def _zone(words: str | None) -> timezone:
    if not words or words in "Zz":
        return UTC
    hours, minutes = int(words[1:3]), int(words[-2:])
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if words[0] == "-" else offset)


def day(value: object) -> date | None:
    """Return the calendar day of a date or dateTime, in the zone it was written in; a partial date as its first day."""
    found = moment(value)
    return found.date() if found else None


def is_partial(value: object) -> bool:
    """Return whether a date gives less than a day: 2024 or 2024-05."""
    return isinstance(value, str) and len(value.strip()) < 10
