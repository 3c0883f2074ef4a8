"""Discovery of an EHR's authorisation endpoints (SMART App Launch 2.2, `.well-known/smart-configuration`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

from smart_app.errors import ServerFailure
from smart_app.settings import ClientAuth, is_safe_url
from smart_app.transport import Connect, get_json


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """What one EHR's smart-configuration says, with URLs made absolute."""

    iss: str
    authorization_endpoint: str
    token_endpoint: str
    issuer: str | None = None
    jwks_uri: str | None = None
    capabilities: frozenset[str] = frozenset()
    auth_methods: frozenset[str] = frozenset()

    def require(self, *, standalone: bool, auth: ClientAuth) -> None:
        """Raise ServerFailure where the server says it can't do what the launch needs.

        An EHR launch needs no check of `launch-ehr`: the EHR has just made one.
        """
        if standalone and self.capabilities and "launch-standalone" not in self.capabilities:
            raise ServerFailure(
                "smart.no-standalone",
                "This EHR doesn't offer a launch from outside the chart.",
                "Open Marginalia from the patient's chart in the EHR.",
            )
        if auth is not ClientAuth.PUBLIC and self.auth_methods and str(auth) not in self.auth_methods:
            raise ServerFailure(
                "smart.auth-method",
                f"This EHR doesn't accept the client authentication '{auth}'.",
                f"Set the issuer's 'auth' to one of: {', '.join(sorted(self.auth_methods))}.",
            )


def read_metadata(iss: str, document: Mapping[str, object]) -> ServerMetadata:
    """Return the metadata in a smart-configuration document; raises ServerFailure that names the wrong field.

    Relative URLs are resolved against the FHIR base URL, as the specification asks.
    """
    methods = _strings(document, "code_challenge_methods_supported")
    if "S256" not in methods:
        raise ServerFailure(
            "smart.no-pkce",
            "The EHR's smart-configuration doesn't list S256 in code_challenge_methods_supported.",
            "Ask the EHR's administrator to switch PKCE with S256 on; SMART App Launch 2 requires it.",
        )
    return ServerMetadata(
        iss=iss,
        authorization_endpoint=_url(iss, document, "authorization_endpoint"),
        token_endpoint=_url(iss, document, "token_endpoint"),
        issuer=str(document["issuer"]) if document.get("issuer") else None,
        jwks_uri=_url(iss, document, "jwks_uri") if document.get("jwks_uri") else None,
        capabilities=_strings(document, "capabilities"),
        auth_methods=_strings(document, "token_endpoint_auth_methods_supported"),
    )


class Discovery:
    """Reads and remembers smart-configurations. Safe to share between threads."""

    def __init__(
        self, connect: Connect, *, timeout_s: float, lifetime_s: float = 300.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, ServerMetadata]] = {}

    def find(self, iss: str) -> ServerMetadata:
        """Return the metadata of the allow-listed FHIR base `iss`; raises ServerFailure."""
        base = iss.rstrip("/")
        with self._lock:
            known = self._known.get(base)
        if known and known[0] > self._clock():
            return known[1]
        document = get_json(
            f"{base}/.well-known/smart-configuration", self._connect, timeout_s=self._timeout_s, what="smart-configuration"
        )
        metadata = read_metadata(base, document)
        with self._lock:
            self._known[base] = (self._clock() + self._lifetime_s, metadata)
        return metadata


def _url(iss: str, document: Mapping[str, object], field: str) -> str:
    value = document.get(field)
    url = urljoin(f"{iss}/", value) if isinstance(value, str) and value else ""
    if not is_safe_url(url):
        raise ServerFailure(
            "smart.bad-configuration",
            f"The EHR's smart-configuration has no usable '{field}'.",
            "Ask the EHR's administrator to publish an https URL there.",
        )
    return url


def _strings(document: Mapping[str, object], field: str) -> frozenset[str]:
    value = document.get(field)
    return frozenset(v for v in value if isinstance(v, str)) if isinstance(value, list) else frozenset()
