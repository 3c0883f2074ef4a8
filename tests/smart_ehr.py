"""An EHR for tests: authorisation server and FHIR server over real HTTP on a free loopback port.

It is strict where SMART App Launch asks the server to be strict, and it misbehaves on demand. Everything it was asked is
kept, so that tests can look at what went over the wire.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

from flask import Flask, Response, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server

CLIENT = "marginalia-test"
SECRET = "s3cret/with+signs:and ümlaut"
Resource = dict[str, Any]


class Quiet(WSGIRequestHandler):
    """Keeps request lines out of the test output."""

    def log(self, *_: object) -> None:  # type: ignore[override]
        """Say nothing."""


class Server:
    """A WSGI application on a free loopback port, in a thread."""

    def __init__(self) -> None:
        self.app: Any = None
        self._server = make_server("127.0.0.1", 0, lambda environ, start: self.app(environ, start), threaded=True, request_handler=Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass
class Behaviour:
    """How the EHR differs from a good one. A value None takes a member out."""

    configuration: dict[str, Any] = field(default_factory=dict)
    openid: dict[str, Any] = field(default_factory=dict)
    token: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    signed_with: str = "RS256"  # "RS256" | "stranger" | "none" | "HS256"
    authorize_error: str | None = None
    token_status: int = 200
    fhir_status: dict[str, int] = field(default_factory=dict)
    write_status: dict[str, int] = field(default_factory=dict)  # by resource type: what a create or update answers
    loses_answers: bool = False  # creates, and then answers as if it had failed
    heeds_if_none_exist: bool = True
    fhir_requires_token: bool = True


@dataclass
class Asked:
    """One request that came in."""

    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]
    method: str = "GET"
    body: dict[str, Any] = field(default_factory=dict)


class Ehr:
    """The EHR. `launch_context` is what the next launches are about."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.iss = f"{url}/fhir"
        self.behaviour = Behaviour()
        self.asked: list[Asked] = []
        self.key = rsa_key("ehr-1")
        self._stranger = rsa_key("ehr-1", "stranger")
        self.client_keys: KeySet | None = None
        self.auth = "public"
        self.resources: dict[str, Resource] = {}
        self.contexts: dict[str, dict[str, Any]] = {}
        self.standalone: dict[str, Any] = {}
        self.style: object = {}
        self.user = "Practitioner/7"
        self.user_name: str | None = "Dr. Ada Testing"
        self._codes: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, str] = {}  # access token -> patient
        self._refresh: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._count = 0

    def launch(self, patient: str, encounter: str | None = None, **context: Any) -> str:
        """Return the `launch` value of a chart that was opened."""
        launch = secrets.token_urlsafe(12)
        self.contexts[launch] = {"patient": patient, **({"encounter": encounter} if encounter else {}), **context}
        return launch

    def sent(self, path: str) -> list[Asked]:
        """Return what was asked at a path."""
        return [a for a in self.asked if a.path == path]

    def written(self, kind: str) -> list[Resource]:
        """Return the resources of a type that were created here."""
        return [r for key, r in self.resources.items() if key.startswith(f"{kind}/w")]

    def app(self) -> Flask:
        """Return the EHR's web application."""
        app = Flask("test-ehr")

        @app.before_request
        def note() -> None:
            body = request.get_json(silent=True) if request.path.startswith("/fhir") and request.method != "GET" else None
            self.asked.append(Asked(request.path, request.args.to_dict(), request.form.to_dict(), dict(request.headers), request.method, body or {}))

        app.add_url_rule("/fhir/.well-known/smart-configuration", view_func=self._configuration)
        app.add_url_rule("/.well-known/openid-configuration", view_func=self._openid)
        app.add_url_rule("/jwks", view_func=self._jwks)
        app.add_url_rule("/style.json", view_func=lambda: jsonify(self.style), endpoint="style")
        app.add_url_rule("/fhir/metadata", view_func=self._metadata)
        app.add_url_rule("/authorize", view_func=self._authorize)
        app.add_url_rule("/token", view_func=self._token, methods=["POST"])
        app.add_url_rule("/fhir/<kind>/<id>", view_func=self._read)
        app.add_url_rule("/fhir/<kind>/<id>", view_func=self._update, methods=["PUT"], endpoint="update")
        app.add_url_rule("/fhir/<kind>", view_func=self._search)
        app.add_url_rule("/fhir/<kind>", view_func=self._create, methods=["POST"], endpoint="create")
        return app

    def _configuration(self) -> Response:
        document = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
            "grant_types_supported": ["authorization_code"],
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["launch-ehr", "launch-standalone", "client-public", "client-confidential-symmetric", "sso-openid-connect", "permission-v2"],
        }
        return jsonify(_with(document, self.behaviour.configuration))

    def _metadata(self) -> Response:
        parts = [{"url": name, "valueUri": f"{self.url}/{name}"} for name in ("authorize", "token")]
        extension = {"url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris", "extension": parts}
        rest = [{"mode": "server", "security": {"extension": [extension]}}]
        statement = {"resourceType": "CapabilityStatement", "status": "active", "date": "2026-01-01", "kind": "instance", "fhirVersion": "4.0.1"}
        return _fhir(statement | {"format": ["json"], "rest": rest})

    def _openid(self) -> Response:
        return jsonify(_with({"issuer": self.url, "jwks_uri": f"{self.url}/jwks", "id_token_signing_alg_values_supported": ["RS256"]}, self.behaviour.openid))

    def _jwks(self) -> Response:
        return jsonify({"keys": [self.key.as_dict(private=False)]})

    def _authorize(self) -> Response | tuple[str, int]:
        asked = request.args
        problems = [
            asked.get("response_type") != "code",
            asked.get("client_id") != CLIENT,
            asked.get("aud") != self.iss,
            asked.get("code_challenge_method") != "S256",
            len(asked.get("code_challenge", "")) != 43,
            not asked.get("state"),
            "launch" in asked and asked["launch"] not in self.contexts,
        ]
        if any(problems):
            return f"refused: {problems}", 400
        answer = {"state": asked["state"]}
        if self.behaviour.authorize_error:
            answer |= {"error": self.behaviour.authorize_error, "error_description": "<script>alert(1)</script>"}
        else:
            code = secrets.token_urlsafe(16)
            context = self.contexts[asked["launch"]] if "launch" in asked else self.standalone
            self._codes[code] = {"asked": asked.to_dict(), "context": context}
            answer["code"] = code
        return redirect(f"{asked['redirect_uri']}?{urlencode(answer)}")  # type: ignore[return-value]

    def _token(self) -> Response | tuple[Response, int]:
        if self.behaviour.token_status != 200:
            return jsonify({"error": "invalid_grant", "error_description": "<b>no</b>"}), self.behaviour.token_status
        if not self._client_is_genuine():
            return jsonify({"error": "invalid_client"}), 401
        form = request.form
        if form.get("grant_type") == "refresh_token":
            kept = self._refresh.pop(form.get("refresh_token", ""), None)
        else:
            kept = self._codes.pop(form.get("code", ""), None)
            if kept:
                challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
                if challenge != kept["asked"]["code_challenge"] or form.get("redirect_uri") != kept["asked"]["redirect_uri"]:
                    kept = None
        if kept is None:
            return jsonify({"error": "invalid_grant"}), 400
        return jsonify(self._answer(kept))

    def _client_is_genuine(self) -> bool:
        if self.auth == "public":
            return request.form.get("client_id") == CLIENT and "Authorization" not in request.headers
        if self.auth == "client_secret_basic":
            kind, _, pair = request.headers.get("Authorization", "").partition(" ")
            name, _, secret = base64.b64decode(pair).decode().partition(":")
            return kind == "Basic" and unquote_plus(name) == CLIENT and unquote_plus(secret) == SECRET
        assert self.client_keys is not None
        token = jwt.decode(request.form["client_assertion"], self.client_keys, algorithms=["RS384", "ES384"])
        claims = token.claims
        return (
            claims["iss"] == claims["sub"] == CLIENT and claims["aud"] == f"{self.url}/token" and claims["exp"] - time.time() <= 300 and len(claims["jti"]) > 10
        )

    def _answer(self, kept: dict[str, Any]) -> dict[str, Any]:
        access = secrets.token_urlsafe(16)
        self.tokens[access] = kept["context"]["patient"]
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": 3600, "scope": kept["asked"]["scope"], **kept["context"]}
        if "online_access" in kept["asked"]["scope"].split():
            answer["refresh_token"] = secrets.token_urlsafe(16)
            self._refresh[answer["refresh_token"]] = kept
        if "openid" in kept["asked"]["scope"].split():
            answer["id_token"] = self._id_token(kept["asked"].get("nonce"))
        return _with(answer, self.behaviour.token)

    def _id_token(self, nonce: str | None) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "user-7",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "fhirUser": f"{self.iss}/{self.user}",
            "name": self.user_name,
        }
        claims = _with(claims, self.behaviour.claims)
        match self.behaviour.signed_with:
            case "none":
                return ".".join(_b64(part) for part in ('{"alg":"none"}', json.dumps(claims))) + "."
            case "HS256":
                public = self.key.as_pem(private=False)
                return jwt.encode({"alg": "HS256", "kid": self.key.kid}, claims, OctKey.import_key(base64.b64encode(public)), algorithms=["HS256"])
            case "stranger":
                return jwt.encode({"alg": "RS256", "kid": "ehr-1"}, claims, self._stranger)
            case _:
                return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def _patient_of_token(self) -> str | None:
        return self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))

    def _read(self, kind: str, id: str) -> Response | tuple[Response, int]:
        status = self._fhir_status(kind)
        if status != 200:
            return _outcome(status), status
        resource = self.resources.get(f"{kind}/{id}")
        return _fhir(resource) if resource else (_outcome(404), 404)

    def _search(self, kind: str) -> Response | tuple[Response, int]:
        status = self._fhir_status(kind)
        if status != 200:
            return _outcome(status), status
        patient, category = request.args.get("patient", ""), request.args.get("category")
        found = []
        for resource in self.resources.values():
            if resource["resourceType"] != kind:
                continue
            if not _meets(resource, {name: value for name, value in request.args.items() if name in ("identifier", "target", "recorded")}):
                continue
            subject = (resource.get("subject") or resource.get("patient") or {}).get("reference")
            categories = [c["code"] for x in resource.get("category", ()) for c in x.get("coding", ())]
            if (subject == f"Patient/{patient}" or not patient) and (category is None or category in categories):
                found.append({"resource": resource})
        return _fhir({"resourceType": "Bundle", "type": "searchset", "entry": found})

    def _create(self, kind: str) -> Response | tuple[Response, int]:
        status = self._write_status(kind)
        if status != 200 and not self.behaviour.loses_answers:
            return _outcome(status), status
        resource = dict(request.get_json(force=True))
        condition = dict(parse_qsl(request.headers.get("If-None-Exist", "")))
        there = next((r for r in self.written(kind) if _meets(r, condition)), None) if condition and self.behaviour.heeds_if_none_exist else None
        if there is None:
            with self._lock:
                self._count += 1
                resource |= {"id": f"w{self._count}", "meta": {**resource.get("meta", {}), "versionId": "1"}}
                self.resources[f"{kind}/{resource['id']}"] = resource
        if self.behaviour.loses_answers:
            return _outcome(503), 503
        kept = there or resource
        response = _fhir(kept)
        response.status_code = 200 if there else 201
        response.headers["ETag"] = f'W/"{kept["meta"]["versionId"]}"'
        response.headers["Location"] = f"{self.iss}/{kind}/{kept['id']}/_history/{kept['meta']['versionId']}"
        return response

    def _update(self, kind: str, id: str) -> Response | tuple[Response, int]:
        status = self._write_status(kind)
        if status != 200:
            return _outcome(status), status
        kept = self.resources.get(f"{kind}/{id}")
        if kept is None:
            return _outcome(404), 404
        version = kept["meta"]["versionId"]
        if request.headers.get("If-Match") not in (None, f'W/"{version}"'):
            return _outcome(412), 412
        resource = dict(request.get_json(force=True))
        resource["meta"] = {**resource.get("meta", {}), "versionId": str(int(version) + 1)}
        self.resources[f"{kind}/{id}"] = resource
        response = _fhir(resource)
        response.headers["ETag"] = f'W/"{resource["meta"]["versionId"]}"'
        return response

    def _write_status(self, kind: str) -> int:
        if self._patient_of_token() is None:
            return 401
        return self.behaviour.write_status.get(kind, 200)

    def _fhir_status(self, kind: str) -> int:
        if self.behaviour.fhir_requires_token and self._patient_of_token() is None:
            return 401
        return self.behaviour.fhir_status.get(kind, 200)


@cache
def rsa_key(kid: str, owner: str = "ehr") -> RSAKey:
    """Return an RSA key, made once for all tests because that takes a while; another `owner` has another key."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


def ec_key() -> ECKey:
    """Return a new P-384 key."""
    return ECKey.generate_key("P-384", {"kid": "app-ec"})


def _with(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in (document | changes).items() if v is not None}


def _meets(resource: Resource, condition: dict[str, str]) -> bool:
    for name, value in condition.items():
        match name:
            case "identifier":
                if value not in [f"{i['system']}|{i['value']}" for i in resource.get("identifier", ())]:
                    return False
            case "target":
                if value not in [t["reference"] for t in resource.get("target", ())]:
                    return False
            case _:
                if resource.get(name) != value:
                    return False
    return True


def _fhir(resource: Resource) -> Response:
    response = jsonify(resource)
    response.headers["Content-Type"] = "application/fhir+json"
    return response


def _outcome(status: int) -> Response:
    return _fhir({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing", "diagnostics": str(status)}]})


def _b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
