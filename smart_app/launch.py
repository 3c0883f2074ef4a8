"""The launch: from the EHR's click to an open chart.

Source: SMART App Launch 2.2; the lines L1 to L18 of the checklist are tests in tests/conformance.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from smart_app.context import read_context
from smart_app.discovery import Discovery, ServerMetadata
from smart_app.errors import LaunchRefused, ServerFailure, SessionLost
from smart_app.identity import IdTokens, Person
from smart_app.keys import SigningKeys
from smart_app.oauth import Client
from smart_app.scopes import Scopes, requested_scopes
from smart_app.session import ChartSession, PendingLaunch, Sessions
from smart_app.settings import Issuer, SmartSettings
from smart_app.transport import Connect

_TOKEN_MARGIN_S = 20  # a token this near its end isn't used for a new page
_TOKEN_SECONDS = 300  # lifetime assumed where the server names none


@dataclass(frozen=True, slots=True)
class Launcher:
    """Carries launches through. Safe to share between threads."""

    settings: SmartSettings
    sessions: Sessions
    discovery: Discovery
    id_tokens: IdTokens
    keys: SigningKeys
    connect: Connect
    clock: Callable[[], float] = time.time
    _refreshing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begin(self, *, iss: str, launch: str | None, browser: str) -> str:
        """Return the URL of the EHR's authorisation endpoint for a launch; without `launch` it is a standalone one.

        Raises LaunchRefused for an EHR that isn't registered, ServerFailure where it can't do what the launch needs.
        """
        issuer = self.settings.issuer(iss)
        metadata = self.discovery.find(issuer.iss)
        metadata.require(standalone=launch is None, auth=issuer.auth)
        scope = requested_scopes(issuer.asked_scopes, ehr_launch=launch is not None)
        request = self._client(issuer, metadata).authorization_request(scopes=scope, aud=issuer.iss, launch=launch)
        pending = PendingLaunch(issuer.iss, scope, request.nonce, request.code_verifier)
        self.sessions.begin(pending, state=request.state, browser=browser)
        return request.url

    def complete(self, answer: Mapping[str, str], *, browser: str) -> str:
        """Return the id of the chart that the EHR's answer (`code`, `state`) opens.

        Raises LaunchRefused where the answer can't be trusted or the person said no, ServerFailure where the EHR fails.
        """
        pending = self.sessions.take(answer.get("state", ""), browser)
        if "error" in answer or not answer.get("code"):
            raise _denied(answer.get("error", ""))
        issuer = self.settings.issuer(pending.iss)
        metadata = self.discovery.find(issuer.iss)
        if answer.get("iss") not in (None, metadata.issuer):
            raise LaunchRefused(  # RFC 9207: an answer mixed up with another server's
                "smart.mixed-up", "The answer came from another server than the one that was asked.", "Open Marginalia again from the patient's chart."
            )
        response = self._client(issuer, metadata).exchange(code=answer["code"], code_verifier=pending.code_verifier)
        context = read_context(response, requested_scope=pending.scope)
        now = self.clock()
        chart = ChartSession(
            iss=issuer.iss,
            context=context,
            access_token=str(response["access_token"]),
            token_expires=now + _lifetime(response),
            refresh_token=_text(response.get("refresh_token")),
            person=self._person(response, metadata, issuer, pending),
            csrf=secrets.token_urlsafe(32),
            opened=now,
        )
        return self.sessions.open(chart, browser=browser)

    def find(self, chart_id: str, browser: str) -> ChartSession:
        """Return an open chart with a token that is good for this request; raises SessionLost."""
        chart = self.sessions.find(chart_id, browser)
        if chart.token_expires - _TOKEN_MARGIN_S > self.clock():
            return chart
        if chart.refresh_token is None:
            raise _expired()
        with self._refreshing:  # a refresh token may be good for one use only
            chart = self.sessions.find(chart_id, browser)
            if chart.token_expires - _TOKEN_MARGIN_S > self.clock():
                return chart
            return self._refresh(chart_id, browser, chart)

    def scopes(self, chart: ChartSession) -> Scopes:
        """Return what the EHR granted for this chart."""
        return Scopes.parse(chart.context.scope)

    def _refresh(self, chart_id: str, browser: str, chart: ChartSession) -> ChartSession:
        issuer = self.settings.issuer(chart.iss)
        try:
            response = self._client(issuer, self.discovery.find(issuer.iss)).refresh(chart.refresh_token or "")
        except ServerFailure as error:
            if error.code == "smart.token-refused":
                raise _expired() from error
            raise
        renewed = replace(
            chart,
            access_token=str(response["access_token"]),
            token_expires=self.clock() + _lifetime(response),
            refresh_token=_text(response.get("refresh_token")) or chart.refresh_token,
        )
        self.sessions.save(chart_id, browser, renewed)
        return renewed

    def _client(self, issuer: Issuer, metadata: ServerMetadata) -> Client:
        return Client(issuer, metadata, self.keys, self.settings.redirect_url, self.settings.timeout_s, self.connect)

    def _person(self, response: Mapping[str, Any], metadata: ServerMetadata, issuer: Issuer, pending: PendingLaunch) -> Person | None:
        token = response.get("id_token")
        if not isinstance(token, str) or not token:
            return None
        return self.id_tokens.verify(token, metadata=metadata, client_id=issuer.client_id, nonce=pending.nonce)


def _lifetime(response: Mapping[str, Any]) -> float:
    try:
        return max(0.0, float(response.get("expires_in") or _TOKEN_SECONDS))
    except (TypeError, ValueError):
        return _TOKEN_SECONDS


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _denied(code: str) -> LaunchRefused:
    if code == "access_denied":
        return LaunchRefused("smart.access-denied", "Access to the chart was not given.", "Open Marginalia again and allow the access, or go on without it.")
    # The EHR's own words are not shown: they may hold anything.
    remedy = "Open Marginalia again; if it stays so, tell the EHR's administrator."
    return LaunchRefused("smart.not-authorised", "The EHR did not authorise the launch.", remedy)


def _expired() -> SessionLost:
    return SessionLost(
        "smart.expired",
        "The EHR's permission for this chart has ended.",
        "Open Marginalia again from the patient's chart in the EHR. Decisions that you recorded are kept.",
    )
