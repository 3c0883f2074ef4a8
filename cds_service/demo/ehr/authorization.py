"""The EHR's authorisation server: SMART App Launch 2.2 with PKCE and OpenID Connect, on Authlib.

One app is registered. Whoever is signed in to the EHR has opened the app from the chart, so no further consent is asked.
"""

from __future__ import annotations

import time
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Blueprint, Flask, Response, jsonify, request
from joserfc.jwk import KeySet, RSAKey

from cds_service.demo.ehr import scopes
from cds_service.demo.ehr.grants import TOKEN_S, Access, Code, Grants, Launch
from cds_service.demo.ehr.person import current_user
from cds_service.demo.ehr.site import CLIENT_ID, Site
from cds_service.demo.patients.folder import clinic


class _App:
    """The registered app, in the methods that Authlib asks for: a public client with one redirect URL."""

    client_id = CLIENT_ID

    def __init__(self, site: Site) -> None:
        self._redirect_url = site.redirect_url

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self._redirect_url

    def get_allowed_scope(self, scope: str) -> str:
        return scopes.granted(scope or "")

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self._redirect_url

    def check_client_secret(self, _secret: str) -> bool:
        return False

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == "none"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class _S256Only(CodeChallenge):  # type: ignore[misc]
    """PKCE is always asked for, and "plain" never accepted (SMART App Launch 2.2)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012  (Authlib's own attribute)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        if grant.request.payload.data.get("code_challenge_method") != "S256" or not grant.request.payload.data.get("code_challenge"):
            raise InvalidRequestError("A 'code_challenge' with the method S256 is required.", redirect_uri=redirect_uri)
        super().validate_code_challenge(grant, redirect_uri)


class AuthorizationDesk:
    """The authorisation server of one site."""

    def __init__(self, site: Site, grants: Grants) -> None:
        self.site = site
        self.grants = grants
        self._key = RSAKey.generate_key(2048, parameters={"use": "sig", "alg": "RS256"}, auto_kid=True)
        self._app = _App(site)
        self.server: Any = AuthorizationServer()

    def register(self, app: Flask) -> None:
        """Add the endpoints to the EHR's Flask application."""
        app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"authorization_code": TOKEN_S}
        self.server.init_app(app, query_client=self._client, save_token=self._save)
        self.server.register_grant(_grant(self), [_S256Only(required=True), _identity(self)])
        app.register_blueprint(_endpoints(self))

    def sign_in_claims(self, user: str) -> UserInfo:
        """Return the claims of an id_token about a user."""
        return UserInfo(sub=user, name=clinic()["practitioners"][user]["name"], fhirUser=f"{self.site.fhir_url}/Practitioner/{user}")

    @property
    def signing_keys(self) -> KeySet:
        """The private key that id_tokens are signed with, as a set."""
        return KeySet([self._key])

    def discovery(self) -> dict[str, Any]:
        """Return `.well-known/smart-configuration`."""
        root = self.site.ehr_url
        return {
            "issuer": root,
            "jwks_uri": f"{root}/oauth/jwks.json",
            "authorization_endpoint": f"{root}/oauth/authorize",
            "token_endpoint": f"{root}/oauth/token",
            "token_endpoint_auth_methods_supported": ["none"],
            "grant_types_supported": ["authorization_code"],
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": [
                "openid",
                "fhirUser",
                "launch",
                "patient/*.rs",
                "patient/Condition.cu",
                "patient/Provenance.c",
                "patient/Communication.c",
                "patient/QuestionnaireResponse.c",
                "patient/Claim.cu",
                "patient/ChargeItem.cu",
                "user/Practitioner.r",
            ],
            "capabilities": [
                "launch-ehr",
                "client-public",
                "sso-openid-connect",
                "context-banner",
                "context-ehr-patient",
                "context-ehr-encounter",
                "permission-patient",
                "permission-user",
                "permission-v1",
                "permission-v2",
            ],
        }

    def openid(self) -> dict[str, Any]:
        """Return `.well-known/openid-configuration` of the issuer."""
        shared = ("issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "response_types_supported", "scopes_supported")
        return {key: value for key, value in self.discovery().items() if key in shared} | {
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _client(self, client_id: str) -> _App | None:
        return self._app if client_id == CLIENT_ID else None

    def _save(self, token: dict[str, Any], oauth_request: Any) -> None:
        code: Code = oauth_request.authorization_code
        self.grants.tokens.put(Access(code.client_id, code.scope, code.launch.patient, code.launch.user), token["access_token"])


def _grant(desk: AuthorizationDesk) -> type[Any]:
    class Grant(AuthorizationCodeGrant):  # type: ignore[misc]
        """Codes are kept in memory, work once, and carry the launch context into the token response."""

        TOKEN_ENDPOINT_AUTH_METHODS = ["none"]  # noqa: RUF012  (Authlib's own attribute)

        def save_authorization_code(self, code: str, oauth_request: Any) -> None:
            data = oauth_request.payload.data
            kept = Code(
                code=code,
                client_id=oauth_request.client.client_id,
                redirect_uri=oauth_request.payload.redirect_uri,
                scope=oauth_request.scope,
                code_challenge=data["code_challenge"],
                code_challenge_method=data["code_challenge_method"],
                nonce=data.get("nonce"),
                launch=oauth_request.user,
                issued_at=int(time.time()),
            )
            desk.grants.codes.put(kept, code)

        def query_authorization_code(self, code: str, client: Any) -> Code | None:
            found = desk.grants.codes.take(code)
            return found if found and found.client_id == client.client_id else None

        def delete_authorization_code(self, authorization_code: Code) -> None:
            """It was taken away when it was asked for."""

        def authenticate_user(self, authorization_code: Code) -> Launch:
            return authorization_code.launch

        def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
            status, token, headers = super().create_token_response()
            return status, token | _context(self.request.authorization_code.launch), headers

    return Grant


def _identity(desk: AuthorizationDesk) -> Any:
    class Identity(OpenIDCode):  # type: ignore[misc]
        """id_tokens signed with RS256."""

        def exists_nonce(self, _nonce: str, _request: Any) -> bool:
            return False  # the code it belongs to works once

        def resolve_client_private_key(self, _client: Any) -> KeySet:
            return desk.signing_keys

        def get_client_algorithm(self, _client: Any) -> str:
            return "RS256"

        def get_encode_header(self, _client: Any) -> dict[str, str]:
            return {"alg": "RS256", "kid": str(desk.signing_keys.keys[0].kid)}

        def get_client_claims(self, client: Any) -> dict[str, Any]:
            return {"iss": desk.site.ehr_url, "aud": client.get_client_id()}

        def generate_user_info(self, user: Launch, _scope: str) -> UserInfo:
            return desk.sign_in_claims(user.user)

    return Identity(require_nonce=False)


def _context(launch: Launch) -> dict[str, Any]:
    """Return the launch context for a token response. The EHR shows no banner around the app, so the app shows its own."""
    context = {"patient": launch.patient, "encounter": launch.encounter, "appContext": launch.app_context}
    return {key: value for key, value in context.items() if value is not None} | {"need_patient_banner": True}


def _endpoints(desk: AuthorizationDesk) -> Blueprint:
    pages = Blueprint("authorization", __name__)

    @pages.get("/oauth/authorize")
    def authorize() -> Response:
        try:
            grant = desk.server.get_consent_grant(end_user=current_user())
            launch = _launch(desk, grant)
            answer: Response = desk.server.create_authorization_response(grant_user=launch, grant=grant)
        except OAuth2Error as error:
            answer = desk.server.handle_error_response(desk.server.create_oauth2_request(request), error)
        return answer

    @pages.post("/oauth/token")
    def token() -> Response:
        answer: Response = desk.server.create_token_response()
        return answer

    @pages.get("/oauth/jwks.json")
    def keys() -> Response:
        return jsonify(desk.signing_keys.as_dict(private=False))

    @pages.get("/fhir/.well-known/smart-configuration")
    def smart_configuration() -> Response:
        return jsonify(desk.discovery())

    @pages.get("/.well-known/openid-configuration")
    def openid_configuration() -> Response:
        return jsonify(desk.openid())

    return pages


def _launch(desk: AuthorizationDesk, grant: Any) -> Launch:
    """Return the launch that a request names; raises an OAuth error where it is unknown, used, or of another person."""
    data = grant.request.payload.data
    redirect_url = desk.site.redirect_url
    if data.get("aud", "").rstrip("/") != desk.site.fhir_url:
        raise InvalidRequestError("'aud' is not the FHIR base URL of this EHR.", redirect_uri=redirect_url)
    launch = desk.grants.launches.take(data.get("launch", ""))
    if launch is None or launch.user != current_user():
        raise InvalidRequestError("The launch is unknown, has ended or is another person's. Open the app from the chart again.", redirect_uri=redirect_url)
    return launch
