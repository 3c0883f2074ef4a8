"""The EHR's private key, and the JWTs it signs (CDS Hooks 2.0.1, "Trusting CDS Clients")."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from cds_service.errors import ConfigurationError

_LIFE_S = 300


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs as one EHR. `jku` and `tenant` are sent where they are set."""

    issuer: str
    key: ECKey | RSAKey
    jku: str = ""
    tenant: str = ""

    @property
    def algorithm(self) -> str:
        """ES384 or RS384, as the key wants."""
        return "ES384" if isinstance(self.key, ECKey) else "RS384"

    def token(
        self, audience: object, *, header: Mapping[str, Any] | None = None, claims: Mapping[str, Any] | None = None, key: Any = None, algorithm: str = ""
    ) -> str:
        """Return a JWT for an audience; `header` and `claims` replace members, and take those away that they set to None."""
        now = int(time.time())
        head: dict[str, Any] = {"alg": algorithm or self.algorithm, "kid": self.key.kid, "typ": "JWT"} | ({"jku": self.jku} if self.jku else {})
        body: dict[str, Any] = {"iss": self.issuer, "aud": audience, "iat": now, "exp": now + _LIFE_S, "jti": str(uuid4())}
        body |= {"tenant": self.tenant} if self.tenant else {}
        registry = jws.JWSRegistry(algorithms=[head["alg"]], strict_check_header=False)
        payload = json.dumps(_present(body | dict(claims or {}))).encode()
        return jws.serialize_compact(_present(head | dict(header or {})), payload, key or self.key, registry=registry)


def new_key(path: Path) -> dict[str, Any]:
    """Write a new private P-384 key to a file that only its owner can read, and return the public key set.

    Raises:
        ConfigurationError: there is such a file already, or it can't be written.
    """
    key = ECKey.generate_key("P-384", {"kid": str(uuid4())})
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be written ({error.strerror}).", "Give the path of a new file.") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(key.as_dict(private=True), file)
    return {"keys": [dict(key.as_dict(private=False)) | {"use": "sig", "alg": "ES384"}]}


def load_key(path: Path) -> ECKey | RSAKey:
    """Return the private key (JWK) of a file; raises ConfigurationError."""
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        entry = entry["keys"][0] if "keys" in entry else entry
        key: ECKey | RSAKey = RSAKey.import_key(entry) if entry["kty"] == "RSA" else ECKey.import_key(entry)
        if not key.is_private or not key.kid:
            raise ValueError("not private, or without kid")
    except (OSError, ValueError, KeyError, TypeError, IndexError, JoseError) as error:
        raise ConfigurationError(f"{path} holds no private key as JWK with a kid.", "Make one with `marginalia simulate key FILE`.") from error
    return key


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
