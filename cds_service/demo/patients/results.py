"""Laboratory results, vital signs and questionnaire scores of a chart as Observations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cds_service.demo.patients.folder import catalogue

Resource = dict[str, Any]

_UCUM = "http://unitsofmeasure.org"
_LOINC = "http://loinc.org"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_BLOOD_PRESSURE = (("8480-6", "Systolic blood pressure"), ("8462-4", "Diastolic blood pressure"))


def observations(slug: str, chart: Resource) -> Iterator[Resource]:
    """Yield one Observation for each value of `labs` and `vitals`, in the order of the chart."""
    gender = chart["patient"]["gender"]
    for key, series in chart.get("labs", {}).items():
        for number, (when, value) in enumerate(series, 1):
            yield _laboratory(slug, key, number, when, value, gender)
    for key, series in chart.get("vitals", {}).items():
        for number, (when, value) in enumerate(series, 1):
            yield _blood_pressure(slug, number, when, value) if key == "blood-pressure" else _vital(slug, key, number, when, value)


def _laboratory(slug: str, key: str, number: int, when: str, value: float, gender: str) -> Resource:
    test = catalogue()["labs"][key]
    limits = test["range"][gender] if isinstance(test["range"], dict) else test["range"]
    low, high = limits
    flag, words = ("L", "Low") if low is not None and value < low else ("H", "High") if high is not None and value > high else ("N", "Normal")
    bounds = {name: _quantity(limit, test["unit"]) for name, limit in (("low", low), ("high", high)) if limit is not None}
    resource = _observation(f"{slug}-lab-{key}-{number}", slug, test, when, "laboratory")
    resource["valueQuantity"] = _quantity(value, test["unit"])
    resource["interpretation"] = [{"coding": [{"system": _INTERPRETATION, "code": flag, "display": words}]}]
    resource["referenceRange"] = [bounds]
    return resource


def _vital(slug: str, key: str, number: int, when: str, value: float) -> Resource:
    sign = catalogue()["vitals"][key]
    resource = _observation(f"{slug}-vital-{key}-{number}", slug, sign, when, sign.get("category", "vital-signs"))
    resource["valueQuantity"] = _quantity(value, sign["unit"])
    return resource


def _blood_pressure(slug: str, number: int, when: str, value: str) -> Resource:
    panel = {"name": "Blood pressure", "loinc": "85354-9", "display": "Blood pressure panel with all children optional"}
    resource = _observation(f"{slug}-vital-blood-pressure-{number}", slug, panel, when, "vital-signs")
    resource["component"] = [
        {"code": {"coding": [{"system": _LOINC, "code": code, "display": display}]}, "valueQuantity": _quantity(int(part), "mm[Hg]")}
        for (code, display), part in zip(_BLOOD_PRESSURE, value.split("/"), strict=True)
    ]
    return resource


def _observation(identity: str, slug: str, test: Resource, when: str, category: str) -> Resource:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "category": [{"coding": [{"system": _CATEGORY, "code": category}]}],
        "code": {"coding": [{"system": _LOINC, "code": test["loinc"], "display": test["display"]}], "text": test.get("name") or test["display"].split(" [")[0]},
        "subject": {"reference": f"Patient/{slug}"},
        "effectiveDateTime": when,
    }


def _quantity(value: float, unit: str) -> Resource:
    """Return a quantity with its UCUM code, and the unit as people write it, where it has one."""
    words = catalogue()["units"].get(unit, unit)
    return {"value": value, "system": _UCUM, "code": unit} | ({"unit": words} if words else {})
