"""Who launched the app: verification of the id_token and the person it names.

Source: SMART App Launch 2.2, "Scopes for requesting identity data"; OpenID Connect Core 1.0, 3.1.3.7. The order is the
one the specification gives: issuer, openid-configuration, JWKS, signature, claims; only then is `fhirUser` read.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from smart_app.discovery import ServerMetadata
from smart_app.errors import LaunchRefused
from smart_app.keys import read_key_set
from smart_app.transport import Connect, get_json

# RS256 is what every SMART server must offer. No "none" and no shared-secret algorithm: the keys are public.
_ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384")
_LEEWAY_S = 60  # clocks of two hospitals' servers differ by seconds, not minutes
_REFERENCE = re.compile(r"^(?:Practitioner|PractitionerRole|Patient|RelatedPerson|Person|Device)/[A-Za-z0-9\-.]{1,64}$")


@dataclass(frozen=True, slots=True)
class Person:
    """The person in front of the screen, as the verified id_token names them."""

    fhir_user: str  # "Practitioner/7", or an absolute URL where the person's record is on another server
    subject: str
    name: str | None = None


class IdTokens:
    """Verifies id_tokens and remembers the keys of their issuers. Safe to share between threads."""

    def __init__(
        self, connect: Connect, *, timeout_s: float, lifetime_s: float = 600.0, clock: Callable[[], float] = time.time
    ) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, tuple[float, KeySet]] = {}

    def verify(self, token: str, *, metadata: ServerMetadata, client_id: str, nonce: str) -> Person:
        """Return the person of a genuine id_token; raises LaunchRefused for any other, ServerFailure without keys."""
        try:
            unverified = jws.extract_compact(token.encode("ascii"))
            issuer = _claimed_issuer(unverified.payload, metadata)
            kid = unverified.headers().get("kid")
            claims = self._decode(token, issuer, kid if isinstance(kid, str) else None)
            registry = jwt.JWTClaimsRegistry(
                now=lambda: int(self._clock()),
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": issuer},
                aud={"essential": True, "value": client_id},
                sub={"essential": True},
                exp={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            registry.validate(claims)
        except (JoseError, ValueError) as error:
            raise _refused() from error
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != client_id:
            raise _refused()  # OpenID Connect Core 3.1.3.7, points 4 and 5
        return Person(_fhir_user(claims, metadata.iss), str(claims["sub"]), _name(claims))

    def _decode(self, token: str, issuer: str, kid: str | None) -> dict[str, object]:
        keys, fresh = self._key_set(issuer)
        if kid and not fresh and not any(key.kid == kid for key in keys.keys):
            keys, _ = self._key_set(issuer, again=True)  # the EHR has changed its keys since
        candidates = [key for key in keys.keys if kid is None or key.kid == kid]
        for key in candidates:
            try:
                return jwt.decode(token, key, algorithms=_ALGORITHMS).claims
            except JoseError:
                if key is candidates[-1]:
                    raise
        raise ValueError("no key of the issuer fits")

    def _key_set(self, issuer: str, *, again: bool = False) -> tuple[KeySet, bool]:
        with self._lock:
            known = self._keys.get(issuer)
        if known and known[0] > self._clock() and not again:
            return known[1], False
        document = get_json(
            f"{issuer.rstrip('/')}/.well-known/openid-configuration", self._connect, timeout_s=self._timeout_s, what="openid-configuration"
        )
        if document.get("issuer") != issuer:
            raise _refused()  # OpenID Connect Discovery 4.3: the document must name the issuer that was asked
        keys = read_key_set(get_json(str(document.get("jwks_uri", "")), self._connect, timeout_s=self._timeout_s, what="JWK set"))
        with self._lock:
            self._keys[issuer] = (self._clock() + self._lifetime_s, keys)
        return keys, True


def _claimed_issuer(payload: bytes | None, metadata: ServerMetadata) -> str:
    issuer = _json_object(payload or b"{}").get("iss")
    if not isinstance(issuer, str):
        raise ValueError("no iss")
    if metadata.issuer is not None:
        if issuer != metadata.issuer:
            raise ValueError("iss is not the issuer of the smart-configuration")
        return issuer
    # An older smart-configuration names no issuer: then only an origin that the launch already trusts will do.
    trusted = {_origin(url) for url in (metadata.iss, metadata.authorization_endpoint, metadata.token_endpoint)}
    if _origin(issuer) not in trusted:
        raise ValueError("iss is on an unknown host")
    return issuer


def _json_object(payload: bytes) -> dict[str, object]:
    document = json.loads(payload)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    return document


def _fhir_user(claims: Mapping[str, object], iss: str) -> str:
    value = claims.get("fhirUser") or claims.get("profile")  # `profile` is the claim of SMART 1 servers
    if not isinstance(value, str):
        return ""
    relative = value.removeprefix(f"{iss}/")
    if _REFERENCE.match(relative):
        return relative
    return value if urlsplit(value).scheme in ("http", "https") and len(value) <= 300 else ""


def _name(claims: Mapping[str, object]) -> str | None:
    name = claims.get("name")
    return name.strip()[:100] if isinstance(name, str) and name.strip() else None


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _refused() -> LaunchRefused:
    return LaunchRefused(
        "smart.id-token",
        "The EHR's statement of who you are (id_token) isn't genuine or isn't meant for this app.",
        "Open Marginalia again from the patient's chart; if it stays so, tell the EHR's administrator.",
    )
