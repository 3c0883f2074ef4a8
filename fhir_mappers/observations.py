"""Observation -> laboratory results and vital signs, one value each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fhir_mappers import elements
from fhir_mappers.chart import Chart, Entry
from fhir_mappers.errors import BadResource
from fhir_mappers.record import Observation, ReferenceRange
from fhir_mappers.systems import LOINC, VITAL_SIGNS
from fhir_mappers.units import canonical, is_known, ucum

_NUMBER = re.compile(r"\s*(?:(<=|>=|<|>)\s*)?([-+]?\d+(?:\.\d+)?)(?:\s*(%|[A-Za-z\[][^\s]{0,20}))?\s*")
_WORDS = {  # what local systems write instead of the codes of v3-ObservationInterpretation
    "high": "H", "above normal": "H", "low": "L", "below normal": "L", "normal": "N", "abnormal": "A", "critical high": "HH", "critically high": "HH",
    "high panic": "HH", "critical low": "LL", "critically low": "LL", "low panic": "LL", "critical": "AA", "critical abnormal": "AA",
}  # fmt: skip
_UNREAD = frozenset({"cancelled", "registered"})


def observations(entry: Entry, chart: Chart) -> Iterator[Observation]:
    """Yield the value of an Observation and of each of its components (systolic and diastolic pressure).

    Raises BadResource where it has no value at all, or was cancelled.
    """
    resource, source = entry.resource, entry.source
    status = elements.code(resource, "status")
    if status in _UNREAD:
        raise BadResource(f"The observation is {status}.", "Nothing to do: it has no result.")
    category = _category(resource)
    effective = chart.first_moment(source, resource, "effective") or chart.moment(resource.get("issued"), source, "issued")
    count = 0
    for part in (resource, *elements.children(resource, "component")):
        named = elements.concept(part.get("code"))
        value = _value(part)
        if named is None or value is None:
            continue
        number, unit, words, comparator = value
        count += 1
        usual = canonical(number, unit, named.code_in(LOINC)) if number is not None else None
        yield Observation(
            source=source,
            concept=named,
            category=category,
            effective=effective,
            value=number,
            unit=unit,
            canonical_value=usual[0] if usual else None,
            canonical_unit=usual[1] if usual else None,
            value_text=words,
            comparator=comparator,
            interpretation=_interpretation(part),
            reference_range=_range(part, unit),
        )
    if not count and not {"hasMember", "component", "dataAbsentReason", "related"} & resource.keys():
        raise BadResource("It has no code or no value.", "Send value[x] or component.value[x].")


def _value(part: Mapping[str, Any]) -> tuple[float | None, str | None, str | None, str | None] | None:
    quantity = elements.child(part, "valueQuantity")
    if (number := elements.number(quantity.get("value"))) is not None:
        return number, _unit(quantity), None, elements.text(quantity, "comparator")
    for name in ("valueInteger", "valueDecimal"):
        if (number := elements.number(part.get(name))) is not None:
            return number, None, None, None
    if words := elements.text(part, "valueString"):
        match = _NUMBER.fullmatch(words)
        if match:
            return float(match.group(2)), ucum(match.group(3)) if match.group(3) else None, words, match.group(1)
        return None, None, words, None
    if coded := elements.concept(part.get("valueCodeableConcept")):
        return None, None, coded.label, None
    if isinstance(part.get("valueBoolean"), bool):
        return None, None, str(part["valueBoolean"]).lower(), None
    return None


def _category(resource: Mapping[str, Any]) -> str:
    codes = [c.code for found in elements.concepts(resource, "category") for c in found.codings]
    for known in ("laboratory", "vital-signs"):
        if known in codes:
            return known
    if codes:
        return codes[0]
    named = elements.concept(resource.get("code"))
    loinc = named.code_in(LOINC) if named else None
    if loinc in VITAL_SIGNS:
        return "vital-signs"
    return "laboratory" if loinc or "referenceRange" in resource or "specimen" in resource else "unknown"


def _interpretation(part: Mapping[str, Any]) -> str | None:
    for found in elements.concepts(part, "interpretation"):
        words = [*(c.code for c in found.codings), *(c.display for c in found.codings if c.display), found.text or ""]
        return next((_WORDS[w.lower()] for w in words if w.lower() in _WORDS), words[0])
    return None


def _unit(quantity: Mapping[str, Any]) -> str | None:
    """Return the UCUM code, or the unit in words where the code is none."""
    written = [w for name in ("code", "unit") if (w := elements.text(quantity, name))]
    return next((u for w in written if is_known(u := ucum(w))), written[0] if written else None)


def _range(part: Mapping[str, Any], unit: str | None) -> ReferenceRange | None:
    """Return the first range; limits in another unit than the value's are left out, since they can't be compared."""
    for given in elements.children(part, "referenceRange"):
        bounds = (elements.child(given, "low"), elements.child(given, "high"))
        if any((u := _unit(b)) is not None and unit is not None and u != unit for b in bounds):
            continue
        low = elements.number(elements.child(given, "low").get("value"))
        high = elements.number(elements.child(given, "high").get("value"))
        words = elements.text(given, "text")
        if low is not None or high is not None or words:
            return ReferenceRange(low, high, words)
    return None
