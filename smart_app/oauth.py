"""The OAuth 2.0 side of a SMART launch: authorisation URL, code exchange, refresh.

Authlib builds and sends the requests; this module decides what goes into them. Source: SMART App Launch 2.2,
RFC 6749, RFC 7636 (PKCE, S256 only), RFC 7523 (private_key_jwt).
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.integrations.requests_client.oauth2_session import OAuth2ClientAuth
from authlib.oauth2.client import OAuth2Client

from smart_app.discovery import ServerMetadata
from smart_app.errors import ServerFailure
from smart_app.keys import SigningKeys
from smart_app.settings import ClientAuth, Issuer
from smart_app.transport import Connect

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

# Signature of an Authlib client authentication: (client, method, uri, headers, body) -> (uri, headers, body)
_AuthMethod = Callable[[Any, str, str, dict[str, str], str], tuple[str, dict[str, str], str]]


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One authorisation request: where to send the browser, and the secrets to keep until it returns."""

    url: str
    state: str
    nonce: str
    code_verifier: str


class _Protocol(OAuth2Client):  # type: ignore[misc]
    """Authlib's client of OAuth 2.0, on a session that isn't its own: `OAuth2Session` is one itself, and calls wherever it is told."""

    client_auth_class = OAuth2ClientAuth
    oauth_error_class = OAuthError
    SESSION_REQUEST_PARAMS = OAuth2Session.SESSION_REQUEST_PARAMS


@dataclass(frozen=True, slots=True)
class Client:
    """The app as a client of one EHR."""

    issuer: Issuer
    metadata: ServerMetadata
    keys: SigningKeys
    redirect_url: str
    timeout_s: float
    connect: Connect

    def authorization_request(self, *, scopes: str, aud: str, launch: str | None) -> AuthorizationRequest:
        """Return a fresh request with its own 256-bit state, nonce and PKCE verifier."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        extra = {"aud": aud, "nonce": nonce}
        if launch is not None:
            extra["launch"] = launch
        url, _ = self._protocol(None, scopes).create_authorization_url(
            self.metadata.authorization_endpoint, state=state, code_verifier=verifier, **extra
        )
        return AuthorizationRequest(url, state, nonce, verifier)

    def exchange(self, *, code: str, code_verifier: str) -> Mapping[str, Any]:
        """Return the token response for an authorisation code; raises ServerFailure."""
        return self._send(
            lambda protocol: protocol.fetch_token(
                self.metadata.token_endpoint,
                grant_type="authorization_code",
                code=code,
                redirect_uri=self.redirect_url,
                code_verifier=code_verifier,
                timeout=self.timeout_s,
                allow_redirects=False,
            )
        )

    def refresh(self, refresh_token: str) -> Mapping[str, Any]:
        """Return the token response for a refresh token; raises ServerFailure."""
        return self._send(
            lambda protocol: protocol.refresh_token(
                self.metadata.token_endpoint,
                refresh_token=refresh_token,
                timeout=self.timeout_s,
                allow_redirects=False,
            )
        )

    def _protocol(self, session: requests.Session | None, scopes: str | None = None) -> _Protocol:
        return _Protocol(
            session,
            client_id=self.issuer.client_id,
            scope=scopes,
            redirect_uri=self.redirect_url,
            code_challenge_method="S256",
            token_endpoint_auth_method=self._authentication(),
        )

    def _authentication(self) -> str | _AuthMethod:
        match self.issuer.auth:
            case ClientAuth.PUBLIC:
                return "none"
            case ClientAuth.SECRET:
                return self._basic
            case ClientAuth.PRIVATE_KEY:
                return self._signed

    def _basic(
        self, _client: Any, _method: str, uri: str, headers: dict[str, str], body: str
    ) -> tuple[str, dict[str, str], str]:
        # RFC 6749 2.3.1: id and secret are form-encoded before they are joined, which Authlib's own method leaves out.
        pair = f"{quote_plus(self.issuer.client_id)}:{quote_plus(self.issuer.client_secret or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"
        return uri, headers, body

    def _signed(
        self, _client: Any, _method: str, uri: str, headers: dict[str, str], body: str
    ) -> tuple[str, dict[str, str], str]:
        assertion = self.keys.assertion(client_id=self.issuer.client_id, token_url=self.metadata.token_endpoint)
        extra = urlencode({"client_assertion_type": _ASSERTION_TYPE, "client_assertion": assertion})
        body = f"{body}&{extra}"
        headers["Content-Length"] = str(len(body))
        return uri, headers, body

    def _send(self, request: Callable[[_Protocol], Mapping[str, Any]]) -> Mapping[str, Any]:
        try:
            with self.connect() as session:
                response = request(self._protocol(session))
        except AuthlibBaseError as error:
            # Only the registered error code goes on: descriptions may hold anything.
            raise ServerFailure(
                "smart.token-refused",
                f"The EHR refused to give access ({_error_code(error.error)}).",
                "Open Marginalia again from the patient's chart; if it stays so, tell the administrator.",
            ) from error
        except (requests.RequestException, ValueError, RecursionError) as error:
            raise ServerFailure(
                "smart.token-failed",
                "The EHR's token endpoint can't be reached or answered something unusable.",
                "Open Marginalia again from the patient's chart in a minute.",
            ) from error
        if not response.get("access_token") or str(response.get("token_type", "")).lower() != "bearer":
            raise ServerFailure(
                "smart.token-incomplete",
                "The EHR's token answer holds no access token of type Bearer.",
                "Tell the EHR's administrator which launch failed and when.",
            )
        return dict(response)


def _error_code(value: object) -> str:
    text = str(value or "no reason given")
    return text if len(text) <= 60 and all(c.isalnum() or c in "_- " for c in text) else "unreadable error code"
