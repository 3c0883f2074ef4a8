"""Hook calls as an EHR makes them: context by hook, prefetch filled from the chart (CDS Hooks 2.0.1)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from cds_service.simulate.chart import Chart, Resource

_TOKEN = re.compile(r"\{\{(.*?)\}\}")
_DRAFTS = ("ServiceRequest", "MedicationRequest", "DeviceRequest")


def context_of(hook: str, chart: Chart, *, user: str = "Practitioner/sim-7") -> dict[str, Any]:
    """Return the context of a hook, as the HL7 hook library defines it."""
    context: dict[str, Any] = {"userId": user, "patientId": chart.patient_id}
    if chart.encounter_id:
        context["encounterId"] = chart.encounter_id
    drafts = [r for kind in _DRAFTS for r in chart.of_type(kind) if r.get("status") == "draft"]
    match hook:
        case "order-sign":
            context["draftOrders"] = _collection(drafts)
        case "order-select":
            context["draftOrders"] = _collection(drafts)
            context["selections"] = [f"{r['resourceType']}/{r.get('id')}" for r in drafts]
        case "problem-list-item-create":
            context["conditions"] = _collection(chart.of_type("Condition")[:1])
        case "appointment-book":
            context["appointments"] = _collection(chart.of_type("Appointment"))
    return context


def hook_call(service: Mapping[str, Any], chart: Chart, *, omit: Collection[str] = (), user: str = "Practitioner/sim-7") -> dict[str, Any]:
    """Return the call of a service, with its prefetch filled from the chart.

    Keys of `omit`, and templates that aren't understood here or whose tokens the context lacks, are left out: "not supplied".
    """
    context = context_of(str(service["hook"]), chart, user=user)
    prefetch: dict[str, Any] = {}
    for key, template in (service.get("prefetch") or {}).items():
        query = filled(str(template), context)
        if key in omit or query is None:
            continue
        found = chart.answer(query)
        if found is not None:
            prefetch[key] = found
    return {"hook": service["hook"], "hookInstance": str(uuid4()), "context": context, "prefetch": prefetch}


def filled(template: str, context: Mapping[str, Any]) -> str | None:
    """Return a template with the tokens of the context; None where one is missing."""
    names = [token.removeprefix("context.") for token in _TOKEN.findall(template)]
    if any(not isinstance(context.get(name), str) for name in names):
        return None
    return unquote(_TOKEN.sub(lambda match: str(context[match[1].removeprefix("context.")]), template))


def _collection(resources: list[Resource]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}
