"""The token endpoint: client credentials with a signed assertion (RFC 6749 section 4.4, RFC 7523, SMART Backend Services)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cds_service.access.api_keys import TOKEN_LIFE, ApiKeys
from cds_service.access.verification import NotGenuine, Verifier
from cds_service.config import Settings

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPES = frozenset({"review.create", "review.read"})


class Refused(Exception):
    """No token. `error` is one of RFC 6749's words; `reason` is for the log."""

    def __init__(self, error: str, words: str, reason: str = "", told: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.words = words
        self.reason = reason or error
        self.told = dict(told or {})


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Issues access tokens to API clients that sign an assertion for `token_url`."""

    settings: Settings
    verifier: Verifier
    keys: ApiKeys
    token_url: str

    def answer(self, form: Mapping[str, str]) -> dict[str, object]:
        """Return the token response to a form; raises Refused."""
        if form.get("grant_type") != "client_credentials":
            raise Refused("unsupported_grant_type", "The grant type is client_credentials.")
        if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
            raise Refused("invalid_request", "A client assertion (private_key_jwt) is needed.")
        try:
            client = self.verifier.api_client(form["client_assertion"], self.settings.clients, self.token_url)
        except NotGenuine as error:
            raise Refused("invalid_client", "The client assertion is not accepted.", error.reason, error.told) from error
        if form.get("client_id", client.name) != client.name:
            raise Refused("invalid_client", "The client assertion is not accepted.", "client-id")
        wanted = frozenset(form.get("scope", "").split()) or SCOPES
        if not wanted <= SCOPES:
            raise Refused("invalid_scope", f"The scopes are {' and '.join(sorted(SCOPES))}.")
        return {
            "access_token": self.keys.issue(client.name, wanted),
            "token_type": "Bearer",
            "expires_in": int(TOKEN_LIFE.total_seconds()),
            "scope": " ".join(sorted(wanted)),
        }
