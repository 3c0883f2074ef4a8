"""The registry of CDS services: one door for every service, built in or not.

A service declares its hook, its prefetch and what it needs; the templates are checked when it enters, so that a
service can't advertise what an EHR can't fill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cds_service.asking import Asking
from cds_service.errors import ConfigurationError, UnknownServiceError
from cds_service.hooks.card import Card
from cds_service.hooks.request import HookRequest
from cds_service.hooks.template import Template
from cds_service.review.model import CodingReview
from fhir_mappers.record import EncounterRecord
from onnx_models import NoteReading

SPECIFICATION_VERSION = "2.0"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a service makes its cards from. `read` is the engine, for words of the call itself; `asking` tells which queries may be put."""

    request: HookRequest
    record: EncounterRecord
    review: CodingReview
    read: Callable[[str], NoteReading]
    asking: Asking = field(default_factory=Asking)


@dataclass(frozen=True, slots=True)
class Service:
    """One CDS service.

    `required` are the prefetch keys without which there is no honest answer (P8). `draw` turns what was found into
    cards, most important first.
    """

    id: str
    hook: str
    hook_version: str
    title: str
    description: str
    usage_requirements: str
    prefetch: Mapping[str, Template]
    required: frozenset[str]
    draw: Callable[[Finding], Sequence[Card]]

    def to_json(self) -> dict[str, Any]:
        """Return the service as discovery shows it (D2, D3)."""
        return {
            "id": self.id,
            "hook": self.hook,
            "hookVersion": self.hook_version,
            "version": SPECIFICATION_VERSION,
            "title": self.title,
            "description": self.description,
            "usageRequirements": self.usage_requirements,
            "prefetch": {key: template.text for key, template in self.prefetch.items()},
        }


class Registry:
    """All services by id."""

    def __init__(self, services: Sequence[Service] = ()) -> None:
        self._services: dict[str, Service] = {}
        for service in services:
            self.add(service)

    def add(self, service: Service) -> None:
        """Add a service.

        Raises:
            ConfigurationError: the id is taken, or a required key has no template.
        """
        if service.id in self._services:
            raise ConfigurationError(f"Two CDS services have the id '{service.id}'.", "Give each service an id of its own.")
        unknown = service.required - set(service.prefetch)
        if unknown:
            raise ConfigurationError(f"Service '{service.id}' requires {', '.join(sorted(unknown))} without a prefetch template.", "Add the template.")
        self._services[service.id] = service

    def __iter__(self) -> Iterator[Service]:
        return iter(self._services.values())

    def find(self, service_id: str) -> Service:
        """Return the service; raises UnknownServiceError."""
        try:
            return self._services[service_id]
        except KeyError:
            raise UnknownServiceError(f"There is no CDS service '{service_id[:64]}'.", "GET /cds-services lists the services.") from None
