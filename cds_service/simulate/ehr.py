"""The EHR's side of the wire: discovery, calls and feedback, signed where there is a key."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests

from cds_service.errors import UpstreamError
from cds_service.simulate.signer import Signer

_SERVICES = "/cds-services"
UNSIGNED = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    milliseconds: float

    @property
    def json(self) -> Any:
        """The body as a JSON value; None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The cards; empty where there are none."""
        value = self.json
        cards = value.get("cards") if isinstance(value, dict) else None
        return [c for c in cards if isinstance(c, dict)] if isinstance(cards, list) else []


class Ehr:
    """Calls one CDS service. `base_url` is what stands before /cds-services."""

    def __init__(self, base_url: str, signer: Signer | None = None, *, audience: str = "", timeout_s: float = 30.0) -> None:
        self.base_url = base_url.rstrip("/").removesuffix(_SERVICES)
        self.audience = (audience or self.base_url).rstrip("/").removesuffix(_SERVICES)
        self.signer = signer
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def discovery(self) -> Answer:
        """Ask which services there are."""
        return self.send("GET", _SERVICES)

    def services(self) -> list[dict[str, Any]]:
        """Return the services on offer; raises UpstreamError where the answer has none in the specified form."""
        answer = self.discovery()
        found = answer.json.get("services") if isinstance(answer.json, dict) else None
        if answer.status != 200 or not isinstance(found, list):
            raise UpstreamError(f"{self.base_url}{_SERVICES} answers {answer.status} without a list of services.", "Check the address, and how you sign.")
        return [s for s in found if isinstance(s, dict)]

    def call(self, service_id: str, body: object) -> Answer:
        """Call a service."""
        return self.send("POST", f"{_SERVICES}/{service_id}", body)

    def feedback(self, service_id: str, items: list[dict[str, Any]]) -> Answer:
        """Tell what became of cards."""
        return self.send("POST", f"{_SERVICES}/{service_id}/feedback", {"feedback": items})

    def url(self, path: str) -> str:
        """Return the address that a token for this path is meant for."""
        return f"{self.audience}{path}"

    def send(
        self, method: str, path: str, body: object = None, *, token: str | None = None, raw: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request. `token` replaces the signed one (`UNSIGNED`: none); `raw` replaces the JSON body.

        Raises:
            UpstreamError: the service can't be reached, or doesn't answer in time.
        """
        sent = dict(headers or {})
        if token is None and self.signer is not None:
            token = self.signer.token(self.url(path))
        if token:
            sent["Authorization"] = f"Bearer {token}"
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        began = time.perf_counter()
        try:
            answer = self._session.request(method, self.base_url + path, data=data, headers=sent, timeout=self._timeout_s, allow_redirects=False)
        except requests.RequestException as error:
            raise UpstreamError(f"{self.base_url} can't be reached ({type(error).__name__}).", "Check the address, and that the service runs.") from error
        return Answer(answer.status_code, answer.headers, answer.content, (time.perf_counter() - began) * 1000)


def feedback_on(card: Mapping[str, Any], outcome: str, *, comment: str = "") -> dict[str, Any]:
    """Return the feedback item for a card: "accepted" takes its first suggestion, "overridden" its first reason."""
    item: dict[str, Any] = {"card": card.get("uuid"), "outcome": outcome, "outcomeTimestamp": datetime.now(UTC).isoformat(timespec="seconds")}
    suggestions = card.get("suggestions") or []
    if outcome == "accepted" and suggestions:
        return item | {"acceptedSuggestions": [{"id": suggestions[0].get("uuid")}]}
    reasons = card.get("overrideReasons") or []
    reason = {"reason": reasons[0]} if reasons else {}
    return item | {"outcome": "overridden", "overrideReason": reason | ({"userComment": comment} if comment else {})}
