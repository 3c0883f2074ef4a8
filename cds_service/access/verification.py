"""Verification of the JWTs by which clients prove who they are (CDS Hooks 2.0.1, "Trusting CDS Clients"; RFC 7519, 7523, 8725).

The order: what the token says of itself is read without being believed; issuer and key address are compared with the
settings before anything is fetched; then the signature; then times, audience and, last, whether it was used before.
Why a token was refused is for the log alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from joserfc import jws
from joserfc.errors import JoseError

from cds_service.access.key_sets import KeySets
from cds_service.config import Client

ALGORITHMS = ("ES384", "RS384")
LEEWAY_S = 30  # clocks of two servers differ by seconds
LONGEST_LIFE_S = 3600  # a token must be remembered for as long
_LARGEST = 8192  # characters of a token
_LONGEST_ID = 256  # characters of jti, iss and tenant


class _Registry(jws.JWSRegistry):
    max_header_length = 4096  # a jku may be long


class Replays(Protocol):
    """Remembers which tokens were used."""

    def first_use(self, digest: str, expires: datetime) -> bool:
        """Remember a token until it expires; False where it was used before."""


class NotGenuine(Exception):
    """The token proves nothing. `reason` is a fixed word for the log; the caller is never told."""

    def __init__(self, reason: str, told: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.told = dict(told or {})


@dataclass(frozen=True, slots=True)
class _Claims:
    header: Mapping[str, Any]
    payload: Mapping[str, Any]
    told: dict[str, str]  # iss, tenant and jti, which a log may hold (J8)


class Verifier:
    """Verifies tokens of registered clients. Safe to share between threads."""

    def __init__(self, keys: KeySets, replays: Replays, *, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._replays = replays
        self._clock = clock

    def hook_client(self, token: str, clients: Collection[Client], audience: str) -> Client:
        """Return the client that signed the token of a hook call; raises NotGenuine."""
        read = _read(token)
        client = next((c for c in clients if c.issuer and c.issuer == read.payload.get("iss") and c.jwt_tenant in ("", read.payload.get("tenant"))), None)
        if client is None:
            raise NotGenuine("unknown-issuer", read.told)
        self._verify(token, read, client, audience, client.issuer)
        return client

    def api_client(self, token: str, clients: Collection[Client], audience: str) -> Client:
        """Return the client that signed a client assertion (RFC 7523, section 3: issuer and subject are its id); raises NotGenuine."""
        read = _read(token)
        client = next((c for c in clients if c.api and c.name == read.payload.get("iss")), None)
        if client is None:
            raise NotGenuine("unknown-client", read.told)
        if read.payload.get("sub") != client.name:
            raise NotGenuine("subject", read.told)
        self._verify(token, read, client, audience, f"api:{client.name}")
        return client

    def _verify(self, token: str, read: _Claims, client: Client, audience: str, issuer: str) -> None:
        header, told = read.header, read.told
        if "jku" in header and (header["jku"] != client.jwks_url or not client.jwks_url):
            raise NotGenuine("jku", told)
        key = self._keys.find(client, header["kid"], header["alg"])
        if key is None:
            raise NotGenuine("unknown-key", told)
        try:
            jws.deserialize_compact(token, key, algorithms=[header["alg"]], registry=_Registry(algorithms=list(ALGORITHMS), strict_check_header=False))
        except (JoseError, ValueError, TypeError) as error:
            raise NotGenuine("signature", told) from error
        expires = self._check_times(read)
        sent = read.payload.get("aud")
        if audience not in (sent if isinstance(sent, list) else [sent]):
            raise NotGenuine("audience", told)
        jti = read.payload.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_ID:
            raise NotGenuine("jti", told)
        digest = hashlib.sha256(json.dumps([issuer, jti]).encode()).hexdigest()
        if not self._replays.first_use(digest, datetime.fromtimestamp(expires + LEEWAY_S, UTC)):
            raise NotGenuine("replay", told)

    def _check_times(self, read: _Claims) -> float:
        now = self._clock()
        expires, issued, begins = (_moment(read.payload, name) for name in ("exp", "iat", "nbf"))
        if expires is None or expires <= now - LEEWAY_S:
            raise NotGenuine("expired", read.told)
        if issued is None or issued > now + LEEWAY_S or (begins is not None and begins > now + LEEWAY_S):
            raise NotGenuine("not-yet", read.told)
        if expires > now + LONGEST_LIFE_S + LEEWAY_S:
            raise NotGenuine("too-long", read.told)
        return expires


def _read(token: str) -> _Claims:
    """Return what a token says of itself, none of it believed yet."""
    if not token or len(token) > _LARGEST or not token.isascii():
        raise NotGenuine("form")
    try:
        unverified = jws.extract_compact(token.encode("ascii"), registry=_Registry(strict_check_header=False))
        payload = json.loads(unverified.payload or b"")
        header = unverified.headers()
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise NotGenuine("form") from error
    if not isinstance(payload, dict):
        raise NotGenuine("form")
    told = {name: payload[name][:_LONGEST_ID] for name in ("iss", "tenant", "jti") if isinstance(payload.get(name), str)}
    if header.get("alg") not in ALGORITHMS:
        raise NotGenuine("algorithm", told)
    kind = header.get("typ")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise NotGenuine("type", told)
    if not isinstance(header.get("kid"), str) or not header["kid"]:
        raise NotGenuine("kid", told)
    if "crit" in header or "b64" in header:
        raise NotGenuine("critical-extension", told)
    return _Claims(header, payload, told)


def _moment(payload: Mapping[str, Any], name: str) -> float | None:
    """Return a NumericDate; None where it is absent. Raises NotGenuine for anything that is no moment."""
    value = payload.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11 or not math.isfinite(value):
        raise NotGenuine("time")
    return float(value)
