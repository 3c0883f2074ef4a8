"""The crash test: a process that writes is killed (SIGKILL) in the middle of it, again and again; what it acknowledged must be there."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import text

from cds_service.audit import AuditKey, AuditTrail, Event, Kind
from cds_service.store.engine import sqlite_file
from cds_service.store.reviews import CardIssued, Feedback, ReviewStore

_TENANT = "crash"
_LONGEST_S = 0.25  # from the start of writing to the kill


@dataclass(frozen=True, slots=True)
class CrashOutcome:
    """What a crash test found: decisions acknowledged, how many of them are lost, faults of the database or of the audit's chain."""

    rounds: int
    acknowledged: int
    lost: int
    faults: tuple[str, ...]
    longest_recovery_ms: float  # from the kill to the first good read of the reopened database

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as an object."""
        return asdict(self)


def crash_test(
    rounds: int, database: str | None = None, *, data_keys: tuple[str, ...] = (), audit_key: str = "", tell: Callable[[str], object] = len
) -> CrashOutcome:
    """Run the test.

    Args:
        rounds: how often the writing process is killed.
        database: URL of an empty database; a new SQLite file unless given.
        data_keys: as in the settings.
        audit_key: as in the settings.
        tell: takes words of progress.
    """
    with TemporaryDirectory(prefix="marginalia-crash-") as folder:
        url = database or f"sqlite:///{Path(folder) / 'crash.sqlite'}"
        ReviewStore(url, data_keys=data_keys).close()
        acknowledged: list[str] = []
        lost: list[str] = []
        faults: list[str] = []
        slowest = 0.0
        for number in range(rounds):
            said = _round(url, number, data_keys, audit_key)
            began = time.perf_counter()
            missing, wrong = _look(url, said, data_keys, audit_key)
            slowest = max(slowest, time.perf_counter() - began)
            acknowledged += said
            lost += missing
            faults += wrong
            if (number + 1) % 20 == 0:
                tell(f"{number + 1} rounds: {len(acknowledged)} acknowledged, {len(lost)} lost, {len(faults)} faults")
        missing, _ = _look(url, acknowledged, data_keys, audit_key)  # and none was lost later
        return CrashOutcome(rounds, len(acknowledged), len({*lost, *missing}), tuple(faults), round(slowest * 1000, 1))


def _round(url: str, number: int, data_keys: tuple[str, ...], audit_key: str) -> list[str]:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    writer = context.Process(target=_write, args=(url, number, theirs, data_keys, audit_key), daemon=True)
    writer.start()
    theirs.close()
    said: list[str] = []
    with contextlib.suppress(EOFError):
        said.append(ours.recv())  # the first: it writes now
        end = time.monotonic() + random.SystemRandom().uniform(0, _LONGEST_S)
        while (left := end - time.monotonic()) > 0:
            if ours.poll(left):
                said.append(ours.recv())
        os.kill(writer.pid or 0, signal.SIGKILL)
        while True:  # what it acknowledged before it died
            said.append(ours.recv())
    writer.join()
    ours.close()
    return said


def _write(url: str, number: int, acknowledge: Pipe, data_keys: tuple[str, ...], audit_key: str) -> None:
    store = ReviewStore(url, data_keys=data_keys)
    trail = AuditTrail(store.engine, AuditKey.load(store.engine, audit_key), every=10)
    for count in range(1_000_000):
        name = f"{number}-{count}"
        document = {"id": name, "patient": "Patient/1", "created": datetime.now(UTC).isoformat(), "diagnoses": [{"code": "E11.9"}] * 40}
        answer = Event(Kind.ANSWER, _TENANT, "crash", subject=f"Review/{name}")
        store.keep(_TENANT, document, [CardIssued(f"c{name}", "s", "t", {})], also=partial(trail.append, event=answer))
        decision = Event(Kind.DECISION, _TENANT, "crash", subject=f"Card/{name}")
        feedback = [Feedback(name, "accepted", datetime.now(UTC))]
        store.record_feedback(_TENANT, "s", feedback, also=partial(trail.append, event=decision))
        acknowledge.send(name)


def _look(url: str, names: list[str], data_keys: tuple[str, ...], audit_key: str) -> tuple[list[str], list[str]]:
    store = ReviewStore(url, data_keys=data_keys)
    try:
        with store.engine.connect() as connection:
            decided = set(connection.scalars(text("SELECT card FROM feedback")))
            answered = set(connection.scalars(text("SELECT id FROM review")))
        missing = [name for name in names if name not in decided or name not in answered]
        if names:
            store.get(_TENANT, names[-1])
        faults = list(AuditTrail(store.engine, AuditKey.load(store.engine, audit_key)).verify().faults)
        if sqlite_file(store.engine) is not None:
            with store.engine.connect() as connection:
                found = connection.scalar(text("PRAGMA integrity_check"))
            faults += [] if found == "ok" else [f"SQLite: {found}"]
        return missing, faults
    finally:
        store.close()
