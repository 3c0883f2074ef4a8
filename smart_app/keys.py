"""The app's own signing keys for private_key_jwt, and the JWK set that EHRs fetch.

Source: SMART App Launch 2.2, "Client authentication: asymmetric". RS384 and ES384 are the algorithms it names.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from smart_app.errors import ConfigurationError

_PURPOSE = frozenset({"alg", "use", "key_ops"})  # of a private key file: the specification decides these, not the file
_ASSERTION_SECONDS = 240  # the specification allows at most five minutes


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The app's private keys, preferred one first; empty for apps that sign nothing."""

    keys: tuple[RSAKey | ECKey, ...] = ()

    @classmethod
    def load(cls, path: Path | None) -> SigningKeys:
        """Read a private JWK, JWK set or PEM file; raises ConfigurationError."""
        if path is None:
            return cls()
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise _wrong("can't be read") from error
        try:
            if text.lstrip().startswith("{"):
                document = json.loads(text)
                found = [_import({k: v for k, v in entry.items() if k not in _PURPOSE}) for entry in document.get("keys", [document])]
            else:
                found = [_import(text)]
        except (ValueError, TypeError, AttributeError, JoseError) as error:  # of the right JSON, but of another shape
            raise _wrong("holds no RSA or P-384 private key as JWK, JWK set or PEM") from error
        if not found:
            raise _wrong("holds no key")
        return cls(tuple(found))

    def public_set(self) -> Mapping[str, object]:
        """Return the public JWK set, as served at /smart/jwks.json: never a private field."""
        entries = []
        for key in self.keys:
            entry = dict(key.as_dict(private=False))
            entries.append({**entry, "use": "sig", "alg": _algorithm(key), "key_ops": ["verify"]})
        return {"keys": entries}

    def assertion(self, *, client_id: str, token_url: str, clock: Callable[[], float] = time.time) -> str:
        """Return a client assertion for one request to `token_url`; raises ConfigurationError without a key."""
        if not self.keys:
            raise _wrong("is not set, but an issuer uses private_key_jwt")
        key = self.keys[0]
        now = int(clock())
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": token_url,
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
            "jti": secrets.token_urlsafe(24),
        }
        algorithm = _algorithm(key)
        return jwt.encode({"alg": algorithm, "kid": key.kid}, claims, key, algorithms=[algorithm])


def read_key_set(document: Mapping[str, object]) -> KeySet:
    """Return the keys of a JWK set, leaving out those of unknown kinds."""
    keys: list[Key] = []
    entries = document.get("keys")
    for entry in entries if isinstance(entries, list) else []:
        try:
            keys.append(_import(entry))
        except (JoseError, ValueError, TypeError):
            continue  # a set may hold keys for other purposes (encryption, other curves): they can't verify here
    return KeySet(keys)


def _import(value: str | dict[str, object]) -> RSAKey | ECKey:
    if isinstance(value, dict):
        kind = value.get("kty")
        if kind == "RSA":
            key: RSAKey | ECKey = RSAKey.import_key(value)  # type: ignore[arg-type]
        elif kind == "EC":
            key = ECKey.import_key(value)  # type: ignore[arg-type]
        else:
            raise ValueError("unsupported kty")
    else:
        try:
            key = RSAKey.import_key(value)
        except (ValueError, JoseError):
            key = ECKey.import_key(value)
    key.ensure_kid()
    return key


def _algorithm(key: RSAKey | ECKey) -> str:
    return "RS384" if isinstance(key, RSAKey) else "ES384"


def _wrong(problem: str) -> ConfigurationError:
    return ConfigurationError(
        "smart.private-key",
        f"The app's private key file {problem}.",
        "Point the SMART setting 'private_key' to a readable file with an RSA (2048 bits or more) or P-384 private key.",
    )
