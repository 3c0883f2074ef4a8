"""A `requests` session that calls allow-listed origins only and takes bounded answers only.

It is handed to whoever needs HTTP (the FHIR client, the reader of keys, the SMART app), so that none of them decides anew
what may be called.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Any, cast

import requests
from requests import PreparedRequest, Response

from cds_service.config import origin_of
from cds_service.outgoing.addresses import AddressPolicy, Resolver, system_resolver
from cds_service.outgoing.connection import GuardedAdapter, NotAllowed

LARGEST = 25_000_000  # bytes of one answer, decoded
_ENCODINGS = frozenset({"", "identity", "gzip"})  # one layer of gzip, which is read piece by piece; nothing else was asked for
_HEADERS = {"User-Agent": "marginalia", "Accept-Encoding": "gzip", "Accept": "*/*"}


class ForbiddenAddress(requests.exceptions.InvalidURL):
    """The URL may not be called: an origin that isn't allowed, or a name that leads to a forbidden address. Nothing was sent."""


class TooMuch(requests.exceptions.ContentDecodingError):
    """The answer is larger than allowed, or packed in a way that wasn't asked for."""


class BoundedResponse(Response):
    """A response whose body ends with an error beyond a size or a moment."""

    largest: int
    until: float

    def iter_content(self, chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[Any]:
        """Yield the body; raises TooMuch and requests.Timeout."""
        return self._bounded(super().iter_content(chunk_size, decode_unicode))

    def _bounded(self, parts: Iterator[Any]) -> Iterator[Any]:
        watch = threading.Timer(max(0.0, self.until - time.monotonic()), self._shut)
        watch.daemon = True
        watch.start()
        size = 0
        try:
            for part in parts:
                size += len(part)
                if size > self.largest:
                    raise TooMuch(f"The answer is larger than {self.largest} bytes.")
                if time.monotonic() >= self.until:
                    raise requests.exceptions.ReadTimeout("The answer didn't come to its end in time.")
                yield part
        except requests.exceptions.RequestException as error:
            if time.monotonic() >= self.until and not isinstance(error, requests.exceptions.Timeout | TooMuch):
                raise requests.exceptions.ReadTimeout("The answer didn't come to its end in time.") from error
            raise
        finally:
            watch.cancel()

    def _shut(self) -> None:
        with suppress(ValueError, OSError, AttributeError):  # it was complete in that very moment
            self.raw.shutdown()


class GuardedSession(requests.Session):
    """Calls only where `allows` says so of the origin, and only to addresses of the policy.

    No cookies, no proxy and no credentials from the environment; a redirect stays on its origin or is an error.
    """

    def __init__(
        self,
        allows: Callable[[str], bool],
        policy: AddressPolicy,
        *,
        resolver: Resolver = system_resolver,
        largest: int = LARGEST,
        longest_s: float = 10.0,
        ca_file: str = "",
    ) -> None:
        super().__init__()
        self._allows = allows
        self._largest = largest
        self._longest_s = longest_s
        self.trust_env = False
        self.max_redirects = 3
        self.verify = ca_file or True
        self.headers.clear()
        self.headers.update(_HEADERS)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # tenants share nothing, not even a load balancer's cookie
        self.adapters.clear()
        adapter = GuardedAdapter(policy, resolver)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """Send a request. Raises ForbiddenAddress, TooMuch and the errors of requests."""
        if not self._allows(origin_of(request.url or "")):
            raise ForbiddenAddress("The origin is not among those that may be called.")
        limit = kwargs.get("timeout")
        if limit is None:
            limit = self._longest_s
        seconds = min(limit if isinstance(limit, int | float) else self._longest_s, max(self._longest_s, 0.001))
        until = time.monotonic() + seconds
        streamed = kwargs.get("stream", False)
        kwargs |= {"timeout": max(seconds, 0.001), "stream": True}
        try:
            plain = super().send(request, **kwargs)
        except NotAllowed as error:
            raise ForbiddenAddress("The name leads to an address that may not be called.") from error
        bounded = plain if isinstance(plain, BoundedResponse) else self._bounded(plain, until)
        if not streamed:
            try:
                _ = bounded.content
            except requests.exceptions.RequestException:
                bounded.close()  # what was left of it mustn't hold a connection
                raise
        return bounded

    def get_redirect_target(self, resp: Response) -> str | None:
        """Return where a redirect leads; raises ForbiddenAddress where that is another origin."""
        target = super().get_redirect_target(resp)
        if target is not None:
            absolute = requests.compat.urljoin(resp.url, target)
            if origin_of(absolute) != origin_of(resp.url):
                resp.close()
                raise ForbiddenAddress("The answer is a redirect to another origin.")
        return target

    def fetch_json(self, url: str, *, seconds: float, largest: int = 1_000_000) -> Mapping[str, object]:
        """Return the JSON object at a URL; a redirect is an error.

        Raises:
            requests.RequestException: it can't be had, within the limits or at all.
            ValueError: it is no JSON object.
        """
        with self.get(url, headers={"Accept": "application/json"}, timeout=seconds, stream=True, allow_redirects=False) as response:
            if response.status_code != 200:
                raise requests.exceptions.HTTPError(f"status {response.status_code}")
            cast(BoundedResponse, response).largest = largest
            raw = response.content
        try:
            document = json.loads(raw)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if not isinstance(document, dict):
            raise ValueError("no JSON object")
        return document

    def _bounded(self, plain: Response, until: float) -> BoundedResponse:
        declared = plain.headers.get("Content-Length", "")
        if plain.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS or (declared.isdigit() and int(declared[:20]) > self._largest):
            plain.close()
            raise TooMuch("The answer is too large, or packed in a way that wasn't asked for.")
        bounded = BoundedResponse()
        bounded.__dict__.update(plain.__dict__)
        bounded.largest, bounded.until = self._largest, until
        return bounded
