"""Measurements and drugs: which results and medications of a record a rule means by a name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fhir_mappers.record import EncounterRecord, Medication, Observation

_INACTIVE = ("stopped", "cancelled", "entered-in-error", "draft", "on-hold", "not-taken", "not-done")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A test or vital sign: its LOINC codes, the unit of its limits, and the words by which uncoded results name it."""

    loinc: tuple[str, ...]
    unit: str  # UCUM
    words: tuple[str, ...]


class Measurements:
    """The table of measurements and the table of drug groups."""

    def __init__(self, tests: Mapping[str, Measurement], drugs: Mapping[str, re.Pattern[str]]) -> None:
        self._tests = tests
        self._drugs = drugs

    @classmethod
    def of(cls, tests: Mapping[str, Mapping[str, Any]], drugs: Mapping[str, Iterable[str]]) -> Measurements:
        """Read both tables as parsed from TOML. Raises KeyError or TypeError where a field is missing."""
        return cls(
            {name: Measurement(tuple(t["loinc"]), str(t["unit"]), tuple(t["words"])) for name, t in tests.items()},
            {name: re.compile(r"\b(?:" + "|".join(words) + ")", re.I) for name, words in drugs.items()},
        )

    @property
    def names(self) -> frozenset[str]:
        """Names of measurements."""
        return frozenset(self._tests)

    @property
    def groups(self) -> frozenset[str]:
        """Names of drug groups."""
        return frozenset(self._drugs)

    def test(self, name: str) -> Measurement:
        """Return a measurement by its name."""
        return self._tests[name]

    def pattern(self, group: str) -> re.Pattern[str]:
        """Return the names of the drugs of a group, as one pattern."""
        return self._drugs[group]

    def results(self, name: str, record: EncounterRecord) -> list[tuple[datetime, float, Observation]]:
        """Return the dated numeric results of a measurement in its unit, oldest first."""
        test = self._tests[name]
        found = []
        for observation in record.observations:
            value = _value(observation, test.unit)
            if value is not None and observation.effective and _names(observation, test):
                moment = observation.effective
                found.append((moment if moment.tzinfo else moment.replace(tzinfo=UTC), value, observation))
        return sorted(found, key=lambda r: (r[0], r[2].source, r[1]))

    def given(self, group: str, record: EncounterRecord) -> list[Medication]:
        """Return the active drugs of a group, in order of reference."""
        pattern = self._drugs[group]
        active = (m for m in record.medications if m.status not in _INACTIVE)
        return sorted((m for m in active if pattern.search(m.concept.label)), key=lambda m: m.source)


def _names(observation: Observation, test: Measurement) -> bool:
    codes = {c.code for c in observation.concept.codings}
    if codes & set(test.loinc):
        return True
    label = observation.concept.label.lower()
    return not any(c.system == "http://loinc.org" for c in observation.concept.codings) and any(label == w or label.startswith(f"{w} ") for w in test.words)


def _value(observation: Observation, unit: str) -> float | None:
    if observation.canonical_unit == unit:
        return observation.canonical_value
    if observation.value is not None and (observation.unit or "").lower() == unit.lower():
        return observation.value
    return None
