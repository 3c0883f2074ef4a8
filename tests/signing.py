"""A registered client of the tests: it holds keys, signs JWTs, and serves or registers its key set."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from flask import Flask, jsonify
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from cds_service.config import Client

ISSUER = "https://ehr.example.org"
PUBLIC = "https://marginalia.example.org"


def new_key(kid: str, kind: str = "EC") -> ECKey | RSAKey:
    """Return a new private key, P-384 or RSA with 2048 bits."""
    if kind == "EC":
        return ECKey.generate_key("P-384", {"kid": kid})
    return RSAKey.generate_key(2048, {"kid": kid})


@dataclass
class Signer:
    """Signs as an EHR does; every member can be put wrong."""

    issuer: str = ISSUER
    key: ECKey | RSAKey = field(default_factory=lambda: new_key("k1"))

    @property
    def public(self) -> dict[str, Any]:
        """The public key as a JWK."""
        return dict(self.key.as_dict(private=False))

    def client(self, name: str = "north", **changes: Any) -> Client:
        """Return the registration of this client, with its key inline."""
        return Client(name, **{"tenant": name, "issuer": self.issuer, "keys": (self.public,), **changes})

    def token(self, audience: Any, header: dict[str, Any] | None = None, *, key: Any = None, algorithm: str = "", **claims: Any) -> str:
        """Return a JWT for an audience; a claim or header member that is None is left out."""
        chosen = algorithm or ("ES384" if isinstance(self.key, ECKey) else "RS384")
        now = int(time.time())
        payload = {"iss": self.issuer, "aud": audience, "iat": now, "exp": now + 300, "jti": str(uuid4())} | claims
        head = {"alg": chosen, "kid": self.key.kid, "typ": "JWT"} | (header or {})
        return jws.serialize_compact(
            {k: v for k, v in head.items() if v is not None},
            json.dumps({k: v for k, v in payload.items() if v is not None}).encode(),
            key or self.key,
            registry=jws.JWSRegistry(algorithms=[chosen], strict_check_header=False),
        )

    def headers(self, audience: str, **changes: Any) -> dict[str, str]:
        """Return the headers of a call."""
        return {"Authorization": f"Bearer {self.token(audience, **changes)}"}


def shared_secret(kid: str) -> OctKey:
    """Return a symmetric key."""
    return OctKey.generate_key(256, {"kid": kid})


@dataclass
class KeyServer:
    """Serves a key set and counts how often it was asked."""

    keys: list[dict[str, Any]]
    asked: int = 0
    down: bool = False

    def app(self) -> Flask:
        """Return the server as a WSGI app."""
        app = Flask("keys")

        @app.get("/jwks.json")
        def jwks() -> Any:
            self.asked += 1
            if self.down:
                return "", 503
            return jsonify({"keys": self.keys})

        return app
