"""What the lines share: the service under test, its services, and answers that several lines look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cds_service.config import is_loopback
from cds_service.conformance.checklist import Skip
from cds_service.simulate import Answer, Chart, Ehr, FhirServer, hook_call

Service = dict[str, Any]


@dataclass
class Stage:
    """The service under test. `reachable_fhir`: a FHIR server of ours on this machine can be called by the service."""

    ehr: Ehr
    chart: Chart
    reachable_fhir: bool = False
    fhir_port: int = 0
    cors_origin: str = ""
    _services: list[Service] | None = field(default=None, repr=False)
    _answers: dict[str, Answer] = field(default_factory=dict, repr=False)

    @property
    def https(self) -> bool:
        """Whether the service is called over https."""
        return urlsplit(self.ehr.base_url).scheme == "https"

    @property
    def on_this_machine(self) -> bool:
        """Whether the service is on a loopback address."""
        return is_loopback(urlsplit(self.ehr.base_url).hostname or "")

    def services(self) -> list[Service]:
        """Return the services on offer."""
        if self._services is None:
            self._services = [s for s in self.ehr.services() if isinstance(s.get("id"), str) and isinstance(s.get("hook"), str)]
        return self._services

    def some_service(self) -> Service:
        """Return the service that most lines call: one for patient-view, else the first; raises Skip."""
        offered = self.services()
        if not offered:
            raise Skip("no service is on offer")
        return next((s for s in offered if s["hook"] == "patient-view"), offered[0])

    def body(self, service: Service | None = None, **changes: Any) -> dict[str, Any]:
        """Return a good call of a service; keyword arguments replace members, None takes one away."""
        call = hook_call(service or self.some_service(), self.chart) | changes
        return {name: value for name, value in call.items() if value is not None}

    def answer(self, service: Service) -> Answer:
        """Return the answer to a good call of a service; made once."""
        name = f"{service['id']} {service['hook']}"
        if name not in self._answers:
            self._answers[name] = self.ehr.call(service["id"], self.body(service))
        return self._answers[name]

    def answers(self) -> list[tuple[str, Answer]]:
        """Return the answers of all services, each with its id; raises Skip where there is none."""
        found = [(s["id"], self.answer(s)) for s in self.services()]
        if not found:
            raise Skip("no service is on offer")
        return found

    def cards(self) -> list[tuple[str, dict[str, Any]]]:
        """Return all cards with the place where they came; raises Skip where there is none."""
        found = [(f"{id}.cards[{at}]", card) for id, answer in self.answers() for at, card in enumerate(answer.cards)]
        if not found:
            raise Skip("no card came back for this patient: give one of yours with --bundle")
        return found

    def with_fhir(self, change: Callable[[dict[str, Any]], None], *, page_size: int = 0) -> tuple[Answer, FhirServer]:
        """Call some service with a FHIR server of ours, after `change` was made to the call; raises Skip."""
        if not self.reachable_fhir:
            raise Skip("the service can't call a FHIR server on this machine: run it there, or with --fhir-port registered for this client")
        with FhirServer(self.chart, port=self.fhir_port, page_size=page_size) as server:
            call = self.body(fhirServer=server.url, fhirAuthorization=server.authorization())
            change(call)
            return self.ehr.call(self.some_service()["id"], call), server

    def signed(self) -> None:
        """Raise Skip where calls aren't signed."""
        if self.ehr.signer is None:
            raise Skip("calls aren't signed: give --key and --issuer")
