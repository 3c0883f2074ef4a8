"""The public keys of clients: from the settings, or fetched from where the client publishes them.

A fetched set is used for ten minutes. A kid that it lacks makes it be fetched again, at most every half minute: EHRs change
keys, and callers without a key can't make the service call out at will. While the client's server is down the last set
goes on being used, for a day. Two clients never share keys, whatever the kid (J7).
"""

from __future__ import annotations

import logging
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import requests
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from cds_service.config import Client

_LOG = logging.getLogger(__name__)
FRESH_S = 600.0
PAUSE_S = 30.0  # between two fetches of one set
LAST_S = 86_400.0  # how long a set is used that can't be fetched anew
_MOST_KEYS = 100
_LEAST_RSA_BITS = 2048
PublicKey = RSAKey | ECKey
Fetch = Callable[[Client], Mapping[str, object]]


@dataclass
class _Kept:
    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: dict[str, tuple[PublicKey, ...]] = field(default_factory=dict)
    fetched: float = float("-inf")
    tried: float = float("-inf")


class KeySets:
    """Finds the public key of a client by its kid. Safe to share between threads."""

    def __init__(self, fetch: Fetch, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take what fetches a client's key set: raises requests.RequestException or ValueError where it can't be had."""
        self._fetch = fetch
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def find(self, client: Client, kid: str, algorithm: str) -> PublicKey | None:
        """Return the client's key with this kid that fits an algorithm ("ES384", "RS384"), or None."""
        if client.keys:
            return _fitting(read_keys(client.keys).get(kid, ()), algorithm)
        if not client.jwks_url:
            return None
        with self._lock:
            kept = self._kept.setdefault(client.name, _Kept())
        known = kid in kept.keys and self._clock() - kept.fetched < LAST_S
        if known and self._clock() - kept.fetched < FRESH_S:
            return _fitting(kept.keys[kid], algorithm)
        # Who has a key that will do doesn't wait for another caller's fetch.
        if kept.lock.acquire(blocking=not known):
            try:
                self._renew(client, kept, kid)
            finally:
                kept.lock.release()
        if self._clock() - kept.fetched >= LAST_S:
            return None
        return _fitting(kept.keys.get(kid, ()), algorithm)

    def _renew(self, client: Client, kept: _Kept, kid: str) -> None:
        now = self._clock()
        if (kid in kept.keys and now - kept.fetched < FRESH_S) or now - kept.tried < PAUSE_S:
            return
        kept.tried = now
        try:
            document = self._fetch(client)
            entries = document.get("keys")
            if not isinstance(entries, list):
                raise ValueError("no key set")
            kept.keys, kept.fetched = read_keys(entries), now
        except (requests.RequestException, ValueError) as error:
            _LOG.warning("key set not read", extra={"fields": {"client": client.name, "error": type(error).__name__, "kept": len(kept.keys)}})


def read_keys(entries: Iterable[object]) -> dict[str, tuple[PublicKey, ...]]:
    """Return the keys of a set that can verify here, by kid; keys for other purposes or of other kinds are left out."""
    found: dict[str, list[PublicKey]] = {}
    for entry in list(entries)[:_MOST_KEYS]:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
            continue
        key = read_key(entry)
        if key is not None:
            found.setdefault(entry["kid"], []).append(key)
    return {kid: tuple(keys) for kid, keys in found.items()}


def read_key(entry: Mapping[str, object]) -> PublicKey | None:
    """Return a P-384 key, or an RSA key of at least 2048 bits; None for any other."""
    public = {name: entry[name] for name in ("kty", "kid", "crv", "x", "y", "n", "e") if isinstance(entry.get(name), str)}
    try:
        if public.get("kty") == "EC" and public.get("crv") == "P-384" and entry.get("alg", "ES384") == "ES384":
            return ECKey.import_key(public)  # type: ignore[arg-type]
        if public.get("kty") == "RSA" and entry.get("alg", "RS384") == "RS384":
            if int.from_bytes(urlsafe_b64decode(str(public["n"]) + "==")).bit_length() < _LEAST_RSA_BITS:
                return None
            return RSAKey.import_key(public)  # type: ignore[arg-type]
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None


def _fitting(keys: Iterable[PublicKey], algorithm: str) -> PublicKey | None:
    kind = ECKey if algorithm == "ES384" else RSAKey
    return next((k for k in keys if isinstance(k, kind)), None)
