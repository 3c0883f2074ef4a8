"""Completing a hook call: from what the EHR sent along and what must be fetched to one encounter record.

CDS Hooks 2.0.1, "Prefetch Template" and "FHIR Resource Access". P5: an absent key was not supplied, `null` means no
data, an OperationOutcome is an error of the EHR. P6: only what is missing is fetched. P7: a Bundle is paged to its end.
P8: required data that can't be had ends the call with 412.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from cds_service.config import Client, is_loopback, origin_of
from cds_service.errors import PreconditionError, RequestError
from cds_service.hooks.registry import Service
from cds_service.hooks.request import HookRequest, Resource, each_once
from cds_service.hooks.template import Query
from fhir_mappers import EncounterRecord, FhirClient, FhirError, Skipped, fetch_attachments, read_resources

_PARALLEL = 6
_ENOUGH = 500  # resources of one key
_LEAST_OPENING_S = 0.4  # to open documents after a slow fetch: what was waited for should be read


@dataclass(slots=True)
class _Gathered:
    resources: list[Resource] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)  # key -> why it isn't there


def complete(
    service: Service, request: HookRequest, client: Client, *, open_mode: bool, until: float, answer_by: float, session: requests.Session | None = None
) -> EncounterRecord:
    """Return the encounter record of a hook call.

    Args:
        service: the service called.
        request: the call.
        client: who calls.
        open_mode: whether loopback origins need no registration.
        until: when fetching ends (monotonic seconds).
        answer_by: when the call should be answered (monotonic seconds): no further document is opened then, unless the fetch took all the time.
        session: carries the calls to the EHR's FHIR server; it decides which addresses may be called.

    Raises:
        RequestError: a prefetch value is no FHIR resource.
        PreconditionError: data that the service requires can't be had.
        FhirError: a resource of another patient, or input that can't be used at all.
    """
    gathered = _Gathered()
    bundles = _sort_supplied(request, service, gathered)
    why_not = refusal_of_access(request, client, open_mode=open_mode)
    if why_not is None and (gathered.missing or bundles or _has_links(gathered.resources)):
        _fetch(service, request, gathered, bundles, until, session)
    else:
        for key, bundle in bundles.items():
            gathered.resources += _entries(bundle)
            gathered.skipped.append(Skipped(f"prefetch.{key}", "More pages follow, which can't be fetched. " + (why_not or "")))
    _require(service, gathered, why_not)
    for key, reason in gathered.missing.items():
        gathered.skipped.append(Skipped(f"prefetch.{key}", f"{reason} {why_not or ''}".strip()))
    return read_resources(
        # What the user is writing comes first: the chart may hold an older state of it.
        each_once([*request.context.resources, *gathered.resources]),
        patient_id=request.context.patient_id,
        encounter_id=request.context.encounter_id,
        skipped=tuple(gathered.skipped),
        until=max(answer_by, time.monotonic() + _LEAST_OPENING_S),
    )


def refusal_of_access(request: HookRequest, client: Client, *, open_mode: bool) -> str | None:
    """Return why the EHR's FHIR server isn't asked, or None where it may be. The token goes to allow-listed origins only (R6)."""
    if request.fhir_server is None or request.authorization is None:
        return "The call gives no access to a FHIR server (fhirServer and fhirAuthorization)."
    origin = origin_of(request.fhir_server)
    host = urlsplit(origin).hostname or ""
    if origin and (origin in client.fhir_servers or (open_mode and is_loopback(host))):
        return None
    return "The origin of fhirServer isn't registered for this client, so no token was sent there."


def _sort_supplied(request: HookRequest, service: Service, gathered: _Gathered) -> dict[str, Resource]:
    """Take over what the EHR supplied, keys of its own included; return the Bundles that have further pages."""
    for key, template in service.prefetch.items():
        # A template whose tokens this call lacks (no encounter in patient-view) has no data to give.
        if key not in request.prefetch and template.fill(request.context.tokens) is not None:
            gathered.missing[key] = "Not supplied with the call."
    unfinished: dict[str, Resource] = {}
    for key, value in request.prefetch.items():
        where = f"prefetch.{key}"
        if value is None:
            continue
        if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
            raise RequestError(f"{where} is not a FHIR resource.", "Send a resource, a Bundle, or null where there is no data.", field=where)
        if value["resourceType"] == "OperationOutcome":
            gathered.missing[key] = "The EHR reported an error (OperationOutcome) instead of data."
        elif value["resourceType"] != "Bundle":
            gathered.resources.append(value)
        elif _next_link(value):
            unfinished[key] = value
        else:
            gathered.resources += _entries(value)
            gathered.skipped += [Skipped(where, "The EHR's search reported an error; the result may be incomplete.") for r in _all(value) if _is_outcome(r)]
    return unfinished


def _fetch(
    service: Service, request: HookRequest, gathered: _Gathered, bundles: Mapping[str, Resource], until: float, session: requests.Session | None
) -> None:
    if request.fhir_server is None or request.authorization is None:
        return
    seconds = max(0.0, until - time.monotonic())
    with (
        FhirClient(request.fhir_server, token=request.authorization.access_token, deadline_s=seconds, session=session) as client,
        ThreadPoolExecutor(_PARALLEL, thread_name_prefix="prefetch") as pool,
    ):
        asked = [key for key in gathered.missing if key in service.prefetch]
        jobs = {key: pool.submit(_run, client, service.prefetch[key].fill(request.context.tokens), until) for key in asked}
        pages = {key: pool.submit(client.follow, bundle, limit=_ENOUGH, until=until) for key, bundle in bundles.items()}
        for key, job in jobs.items():
            try:
                gathered.resources += job.result()
                del gathered.missing[key]
            except FhirError as error:
                gathered.missing[key] += f" {error.message} {error.remedy}"
        for key, page in pages.items():
            try:
                gathered.resources += page.result()
            except FhirError as error:
                gathered.resources += _entries(bundles[key])
                gathered.skipped.append(Skipped(f"prefetch.{key}", f"Further pages couldn't be fetched. {error.message} {error.remedy}"))
        if _has_links(gathered.resources):
            fetched = fetch_attachments(client, gathered.resources, until=until)
            gathered.resources = list(fetched.resources)
            gathered.skipped += fetched.skipped


def _run(client: FhirClient, query: Query | None, until: float) -> list[Resource]:
    if query is None:
        return []
    if query.parameters is None:
        return [client.read(query.path, until=until)]
    parameters: dict[str, str | list[str]] = dict(query.parameters)
    return client.search(query.path, parameters, limit=_ENOUGH, until=until)


def _require(service: Service, gathered: _Gathered, why_not: str | None) -> None:
    for key in sorted(service.required & set(gathered.missing)):
        raise PreconditionError(
            f"prefetch.{key} is required. {gathered.missing[key]} {why_not or ''}".strip(),
            f"Send prefetch.{key} ({service.prefetch[key].text}), or fhirServer and fhirAuthorization with access to it.",
            field=f"prefetch.{key}",
        )


def _all(bundle: Resource) -> list[Resource]:
    entries = bundle.get("entry")
    return [e["resource"] for e in entries if isinstance(e, dict) and isinstance(e.get("resource"), dict)] if isinstance(entries, list) else []


def _entries(bundle: Resource) -> list[Resource]:
    return [r for r in _all(bundle) if not _is_outcome(r)]


def _is_outcome(resource: Resource) -> bool:
    return resource.get("resourceType") == "OperationOutcome"


def _next_link(bundle: Resource) -> bool:
    links = bundle.get("link")
    return isinstance(links, list) and any(isinstance(x, dict) and x.get("relation") == "next" for x in links)


def _has_links(value: Any) -> bool:
    """Tell whether any attachment is given by address only."""
    if isinstance(value, list | tuple):
        return any(_has_links(v) for v in value)
    if not isinstance(value, Mapping):
        return False
    for key in ("attachment", "presentedForm"):
        parts = value.get(key)
        for part in parts if isinstance(parts, list) else [parts]:
            if isinstance(part, Mapping) and part.get("url") and not part.get("data"):
                return True
    return _has_links(value.get("content")) if isinstance(value.get("content"), list) else False
