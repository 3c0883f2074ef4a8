"""Decided services -> FHIR R4 ChargeItems that are planned, for billing to price and release.

`status` is "planned": entered, and not yet to be billed. Price, cost centre and account are for billing. Source: FHIR R4, ChargeItem.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fhir_mappers.claims import ClaimService
from fhir_mappers.systems import ICD10PCS
from fhir_mappers.writer import AI_ASSERTED, URN

__all__ = ["charge_draft", "is_charged"]


def is_charged(system: str) -> bool:
    """Tell whether services of a code system are charged one by one: ICD-10-PCS groups a stay, nothing is charged by it."""
    return system != ICD10PCS


def charge_draft(
    service: ClaimService,
    *,
    patient_id: str,
    identifier: str,
    entered: datetime,
    units: int | None = None,
    encounter_id: str | None = None,
    occurred: datetime | None = None,
    enterer: str | None = None,
    enterer_display: str | None = None,
    information: Sequence[str] = (),
    ai_asserted: bool = True,
) -> dict[str, Any]:
    """Return the draft of one charge: the service, how many units of it, when, and references of what supports it (`information`)."""
    resource: dict[str, Any] = {
        "resourceType": "ChargeItem",
        "identifier": [{"system": URN, "value": identifier}],
        "status": "planned",
        "code": {"coding": [{"system": service.system, "code": service.code, "display": service.display}]},
        "subject": {"reference": patient_id if "/" in patient_id else f"Patient/{patient_id}"},
        "quantity": {"value": units or 1},
        "enteredDate": entered.isoformat(timespec="seconds"),
    }
    if ai_asserted:
        resource["meta"] = {"security": [dict(AI_ASSERTED)]}
    if encounter_id:
        resource["context"] = {"reference": encounter_id if "/" in encounter_id else f"Encounter/{encounter_id}"}
    if occurred and occurred.tzinfo:
        resource["occurrenceDateTime"] = occurred.isoformat(timespec="seconds")
    if enterer:
        resource["enterer"] = {"reference": enterer} | ({"display": enterer_display} if enterer_display else {})
    if information:
        resource["supportingInformation"] = [{"reference": reference} for reference in information]
    return resource
