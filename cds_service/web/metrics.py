"""What is counted: requests, cards and notes. One registry an app, so that two apps in one process don't mix."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from cds_service.application import Application
from cds_service.review.model import CodingReview

_BUCKETS = (0.025, 0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """The metrics of one app."""

    def __init__(self, application: Application) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("marginalia_requests", "Requests by route, method and status.", ["route", "method", "status"], registry=self._registry)
        self.seconds = Histogram("marginalia_request_seconds", "Time to answer, by route.", ["route"], buckets=_BUCKETS, registry=self._registry)
        self.cards = Counter("marginalia_cards", "Cards sent, by service and topic.", ["service", "topic"], registry=self._registry)
        self.notes = Counter("marginalia_notes", "Notes by what became of them.", ["outcome"], registry=self._registry)
        model = Gauge("marginalia_model_info", "The model in use.", ["name", "version", "provider"], registry=self._registry)
        used = application.reviewer.model
        model.labels(used.name, used.version, application.provider).set(1)

    def count_notes(self, review: CodingReview) -> None:
        """Count what was read and what was left."""
        self.notes.labels("read").inc(len(review.coverage.notes_read))
        self.notes.labels("skipped").inc(len(review.coverage.notes_skipped))

    def page(self) -> bytes:
        """Return the exposition in Prometheus' text format."""
        return generate_latest(self._registry)
