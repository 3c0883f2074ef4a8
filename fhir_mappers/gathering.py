"""Fetching everything of one encounter from a FHIR server, in parallel within a bound and one deadline."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

from fhir_mappers import elements
from fhir_mappers.client import CONNECTIONS, Content, FhirClient, Resource
from fhir_mappers.errors import BadResource, DeadlineExceeded, FhirError, ServerRefused
from fhir_mappers.notes.documents import attachments
from fhir_mappers.record import Skipped

LOOKBACK = timedelta(days=396)  # observations of the last 13 months: an annual test with a month's grace
T = TypeVar("T")

_PAGE = "100"
_LIMIT = 500  # resources of one search
_CATEGORIES = ("laboratory", "vital-signs", "social-history,survey,exam,imaging")  # one search each: results are many
_OPTIONAL = ("_include", "_sort", "encounter", "context")  # parameters that a server may refuse, dropped in this order
_QUERY_REFUSED = frozenset({400, 422})
_MEDICATIONS = 50  # read one by one


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server gave for one encounter, and what it didn't. `resources` go to `read_resources`, with `skipped`."""

    resources: tuple[Resource, ...]
    skipped: tuple[Skipped, ...]


def fetch_encounter(client: FhirClient, patient_id: str, encounter_id: str | None, *, today: date | None = None, until: float | None = None) -> Fetched:
    """Return patient, encounter, notes of this encounter first, and the lists of the patient.

    One deadline covers all: `until`, a `time.monotonic` moment; without it the client's.
    A search that fails is told in `skipped`. Raises ServerError where the patient or the encounter itself can't be had.
    """
    until = time.monotonic() + client.deadline_s if until is None else until
    pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="fhir")
    try:
        patient = pool.submit(client.read, f"Patient/{quote(patient_id, safe='')}", until=until)
        encounter = pool.submit(client.read, f"Encounter/{quote(encounter_id, safe='')}", until=until) if encounter_id else None
        jobs = [(t, pool.submit(_search, client, t, p, until)) for t, p in _searches(patient_id, encounter_id)]
        first = [_result(patient, until)] + ([_result(encounter, until)] if encounter else [])
        since = (elements.day(elements.child(first[-1], "period").get("start")) if encounter else None) or today or date.today()
        jobs += [(t, pool.submit(_search, client, t, p, until)) for t, p in _dated_searches(patient_id, encounter_id, since)]
        found: dict[str, Resource] = {_key(r): r for r in first}
        skipped: list[Skipped] = []
        for resource_type, job in jobs:
            try:
                page = _result(job, until)
            except FhirError as error:
                skipped.append(Skipped(resource_type, str(error)))
                continue
            if len(page) == _LIMIT:
                skipped.append(Skipped(resource_type, f"Only the first {_LIMIT} were read. Review older ones by their own encounter."))
            for resource in page:
                found.setdefault(_key(resource), resource)
        for resource in _medications(client, found, pool, until):
            found.setdefault(_key(resource), resource)
        completed = _attachments(client, found.values(), pool, until)
        return Fetched(completed.resources, tuple(dict.fromkeys((*skipped, *completed.skipped))))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def fetch_attachments(client: FhirClient, resources: Iterable[Resource], *, until: float | None = None) -> Fetched:
    """Return the resources with the documents that their attachments point to put in place (`attachment.data`), by `until`."""
    pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="fhir")
    try:
        return _attachments(client, resources, pool, time.monotonic() + client.deadline_s if until is None else until)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _searches(patient: str, encounter: str | None) -> list[tuple[str, dict[str, str]]]:
    """Searches that need nothing but the ids. Notes of this encounter come first, then the patient's lists."""
    own = {"patient": patient, "encounter": encounter, "_count": _PAGE} if encounter else {"patient": patient, "_count": _PAGE}
    whole = {"patient": patient, "_count": _PAGE}
    return [
        ("DocumentReference", own | {"_include": "DocumentReference:author"}),  # for the author's profession
        ("Composition", own),
        ("DiagnosticReport", own),
        ("ClinicalImpression", own),
        ("Condition", whole),
        ("Procedure", own),
        ("ServiceRequest", own),
        ("DeviceRequest", own),
        ("MedicationRequest", whole | {"_include": "MedicationRequest:medication"}),
        ("MedicationStatement", whole),
        ("MedicationAdministration", whole | ({"context": f"Encounter/{encounter}"} if encounter else {})),
        ("AllergyIntolerance", whole),
        ("Device", whole),
        ("Coverage", whole),
    ]


def _dated_searches(patient: str, encounter: str | None, start: date) -> list[tuple[str, dict[str, str]]]:
    """Searches bounded by the encounter's start: recent observations, and notes that name no encounter."""
    recent = {"patient": patient, "date": f"ge{start - LOOKBACK}", "_sort": "-date", "_count": _PAGE}
    found = [("Observation", recent | {"category": c}) for c in _CATEGORIES]
    if encounter:
        near = {"patient": patient, "date": f"ge{start - timedelta(days=1)}", "_sort": "-date", "_count": _PAGE}
        found += [("DocumentReference", near), ("DiagnosticReport", near)]
    return found


def _key(resource: Resource) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id') or id(resource)}"


def _search(client: FhirClient, resource_type: str, params: Mapping[str, str], until: float) -> list[Resource]:
    """Search; where a server refuses the query, search again without what it may not know. Reading sorts out what comes too much."""
    asked = dict(params)
    while True:
        try:
            return client.search(resource_type, asked, limit=_LIMIT, until=until)
        except ServerRefused as error:
            extra = next((name for name in _OPTIONAL if name in asked), None)
            if error.status not in _QUERY_REFUSED or extra is None:
                raise
            del asked[extra]


def _medications(client: FhirClient, found: Mapping[str, Resource], pool: ThreadPoolExecutor, until: float) -> list[Resource]:
    """Return the Medications that orders refer to and that did not come along. One that can't be had is named by its order's display."""
    wanted: dict[str, None] = {}
    for resource in found.values():
        ref = elements.reference(resource, "medicationReference") or ""
        named = elements.identity(ref)
        if named and named[0] == "Medication" and "/".join(named) not in found:
            wanted["/".join(named)] = None
    jobs = [pool.submit(client.read, ref, until=until) for ref in list(wanted)[:_MEDICATIONS]]
    read: list[Resource] = []
    for job in jobs:
        try:
            read.append(_result(job, until))
        except FhirError:
            continue
    return read


def _result(job: Future[T], until: float) -> T:
    done, _ = wait([job], timeout=max(0.0, until - time.monotonic()) + 0.05)
    if not done:
        raise DeadlineExceeded("The FHIR server didn't answer in time.", "Check the server's load, or allow the call more time.")
    return job.result()


def _attachments(client: FhirClient, resources: Iterable[Resource], pool: ThreadPoolExecutor, until: float) -> Fetched:
    jobs = [(r, pool.submit(_completed, client, r, until) if _is_open(r) else None) for r in resources]
    whole: list[Resource] = []
    skipped: list[Skipped] = []
    for resource, job in jobs:
        try:
            whole.append(_result(job, until) if job else resource)
        except FhirError as error:
            whole.append(resource)
            skipped.append(Skipped(f"{resource.get('resourceType')}/{resource.get('id')}", f"Its document could not be fetched. {error}"))
    return Fetched(tuple(whole), tuple(skipped))


def _is_open(resource: Resource) -> bool:
    """Return whether a note has a document elsewhere, and none in place."""
    found = attachments(resource)
    return any(_address(a) for a in found) and not any(elements.text(a, "data") for a in found)


def _address(attachment: Mapping[str, Any]) -> str | None:
    url = elements.text(attachment, "url")
    if url and url.startswith("/Binary/"):  # written like that in US Core's examples, and meant from the base URL
        return url[1:]
    return url if url and not url.startswith(("urn:", "#", "data:")) else None


def _completed(client: FhirClient, resource: Resource, until: float) -> Resource:
    """Return the note with the first document that can be had, by preference of formats, put in place."""
    failure: FhirError | None = None
    for attachment in attachments(resource):
        url = _address(attachment)
        if url is None:
            continue
        try:
            content = client.content(url, elements.text(attachment, "contentType") or "*/*", until=until)
        except FhirError as error:
            failure = failure or error
            continue
        return _with_data(resource, attachment, *_unwrapped(content))
    raise failure or BadResource("It names no document.", "Send the document in attachment.data or attachment.url.")


def _unwrapped(content: Content) -> tuple[str, str | None]:
    """Return base64 data and media type; a FHIR Binary is opened (R4 `data`, STU3 `content`)."""
    if "json" in content.content_type:
        try:
            body = json.loads(content.data)
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict) and body.get("resourceType") == "Binary":
            return elements.text(body, "data") or elements.text(body, "content") or "", elements.text(body, "contentType")
    return base64.b64encode(content.data).decode("ascii"), content.content_type or None


def _with_data(resource: Resource, attachment: Mapping[str, Any], data: str, media_type: str | None) -> Resource:
    """Return a copy of the note whose `attachment` holds the data. The declared type stays, unless it has none or lacks the charset."""
    declared = elements.text(attachment, "contentType")
    kind = declared if declared and ("charset" in declared or not media_type or declared.split(";")[0].strip() not in media_type) else media_type
    filled = {**attachment, "data": data} | ({"contentType": kind} if kind else {})
    if resource.get("resourceType") == "DocumentReference":
        contents = [{**c, "attachment": filled} if elements.child(c, "attachment") is attachment else c for c in elements.children(resource, "content")]
        return {**resource, "content": contents}
    return {**resource, "presentedForm": [filled if f is attachment else f for f in elements.children(resource, "presentedForm")]}
