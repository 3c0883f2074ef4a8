"""FHIR REST reads with one deadline, paging and safe retries.

Only GET is ever sent, so a retry can't do anything twice. The token goes to the origin of the base URL and to no other: a next link,
a redirect or an attachment that leads elsewhere is refused before anything is sent.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from fhir_mappers import elements
from fhir_mappers.errors import BadAnswer, DeadlineExceeded, ServerError, ServerRefused, ServerUnavailable

Resource = Mapping[str, Any]
Params = Mapping[str, str | list[str]]

MAX_BODY = 20_000_000  # bytes of one answer
MAX_PAGES = 50
CONNECTIONS = 6  # to one server at a time
_ATTEMPTS = 3
_BACKOFF_S = 0.1
_RETRY_STATUS = frozenset({429, 503})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FHIR_JSON = "application/fhir+json"
_JSON_TYPES = frozenset({_FHIR_JSON, "application/json+fhir", "application/json", "text/json"})
_TOKEN = re.compile(r"[\x21-\x7e]+")  # RFC 6749, appendix A.12
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Content:
    """A document as the server sent it: its bytes and declared media type (with charset, where given)."""

    data: bytes
    content_type: str


class _Bearer(requests.auth.AuthBase):
    """Sends the token, and keeps requests from taking credentials out of a netrc file."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an absolute URL; ("", "", 0) where it is none."""
    try:
        parts: SplitResult = urlsplit(url)
        return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme.lower(), 0)
    except ValueError:
        return "", "", 0


class FhirClient:
    """Reads from one FHIR server. Safe to use from several threads; close it, or use it in a `with` block."""

    def __init__(self, base_url: str, *, token: str | None = None, deadline_s: float = 10.0, session: requests.Session | None = None) -> None:
        """Address the server at `base_url` (http or https). `deadline_s` bounds each call with all its pages and retries."""
        if origin(base_url)[0] not in _PORTS or not origin(base_url)[1]:
            raise ServerUnavailable("The FHIR base URL is not an http or https address.", "Give an address such as https://fhir.example.org/r4.")
        if token and not _TOKEN.fullmatch(token):
            raise ServerRefused("The access token has characters that no token has.", "Pass fhirAuthorization.access_token as it came.", 401)
        self.base_url = base_url.rstrip("/") + "/"
        self.deadline_s = deadline_s
        self._auth = _Bearer(token)
        self._owns_session = session is None
        self._session = session or requests.Session()
        if session is None:
            adapter = HTTPAdapter(pool_connections=1, pool_maxsize=CONNECTIONS, max_retries=0)
            self._session.mount("http://", adapter)
            self._session.mount("https://", adapter)

    def __enter__(self) -> FhirClient:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections, unless the session came from the caller."""
        if self._owns_session:
            self._session.close()

    def read(self, reference: str, *, until: float | None = None) -> Resource:
        """Return the resource of a reference such as "Patient/1". `until` is a `time.monotonic` moment; default: now + deadline.

        Raises ServerError.
        """
        resource = self._json(self._absolute(reference), None, self._until(until))
        wanted = elements.identity(reference)
        if wanted and resource.get("resourceType") != wanted[0]:
            raise BadAnswer(f"The FHIR server answered a read of {wanted[0]} with another resource.", "Check that the base URL is the FHIR endpoint.")
        return resource

    def search(self, resource_type: str, params: Params | None = None, *, limit: int = 1000, until: float | None = None) -> list[Resource]:
        """Return the resources that match, of all pages, at most `limit`; OperationOutcome entries are left out.

        Raises ServerError.
        """
        moment = self._until(until)
        return self._pages(self._json(self._absolute(resource_type), params, moment), limit, moment)

    def follow(self, bundle: Resource, *, limit: int = 1000, until: float | None = None) -> list[Resource]:
        """Return the resources of a searchset that the caller already has, and of the pages that follow it.

        Raises ServerError.
        """
        return self._pages(bundle, limit, self._until(until))

    def content(self, url: str, media_type: str = "*/*", *, until: float | None = None) -> Content:
        """Return the document at `url` (relative, or absolute on the same origin) as sent. A FHIR Binary is for the caller to unwrap.

        Raises ServerError.
        """
        answer = self._get(self._absolute(url), None, f"{media_type}, {_FHIR_JSON};q=0.8, */*;q=0.5", self._until(until))
        return Content(answer.data, answer.content_type)

    def _until(self, until: float | None) -> float:
        return time.monotonic() + self.deadline_s if until is None else until

    def _absolute(self, url: str) -> str:
        absolute = urljoin(self.base_url, url)
        if origin(absolute) != origin(self.base_url):
            raise ServerRefused(
                "The address leads to another origin (scheme, host, port) than the FHIR server, so nothing was sent there.",
                "Serve notes and result pages from the FHIR server's own origin.",
                0,
            )
        return absolute

    def _pages(self, bundle: Resource, limit: int, until: float) -> list[Resource]:
        found: list[Resource] = []
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            if bundle.get("resourceType") != "Bundle":
                raise BadAnswer("The FHIR server answered a search with something other than a Bundle.", "Check that the base URL is the FHIR endpoint.")
            for entry in elements.children(bundle, "entry"):
                resource = elements.child(entry, "resource")
                if resource and resource.get("resourceType") != "OperationOutcome":
                    found.append(resource)
            link = next((elements.text(x, "url") for x in elements.children(bundle, "link") if elements.text(x, "relation") == "next"), None)
            if link is None or link in seen or len(found) >= limit:
                break
            seen.add(link)
            bundle = self._json(self._absolute(link), None, until)
        return found[:limit]

    def _json(self, url: str, params: Params | None, until: float) -> Resource:
        answer = self._get(url, params, _FHIR_JSON, until)
        if answer.content_type.split(";")[0].strip().lower() not in _JSON_TYPES:
            kind = answer.content_type.split(";")[0][:60] or "no content type"
            raise BadAnswer(f"The FHIR server answered {kind}, not FHIR JSON.", "Check that the base URL is the FHIR endpoint and that it speaks R4 as JSON.")
        try:
            body = json.loads(answer.data)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise BadAnswer("The FHIR server's answer is not a JSON object.", "Check the server's log: the answer may have been cut.")
        return body

    def _get(self, url: str, params: Params | None, accept: str, until: float) -> _Answer:
        for attempt in range(_ATTEMPTS):
            last = attempt + 1 == _ATTEMPTS
            try:
                answer = self._once(url, params, accept, until)
            except requests.ConnectionError:
                if last:
                    raise ServerUnavailable("The FHIR server can't be reached.", "Check the address, the network and that the server runs.") from None
                self._pause(_BACKOFF_S * 2**attempt, until)
                continue
            if answer.status in _REDIRECTS:
                url, params = self._absolute(urljoin(url, answer.location or "")), None
                continue
            if answer.status in _RETRY_STATUS and not last:
                self._pause(max(answer.retry_after, _BACKOFF_S * 2**attempt), until)
                continue
            if answer.status >= 400:
                raise _refusal(answer)
            return answer
        raise ServerRefused("The FHIR server redirects again and again.", "Give the address that it redirects to as base URL.", 302)

    def _once(self, url: str, params: Params | None, accept: str, until: float) -> _Answer:
        left = _left(until)
        try:
            with self._session.get(
                url, params=params, headers={"Accept": accept}, auth=self._auth, timeout=left, stream=True, allow_redirects=False
            ) as response:
                return _Answer(
                    status=response.status_code,
                    content_type=response.headers.get("Content-Type", ""),
                    location=response.headers.get("Location"),
                    retry_after=_seconds(response.headers.get("Retry-After", "")),
                    data=_body(response, until),
                )
        except requests.Timeout:
            raise _late() from None
        except requests.exceptions.InvalidURL:
            raise ServerRefused("The FHIR server's address may not be called from here.", "Check the settings of the client and the address.", 0) from None
        except requests.exceptions.SSLError:
            raise ServerUnavailable("The FHIR server's TLS certificate is not trusted.", "Check the certificate, or add its authority on this host.") from None
        except requests.RequestException as error:
            if time.monotonic() >= until:
                raise _late() from None
            if isinstance(error, requests.ConnectionError):
                raise
            raise BadAnswer("The FHIR server's answer can't be read.", "Check the server's log: the answer was cut, or is wrongly encoded.") from None

    @staticmethod
    def _pause(seconds: float, until: float) -> None:
        if seconds >= until - time.monotonic():
            raise ServerUnavailable("The FHIR server is too busy for the time there is.", "Try again later, or allow the call more time.")
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content_type: str
    location: str | None
    retry_after: float
    data: bytes


def _late() -> DeadlineExceeded:
    return DeadlineExceeded("The FHIR server didn't answer in time.", "Check the server's load, or allow the call more time.")


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise _late()
    return left


def _body(response: requests.Response, until: float) -> bytes:
    """Read the body within deadline and size; a timer ends a server that trickles, since a socket timeout starts anew with every byte."""
    watch = threading.Timer(_left(until), _shut, [response])
    watch.daemon = True
    watch.start()
    parts: list[bytes] = []
    size = 0
    try:
        for part in response.iter_content(65536):
            size += len(part)
            if size > MAX_BODY:
                raise BadAnswer(f"The FHIR server's answer is larger than {MAX_BODY // 1_000_000} MB.", "Ask for smaller pages, or leave the document out.")
            parts.append(part)
    finally:
        watch.cancel()
    _left(until)
    return b"".join(parts)


def _shut(response: requests.Response) -> None:
    with suppress(ValueError, OSError):  # the answer was complete in that very moment
        response.raw.shutdown()


def _seconds(retry_after: str) -> float:
    """Return the seconds of a Retry-After header (RFC 9110, section 10.2.3: seconds or a date); 0 where absent."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _refusal(answer: _Answer) -> ServerError:
    """Turn an HTTP error into a typed one. The issue code of an OperationOutcome is told, its free text not: it may name the patient."""
    status = answer.status
    told = f"{status}{_issue(answer.data)}"
    if status == 401:
        return ServerRefused("The FHIR server doesn't accept the access token (401).", "Get a new token: it may have expired.", status)
    if status == 403:
        return ServerRefused("The access token doesn't allow this read (403).", "Ask for the scope that covers this resource type.", status)
    if status in (404, 410):
        return ServerRefused(f"The FHIR server doesn't have it ({told}).", "Check the id, and that the server supports the type.", status)
    if status < 500 and status != 429:
        return ServerRefused(f"The FHIR server refuses the request ({told}).", "Check what the server's CapabilityStatement supports.", status)
    return ServerUnavailable(f"The FHIR server fails ({told}).", "Try again later; the server's log tells more.")


def _issue(data: bytes) -> str:
    try:
        body = json.loads(data[:100_000])
    except (ValueError, RecursionError):
        return ""
    if not isinstance(body, dict) or body.get("resourceType") != "OperationOutcome":
        return ""
    code = elements.text(elements.child(body, "issue"), "code") or ""
    return f", {code}" if code.replace("-", "").isalpha() and len(code) < 40 else ""
