"""Judging a resource by its R4B model: what departs from the standard is named, so that nothing is lost in silence.

Reading itself goes through `fhir_mappers.elements`, which takes every element of the right type and treats the rest as absent. The
models therefore never decide whether a resource is read, only what has to be said about it (docs/decisions/fhir.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from fhir_core.fhirabstractmodel import FHIRAbstractModel
from pydantic import ValidationError

# Not looked at: narrative and extensions carry nothing that is coded; contained resources are read on their own; base64 is checked on decoding.
_ASIDE = frozenset({"contained", "text", "extension", "modifierExtension", "meta", "implicitRules", "language", "fhir_comments"})
# Missing, unknown and loosely written elements do no harm: absent is absent, a date that can't be read is said by its reader.
_HARMLESS = frozenset(
    {"extra_forbidden", "missing", "model_field_validation.missing", "string_pattern_mismatch", "base64_decode", "greater_than_equal", "string_too_short"}
)
# Older and newer forms that the readers understand: STU3 plain codes, DSTU2 and R5 shapes.
_UNDERSTOOD = frozenset(
    {
        "AllergyIntolerance.clinicalStatus", "AllergyIntolerance.code", "AllergyIntolerance.substance", "AllergyIntolerance.verificationStatus",
        "Composition.author", "Condition.category", "Condition.clinicalStatus", "Condition.code", "Condition.verificationStatus", "Coverage.payor",
        "Device.type", "DiagnosticReport.category", "DiagnosticReport.performer", "DocumentReference.author", "DocumentReference.context",
        "DocumentReference.context.encounter", "DocumentReference.type", "Encounter.class", "Encounter.reasonCode", "Encounter.type", "Observation.category",
        "Observation.code", "Observation.interpretation", "Observation.component.interpretation", "Procedure.category",
    }
)  # fmt: skip
_INDEX = re.compile(r"\[\d+\]")
_MAX_NAMED = 3
_MODELS = (
    "AllergyIntolerance", "ClinicalImpression", "Composition", "Condition", "Coverage", "Device", "DeviceRequest", "DiagnosticReport", "DocumentReference",
    "Encounter", "MedicationAdministration", "MedicationRequest", "MedicationStatement", "Observation", "Patient", "Procedure", "ServiceRequest",
)  # fmt: skip


@cache
def model(resource_type: str) -> type[FHIRAbstractModel] | None:
    """Return the R4B model of a resource type that is read; None for any other."""
    return get_fhir_model_class(resource_type) if resource_type in _MODELS else None


def departures(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the paths of elements that are of the wrong JSON type and so could not be read, at most three."""
    kind = resource.get("resourceType")
    judge = model(kind) if isinstance(kind, str) else None
    if judge is None:
        return ()
    try:
        judge.model_validate({k: v for k, v in resource.items() if k not in _ASIDE})
    except ValidationError as found:
        paths = (_path(error["loc"]) for error in found.errors(include_url=False, include_context=False, include_input=False) if _matters(error))
        named = dict.fromkeys(p for p in paths if f"{kind}.{_INDEX.sub('', p)}" not in _UNDERSTOOD)
        return tuple(named)[:_MAX_NAMED]
    except (RecursionError, LookupError, TypeError, AttributeError, ValueError):  # the models raise these on shapes that no resource has
        return ("its shape",)
    return ()


def warm_up() -> None:
    """Load all models now rather than with the first request."""
    for name in _MODELS:
        model(name)


def _matters(error: Any) -> bool:
    if error["type"] in _HARMLESS:
        return False
    return error["type"] != "value_error" or "Decimal" in error["msg"] or "Integer" in error["msg"]


def _path(loc: tuple[int | str, ...]) -> str:
    words = ""
    for part in loc:
        if isinstance(part, int):
            words += f"[{part}]"
        elif part != "root":
            words += f".{part}" if words else part
    return words[:120]
