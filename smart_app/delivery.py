"""Writing to the EHR's FHIR server: conditional creates, updates that respect the ETag, and what came of each.

Nothing is retried in here: a create whose answer was lost may have happened. Who tries again asks the server first
whether it has the resource (by identifier), because not every server heeds If-None-Exist.
Sources: FHIR R4, "RESTful API": conditional create, version-aware updates; RFC 9110, 13.1.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

import requests

from fhir_mappers import FhirClient, FhirError, ServerRefused
from smart_app.transport import Connect

_JSON = "application/fhir+json"
_LOCATION = re.compile(r"(?:^|/)([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?/?$")
_ETAG = re.compile(r'^(?:W/)?"[\x21\x23-\x7e]{0,80}"$')


class Outcome(StrEnum):
    """How a write ended."""

    DONE = "done"
    REFUSED = "refused"  # the server doesn't take it
    CONFLICT = "conflict"  # it was changed meanwhile
    LATER = "later"  # nobody knows, or not now: try again
    ENDED = "ended"  # the token isn't good any more: try again after a new launch


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a write; `problem` is for the person, without the server's own words."""

    outcome: Outcome
    problem: str | None = None
    location: str | None = None
    etag: str | None = None


class FhirWriter:
    """Writes to one FHIR server with one token. Use it in a `with` block."""

    def __init__(self, base_url: str, token: str, connect: Connect, *, timeout_s: float) -> None:
        """Address the server at `base_url`, with a session that `connect` opens; each request has `timeout_s`."""
        self._base = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._session = connect()
        self._reader = FhirClient(base_url, token=token, deadline_s=timeout_s, session=self._session)
        self._headers = {"Authorization": f"Bearer {token}", "Accept": _JSON, "Content-Type": _JSON, "Prefer": "return=representation"}

    def __enter__(self) -> FhirWriter:
        """Return the writer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the connections."""
        self._session.close()

    def create(self, resource: Mapping[str, Any], condition: Mapping[str, str]) -> Answer:
        """Create a resource unless the server has one that meets `condition` (search parameters)."""
        header = {"If-None-Exist": urlencode(condition, quote_via=quote, safe="/|:")}
        return self._send("POST", str(resource["resourceType"]), resource, header)

    def update(self, reference: str, resource: Mapping[str, Any], etag: str | None) -> Answer:
        """Replace a resource, if it is still the version of `etag`."""
        return self._send("PUT", reference, resource, {"If-Match": etag} if etag else {})

    def find(self, resource_type: str, condition: Mapping[str, str]) -> Answer | None:
        """Return where the server has a resource that meets `condition`; None where it has none, or can't be asked."""
        try:
            found = self._reader.search(resource_type, dict(condition), limit=2)
        except FhirError:
            return None
        mine = [r for r in found if r.get("resourceType") == resource_type and r.get("id")]
        if not mine:
            return None
        return Answer(Outcome.DONE, location=f"{resource_type}/{mine[0]['id']}", etag=_version(mine[0]))

    def read(self, reference: str) -> tuple[Mapping[str, Any] | None, Answer]:
        """Return a resource and its ETag, or None and what was wrong."""
        try:
            resource = self._reader.read(reference)
        except ServerRefused as error:
            return None, _refusal(error.status)
        except FhirError:
            return None, Answer(Outcome.LATER, "The EHR can't be reached.")
        return resource, Answer(Outcome.DONE, location=reference, etag=_version(resource))

    def _send(self, method: str, path: str, resource: Mapping[str, Any], headers: dict[str, str]) -> Answer:
        try:
            url, data = f"{self._base}/{path}", json.dumps(resource).encode()
            with self._session.request(
                method, url, data=data, headers=self._headers | headers, timeout=self._timeout_s, allow_redirects=False, stream=True
            ) as response:
                return _answer(response, _body(response), path)
        except requests.exceptions.InvalidURL:
            return Answer(Outcome.REFUSED, "The EHR's address may not be called from here, or leads elsewhere.")
        except (requests.RequestException, OSError):
            return Answer(Outcome.LATER, "The EHR can't be reached.")


def _body(response: requests.Response) -> bytes:
    """Return the body; nothing where it has no good end, since status and headers tell that the entry is there."""
    try:
        return response.content
    except requests.RequestException:
        return b""


def _answer(response: requests.Response, body: bytes, path: str) -> Answer:
    if response.status_code not in (200, 201, 204):
        return _refusal(response.status_code)
    try:
        resource = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        resource = {}
    resource = resource if isinstance(resource, dict) else {}
    named = _LOCATION.search(response.headers.get("Location") or response.headers.get("Content-Location") or "")
    location = named[1] if named else path if "/" in path else None
    if location is None and resource.get("resourceType") == path and resource.get("id"):
        location = f"{path}/{resource['id']}"
    if location is None:
        return Answer(Outcome.LATER, "The EHR didn't say where it keeps the entry.")
    etag = response.headers.get("ETag", "")
    if not _ETAG.match(etag):
        etag = _version(resource) or (f'W/"{named[2]}"' if named and named[2] else "")
    return Answer(Outcome.DONE, location=location, etag=etag or None)


def _refusal(status: int) -> Answer:
    if status == 401:
        return Answer(Outcome.ENDED, "The EHR's permission for this chart has ended. Open Marginalia again from the chart.")
    if status in (409, 412):
        return Answer(Outcome.CONFLICT, "The entry was changed in the EHR since it was written.")
    if status == 403:
        return Answer(Outcome.REFUSED, "The EHR doesn't let you write this (403).")
    if status in (408, 425, 429) or (status >= 500 and status != 501):
        return Answer(Outcome.LATER, f"The EHR is too busy or failed ({status}).")
    if status in (404, 405, 410, 501):
        return Answer(Outcome.REFUSED, f"The EHR doesn't take this kind of entry ({status}).")
    return Answer(Outcome.REFUSED, f"The EHR refused the entry ({status}).")


def _version(resource: Mapping[str, Any]) -> str | None:
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, Mapping) else None
    return f'W/"{version}"' if isinstance(version, str) and _ETAG.match(f'W/"{version}"') else None
