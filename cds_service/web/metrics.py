"""What is counted: requests, cards and notes. One registry an app, so that two apps in one process don't mix."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from cds_service.application import Application
from cds_service.review.model import CodingReview
from cds_service.serving import counters

_BUCKETS = (0.025, 0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """The metrics of one app."""

    def __init__(self, application: Application) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("marginalia_requests", "Requests by route, method and status.", ["route", "method", "status"], registry=self._registry)
        self.seconds = Histogram("marginalia_request_seconds", "Time to answer, by route.", ["route"], buckets=_BUCKETS, registry=self._registry)
        self.cards = Counter("marginalia_cards", "Cards sent, by service and topic.", ["service", "topic"], registry=self._registry)
        self.notes = Counter("marginalia_notes", "Notes by what became of them.", ["outcome"], registry=self._registry)
        self.refused = Counter("marginalia_refused", "Calls beyond capacity, by how they were answered.", ["answer"], registry=self._registry)
        self._application = application
        self._audited = Gauge("marginalia_audit_events", "Length of the audit's chain.", registry=self._registry, multiprocess_mode="max")
        self._now: list[tuple[Gauge, Callable[[], float]]] = []
        for name, words, look in (
            ("marginalia_calls_working", "Calls that work now.", lambda: application.admission.working),
            ("marginalia_calls_waiting", "Calls that wait for a place now.", lambda: application.admission.waiting),
            ("marginalia_calls_capacity", "Calls that can work at the same time.", lambda: application.admission.capacity),
            ("marginalia_backlog_notes", "Notes that wait to be read afterwards.", application.waiting_notes),
            ("marginalia_readings_remembered", "Readings of notes in memory.", lambda: application.reviewer.recent.count()),
            ("marginalia_resident_bytes", "Resident memory.", resident_bytes),
        ):
            self._now.append((Gauge(name, words, registry=self._registry, multiprocess_mode="livesum"), look))
        if (shadow := application.shadow) is not None:
            for name, words in (
                ("reviews", "Reviews compared with the other model's."),
                ("same", "Codes that both models found."),
                ("only_current", "Codes that only the model in use found."),
                ("only_shadow", "Codes that only the other model found."),
                ("skipped", "Reviews that were not compared: too many waited."),
                ("failed", "Comparisons that failed."),
            ):
                gauge = Gauge(f"marginalia_shadow_{name}", words, registry=self._registry, multiprocess_mode="livesum")
                self._now.append((gauge, partial(shadow.counts.__getitem__, name)))
        model = Gauge("marginalia_model_info", "The model in use.", ["name", "version", "provider"], registry=self._registry, multiprocess_mode="liveall")
        used = application.reviewer.model
        model.labels(used.name, used.version, application.provider).set(1)

    def count_notes(self, review: CodingReview) -> None:
        """Count what was read and what was left."""
        self.notes.labels("read").inc(len(review.coverage.notes_read))
        self.notes.labels("skipped").inc(len(review.coverage.notes_skipped))

    def page(self) -> bytes:
        """Return the exposition in Prometheus' text format, summed over all processes of the service."""
        self.look()
        with contextlib.suppress(SQLAlchemyError):  # /readyz tells that the database is gone; the other numbers are wanted then most
            self._audited.set(self._application.audit.length())
        return counters.exposition() or generate_latest(self._registry)

    def look(self) -> None:
        """Take down how things stand in this process now."""
        for gauge, current in self._now:
            gauge.set(current())


def resident_bytes() -> float:
    """Return the resident memory of this process; 0 where the system doesn't tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0.0
