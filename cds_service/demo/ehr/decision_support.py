"""The EHR as a client of CDS Hooks: which services there are, a call with all that belongs to it, and feedback on its cards."""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests

from cds_service.demo.ehr.fhir import Records
from cds_service.demo.ehr.grants import TOKEN_S, Access, Grants
from cds_service.demo.ehr.prefetch import prefetch
from cds_service.demo.ehr.site import CDS_CLIENT_ID, Site
from cds_service.demo.errors import DemoError

_KEPT = 200  # calls to look at afterwards
_TIMEOUT_S = 30
_CDS_SCOPE = "patient/*.rs user/Practitioner.r"


@dataclass(frozen=True, slots=True)
class HookCall:
    """One call of one service: what was sent, what came back, and how long each took."""

    id: str
    service: str
    hook: str
    patient: str
    encounter: str | None
    request: Mapping[str, Any]
    status: int | None  # None where the service could not be reached
    response: Any  # JSON, or None
    failure: str | None
    prefetch_ms: int
    service_ms: int

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The cards of a good answer."""
        return list(self.response.get("cards", [])) if self.status == 200 and isinstance(self.response, dict) else []

    def card(self, card_uuid: str) -> dict[str, Any] | None:
        """Return one card."""
        return next((card for card in self.cards if card.get("uuid") == card_uuid), None)


class DecisionSupport:
    """Calls the services that are registered for a hook, and remembers the calls."""

    def __init__(self, site: Site, records: Records, grants: Grants) -> None:
        self._site = site
        self._records = records
        self._grants = grants
        self._lock = threading.Lock()
        self._services: list[dict[str, Any]] = []
        self._calls: OrderedDict[str, HookCall] = OrderedDict()

    def services(self) -> list[dict[str, Any]]:
        """Return the services of the discovery endpoint, read once; raises DemoError where it can't be read."""
        with self._lock:
            known = self._services
        if not known:
            known = self._discover()
            with self._lock:
                self._services = known
        return known

    def fire(self, hook: str, context: Mapping[str, Any]) -> list[HookCall]:
        """Call every service of a hook, in the order of the discovery; raises DemoError where discovery fails."""
        calls = [self._call(service, hook, context) for service in self.services() if service.get("hook") == hook]
        with self._lock:
            self._calls.update((call.id, call) for call in calls)
            while len(self._calls) > _KEPT:
                self._calls.popitem(last=False)
        return calls

    def call(self, identity: str) -> HookCall | None:
        """Return an earlier call."""
        with self._lock:
            return self._calls.get(identity)

    def accept(self, call: HookCall, card: Mapping[str, Any], suggestion: Mapping[str, Any]) -> None:
        """Tell the service that a suggestion was taken; raises DemoError."""
        self._feedback(call, {"card": card["uuid"], "outcome": "accepted", "acceptedSuggestions": [{"id": suggestion["uuid"]}]})

    def override(self, call: HookCall, card: Mapping[str, Any], reason: Mapping[str, Any] | None) -> None:
        """Tell the service that a card was waved away; raises DemoError."""
        item: dict[str, Any] = {"card": card["uuid"], "outcome": "overridden"}
        if reason:
            item["overrideReason"] = {"reason": {key: reason[key] for key in ("code", "system", "display") if key in reason}}
        self._feedback(call, item)

    def _discover(self) -> list[dict[str, Any]]:
        answer = self._reach("GET", "/cds-services")
        if answer.status_code != 200:
            raise DemoError(f"The service's discovery answered {answer.status_code}.", "Look at the service's log.")
        return list(answer.json().get("services", []))

    def _call(self, service: Mapping[str, Any], hook: str, context: Mapping[str, Any]) -> HookCall:
        user = str(context["userId"]).rpartition("/")[2]
        patient = str(context["patientId"])
        began = time.perf_counter()
        known = prefetch(service.get("prefetch", {}), context, user, self._records)
        token = self._grants.tokens.put(Access(CDS_CLIENT_ID, _CDS_SCOPE, patient, user))
        body = {
            "hook": hook,
            "hookInstance": str(uuid.uuid4()),
            "fhirServer": self._site.fhir_url,
            "fhirAuthorization": {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": TOKEN_S,
                "scope": _CDS_SCOPE,
                "subject": CDS_CLIENT_ID,
                "patient": patient,
            },
            "context": dict(context),
            "prefetch": known,
        }
        sent = time.perf_counter()
        status, response, failure = self._post(f"/cds-services/{service['id']}", body)
        done = time.perf_counter()
        return HookCall(
            id=str(body["hookInstance"]),
            service=str(service["id"]),
            hook=hook,
            patient=patient,
            encounter=context.get("encounterId"),
            request=body,
            status=status,
            response=response,
            failure=failure,
            prefetch_ms=round((sent - began) * 1000),
            service_ms=round((done - sent) * 1000),
        )

    def _post(self, path: str, body: Mapping[str, Any]) -> tuple[int | None, Any, str | None]:
        try:
            answer = self._reach("POST", path, json=dict(body))
        except DemoError as error:
            return None, None, error.message
        try:
            content = answer.json()
        except ValueError:
            return answer.status_code, None, "The service's answer is not JSON."
        return answer.status_code, content, None if answer.status_code == 200 else f"The service answered {answer.status_code}."

    def _feedback(self, call: HookCall, item: Mapping[str, Any]) -> None:
        body = {"feedback": [dict(item) | {"outcomeTimestamp": datetime.now(UTC).isoformat(timespec="seconds")}]}
        answer = self._reach("POST", f"/cds-services/{call.service}/feedback", json=body)
        if not answer.ok:
            raise DemoError(f"The service refused the feedback ({answer.status_code}).", "Look at the service's log.")

    def _reach(self, method: str, path: str, **more: Any) -> requests.Response:
        try:
            return requests.request(method, f"{self._site.service_url}{path}", timeout=_TIMEOUT_S, **more)
        except requests.RequestException as error:
            raise DemoError("The coding service can't be reached.", "Look whether it still runs.") from error
