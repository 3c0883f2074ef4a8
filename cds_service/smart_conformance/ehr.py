"""The simulated EHR: an authorisation server and a FHIR server for several issuers, on this machine.

It is lenient where a real one is strict: it answers what it can and remembers all that it was asked, so that each line of the checklist is judged by
itself. What a launch is to look like (patient, token response, id_token) is its `Case`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from cds_service.simulate import Chart
from cds_service.simulate.chart import searchset

# What to register, and what it is for. Each is an issuer of its own: apps remember what they have read of one.
ISSUERS = {
    "main": "most lines",
    "relative": "its configuration has relative addresses",
    "no-pkce": "its configuration doesn't list S256",
    "ehr-only": "it offers no standalone launch",
    "symmetric": "the app is registered with client_secret_basic",
    "refresh": "the app asks for online_access or offline_access",
}
USER = "Practitioner/sim-7"
_LIFE_S = 3600


@dataclass(frozen=True, slots=True)
class Case:
    """What one launch is to look like. In `token` and `claims` a value None takes a member away."""

    chart: Chart
    token: Mapping[str, Any] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)
    signing: str = "RS256"  # "stranger": another key under the same kid; "none"; "HS256": by the public key
    error: str = ""  # what the authorisation endpoint answers instead of a code


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: which issuer, what for, and of which launch."""

    issuer: str
    path: str  # below the issuer: "authorize", "token", "fhir/Patient/1"
    query: Mapping[str, str]
    form: Mapping[str, str]
    headers: Mapping[str, str]
    launch: str
    status: int


@dataclass(frozen=True, slots=True)
class _Code:
    launch: str
    asked: Mapping[str, str]


class SmartEhr:
    """Serves the issuers at `url`, and at `elsewhere` a host that no token may reach. Use it in a `with` block."""

    def __init__(self, client_id: str, *, host: str = "127.0.0.1", port: int = 0, announced: str = "") -> None:
        self.client_id = client_id
        kid = secrets.token_urlsafe(6)  # a new one each time: apps remember keys by it
        self._key = RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})
        self._stranger = RSAKey.generate_key(2048, {"kid": kid})
        self._server = ThreadingHTTPServer((host, port), _handler(self, ""))
        self._other = ThreadingHTTPServer((host, 0), _handler(self, "elsewhere"))
        self.url = announced.rstrip("/") or f"http://{host}:{self._server.server_port}"
        self.elsewhere = f"http://{host}:{self._other.server_port}"
        self.asked: list[Asked] = []
        self.standalone: dict[str, Case] = {}  # by issuer: what the next launch without `launch` is about
        self._cases: dict[str, Case] = {}
        self._codes: dict[str, _Code] = {}
        self._tokens: dict[str, tuple[str, float]] = {}
        self._refresh: dict[str, _Code] = {}

    def __enter__(self) -> SmartEhr:
        """Start to serve."""
        for server in (self._server, self._other):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), name="simulated-ehr", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        for server in (self._server, self._other):
            server.shutdown()
            server.server_close()

    def iss(self, issuer: str = "main") -> str:
        """Return the FHIR base of an issuer."""
        return f"{self.url}/{issuer}/fhir"

    def launch(self, case: Case) -> str:
        """Return the `launch` of a chart that was opened."""
        launch = secrets.token_urlsafe(12)
        self._cases[launch] = case
        return launch

    def sent(self, path: str, *, launch: str = "", issuer: str = "") -> list[Asked]:
        """Return what was asked at a path ("fhir/" stands for all that begin so)."""
        found = [a for a in self.asked if a.path == path or (path.endswith("/") and a.path.startswith(path))]
        return [a for a in found if launch in ("", a.launch) and issuer in ("", a.issuer)]

    def tokens(self, launch: str) -> list[str]:
        """Return the access tokens that were given for a launch."""
        return [token for token, (of, _) in self._tokens.items() if of == launch]

    def answer(self, issuer: str, path: str, query: Mapping[str, str], form: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, str, Any]:
        """Return status, Location and body for a request, and remember it."""
        launch, status, location, body = self._answered(issuer, path, query, form, headers)
        self.asked.append(Asked(issuer, path, dict(query), dict(form), dict(headers), launch, status))
        return status, location, body

    def _answered(
        self, issuer: str, path: str, query: Mapping[str, str], form: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[str, int, str, Any]:
        base = f"{self.url}/{issuer}"
        match path:
            case "fhir/.well-known/smart-configuration":
                return "", 200, "", self._configuration(issuer, base)
            case ".well-known/openid-configuration":
                return "", 200, "", {"issuer": base, "jwks_uri": f"{base}/jwks", "id_token_signing_alg_values_supported": ["RS256"]}
            case "jwks":
                return "", 200, "", {"keys": [self._key.as_dict(private=False)]}
            case "authorize":
                return self._authorize(issuer, query)
            case "token":
                return self._token(issuer, form)
        if path.startswith("fhir/"):
            return self._fhir(path.removeprefix("fhir/"), query, headers.get("authorization", "").removeprefix("Bearer "))
        return "", 404, "", _outcome("not-found")

    def _configuration(self, issuer: str, base: str) -> dict[str, Any]:
        near = ".." if issuer == "relative" else base
        told: dict[str, Any] = {
            "issuer": base,
            "jwks_uri": f"{base}/jwks",
            "authorization_endpoint": f"{near}/authorize",
            "token_endpoint": f"{near}/token",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
            "grant_types_supported": ["authorization_code"],
            "code_challenge_methods_supported": ["plain"] if issuer == "no-pkce" else ["S256"],
            "capabilities": ["launch-ehr", "client-public", "client-confidential-symmetric", "client-confidential-asymmetric", "sso-openid-connect"],
        }
        told["capabilities"] += ["context-ehr-patient", "context-ehr-encounter", "permission-patient", "permission-v1", "permission-v2"]
        if issuer != "ehr-only":
            told["capabilities"] += ["launch-standalone"]
        return told

    def _authorize(self, issuer: str, query: Mapping[str, str]) -> tuple[str, int, str, Any]:
        launch = query.get("launch", "")
        if "launch" not in query and issuer in self.standalone:
            launch = self.launch(self.standalone[issuer])
        if launch not in self._cases or "redirect_uri" not in query:
            return launch, 400, "", {"error": "invalid_request"}
        answer = {"state": query["state"]} if "state" in query else {}
        case = self._cases[launch]
        if case.error:
            answer |= {"error": case.error, "error_description": MARKUP}
        else:
            answer["code"] = secrets.token_urlsafe(16)
            self._codes[answer["code"]] = _Code(launch, dict(query))
        return launch, 302, f"{query['redirect_uri']}?{urlencode(answer)}", None

    def _token(self, issuer: str, form: Mapping[str, str]) -> tuple[str, int, str, Any]:
        if form.get("grant_type") == "refresh_token":
            kept = self._refresh.pop(form.get("refresh_token", ""), None)
        else:
            kept = self._codes.pop(form.get("code", ""), None)
        if kept is None:
            return "", 400, "", {"error": "invalid_grant"}
        case, scope = self._cases[kept.launch], kept.asked.get("scope", "")
        encounter = {"encounter": case.chart.encounter_id} if case.chart.encounter_id else {}
        told: dict[str, Any] = {"access_token": secrets.token_urlsafe(24), "token_type": "Bearer", "expires_in": _LIFE_S, "scope": scope}
        told |= {"patient": case.chart.patient_id, **encounter, "need_patient_banner": True}
        if {"online_access", "offline_access"} & set(scope.split()):
            told["refresh_token"] = secrets.token_urlsafe(16)
            self._refresh[told["refresh_token"]] = kept
        if "openid" in scope.split() and form.get("grant_type") != "refresh_token":
            told["id_token"] = self._id_token(issuer, case, kept.asked.get("nonce"))
        told = {name: value for name, value in (told | dict(case.token)).items() if value is not None}
        self._tokens[told.get("access_token", "")] = (kept.launch, time.monotonic() + float(told.get("expires_in", _LIFE_S)))
        return kept.launch, 200, "", told

    def _id_token(self, issuer: str, case: Case, nonce: str | None) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {"iss": f"{self.url}/{issuer}", "sub": "sim-7", "aud": self.client_id, "iat": now, "exp": now + 300}
        claims |= {"nonce": nonce, "fhirUser": f"{self.iss(issuer)}/{USER}", "name": "Sim Ulated"}
        claims = {name: value for name, value in (claims | dict(case.claims)).items() if value is not None}
        if case.signing in ("none", "HS256"):
            head = _b64(json.dumps({"alg": case.signing, "kid": self._key.kid, "typ": "JWT"}).encode())
            signed = f"{head}.{_b64(json.dumps(claims).encode())}"
            mark = hmac.new(self._key.as_pem(private=False), signed.encode(), hashlib.sha256).digest() if case.signing == "HS256" else b""
            return f"{signed}.{_b64(mark)}"
        key = self._stranger if case.signing == "stranger" else self._key
        return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": "JWT"}, claims, key)

    def _fhir(self, path: str, query: Mapping[str, str], token: str) -> tuple[str, int, str, Any]:
        launch, end = self._tokens.get(token, ("", 0.0))
        if path == "metadata":
            return launch, 200, "", {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "kind": "instance", "status": "active", "format": ["json"]}
        if not launch or end < time.monotonic():
            return launch, 401, "", _outcome("login")
        kind, _, id = path.partition("/")
        granted = str(self._cases[launch].token.get("scope", "")).split()
        if granted and not any(s.partition(".")[0] in (f"patient/{kind}", "patient/*", f"user/{kind}", "user/*") for s in granted):
            return launch, 403, "", _outcome("forbidden")
        chart = self._cases[launch].chart
        if id:
            found = chart.read(kind, id)
            return (launch, 200, "", dict(found)) if found is not None else (launch, 404, "", _outcome("not-found"))
        matches = chart.search(kind, query.items())
        return (launch, 200, "", searchset(matches)) if matches is not None else (launch, 400, "", _outcome("not-supported"))


MARKUP = "<script>alert('conformance')</script>"


def _handler(ehr: SmartEhr, issuer: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Hands requests to the EHR."""

        def do_GET(self) -> None:
            """Answer."""
            self._respond({})

        def do_POST(self) -> None:
            """Answer."""
            body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 1_000_000))
            self._respond(dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)))

        def _respond(self, form: Mapping[str, str]) -> None:
            parts = urlsplit(self.path)
            name, _, path = parts.path.lstrip("/").partition("/")
            whose, path = (issuer, parts.path.lstrip("/")) if issuer else (name, path)
            headers = {key.lower(): value for key, value in self.headers.items()}
            status, location, body = ehr.answer(whose, path, dict(parse_qsl(parts.query, keep_blank_values=True)), form, headers)
            data = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Type", "application/fhir+json" if path.startswith("fhir/") and ".well-known" not in path else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent."""

    return Handler


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _outcome(code: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}
