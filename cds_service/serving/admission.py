"""Admission: as many calls work at once as there are workers, a few wait for a bounded time, and every further one is told at once to come back.

Without it each call of a burst would get slower with every other one, until all of them miss their deadline.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, g, request

from cds_service.config import Client
from cds_service.errors import BusyError
from cds_service.hooks.coverage import COVERAGE_EXTENSION

_REMEDY = "Call again after the seconds that Retry-After names; if it stays, give the service more workers or processes."


class Admission:
    """Counts who works and who waits. Safe to share between threads.

    Args:
        capacity: calls that work at the same time.
        waiting: calls that may wait for a place.
        clock: monotonic seconds.
    """

    def __init__(self, capacity: int, waiting: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self._most_waiting = waiting
        self._clock = clock
        self._working = 0
        self._queue: list[object] = []
        self._changed = threading.Condition()
        self.refused = 0

    @property
    def working(self) -> int:
        """Calls that work now."""
        return self._working

    @property
    def waiting(self) -> int:
        """Calls that wait now."""
        return len(self._queue)

    def enter(self, until: float) -> None:
        """Take a place, the longest waiting call first; `leave` gives it back.

        Args:
            until: when waiting makes no sense any more (monotonic seconds).

        Raises:
            BusyError: too many wait already, or no place came free in time.
        """
        me = object()
        with self._changed:
            if self._working < self.capacity and not self._queue:
                self._working += 1
                return
            if len(self._queue) >= self._most_waiting:
                self._refuse("More calls came than can be answered now.")
            self._queue.append(me)
            try:
                if not self._changed.wait_for(lambda: self._queue[0] is me and self._working < self.capacity, max(0.0, until - self._clock())):
                    self._refuse("No place came free in the time of this call.")
                self._working += 1
            finally:
                self._queue.remove(me)
                self._changed.notify_all()

    def leave(self) -> None:
        """Give the place back."""
        with self._changed:
            self._working -= 1
            self._changed.notify_all()

    @contextmanager
    def place(self, until: float) -> Iterator[None]:
        """Hold a place for the block; raises BusyError as `enter` does."""
        self.enter(until)
        try:
            yield
        finally:
            self.leave()

    def _refuse(self, why: str) -> None:
        self.refused += 1
        raise BusyError(why, _REMEDY)


def hold(admission: Admission, client: Client, until: float) -> None:
    """Take a place for the request in progress, which gives it back at its end; raises BusyError as `enter` does."""
    g.client = client
    admission.enter(until)
    g.holds = admission


def give_back_places(app: Flask) -> None:
    """Have every request give back the place it holds, however it ends."""

    @app.teardown_request
    def give_back(_error: BaseException | None) -> None:
        held: Admission | None = g.pop("holds", None)
        if held is not None:
            held.leave()


def wants_empty_answer() -> bool:
    """Tell whether the client of the hook call in progress chose an empty list of cards over a refusal."""
    client: Client | None = g.get("client")
    return client is not None and client.when_busy == "empty" and request.endpoint == "cds.call"


def empty_answer(why: str) -> dict[str, Any]:
    """Return a hook's answer without cards whose coverage says that nothing was read, and why."""
    told = {"notesRead": 0, "skipped": 0, "notesSkipped": [], "warnings": [f"Nothing was read. {why}"]}
    return {"cards": [], "extension": {COVERAGE_EXTENSION: told}}
