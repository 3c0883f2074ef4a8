"""Results of one test over time, as a line of the chart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_FLAGS = {"H": "high", "HH": "very high", "L": "low", "LL": "very low"}


@dataclass(frozen=True, slots=True)
class Trend:
    """The latest value of a test and those before it, newest first."""

    name: str
    value: str
    unit: str
    flag: str | None  # "high" | "low" | ...
    when: str
    limits: str
    before: tuple[tuple[str, str], ...]  # (day, value)


def trends(observations: Iterable[Mapping[str, Any]], categories: set[str]) -> tuple[Trend, ...]:
    """Return one line for each test of these categories, by name."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for observation in observations:
        if categories & {c.get("code") for concept in observation.get("category", []) for c in concept.get("coding", [])}:
            groups.setdefault(observation["code"]["text"], []).append(observation)
    return tuple(_trend(name, sorted(group, key=_when, reverse=True)) for name, group in sorted(groups.items()))


def _trend(name: str, newest_first: list[Mapping[str, Any]]) -> Trend:
    latest = newest_first[0]
    value, unit = _value(latest)
    flag = next((c["code"] for concept in latest.get("interpretation", []) for c in concept["coding"]), "")
    return Trend(
        name=name,
        value=value,
        unit=unit,
        flag=_FLAGS.get(flag),
        when=_when(latest)[:10],
        limits=_limits(latest),
        before=tuple((_when(o)[:10], _value(o)[0]) for o in newest_first[1:]),
    )


def _when(observation: Mapping[str, Any]) -> str:
    return str(observation["effectiveDateTime"])


def _value(observation: Mapping[str, Any]) -> tuple[str, str]:
    parts = [observation["valueQuantity"]] if "valueQuantity" in observation else [c["valueQuantity"] for c in observation["component"]]
    return "/".join(f"{part['value']:g}" for part in parts), parts[0].get("unit", "")


def _limits(observation: Mapping[str, Any]) -> str:
    limits: Mapping[str, Any] = next(iter(observation.get("referenceRange", [])), {})
    low, high = (f"{limits[side]['value']:g}" if side in limits else "" for side in ("low", "high"))
    if low and high:
        return f"{low} to {high}"
    return f"from {low}" if low else f"up to {high}" if high else ""
