"""Reading after the answer what a call had no time for, so that the next hook on the chart and the opened review have it.

Calls come first: while any is in progress the backlog stands still, in the middle of a note as well as between notes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from cds_service.logs import told_of
from fhir_mappers import Note

LONGEST = 20_000  # characters of a note that is read afterwards: it shouldn't keep the others waiting for long
_LOG = logging.getLogger(__name__)


class Calls:
    """Counts the calls in progress. Safe to share between threads."""

    def __init__(self) -> None:
        self._number = 0
        self._changed = threading.Condition()

    def begin(self) -> None:
        """Count a call in."""
        with self._changed:
            self._number += 1

    def end(self) -> None:
        """Count a call out."""
        with self._changed:
            self._number -= 1
            self._changed.notify_all()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a call in, and out at the end of the block."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def wait_for_none(self, given_up: threading.Event) -> None:
        """Return when no call is in progress, or when `given_up` is set and `wake` was called."""
        with self._changed:
            self._changed.wait_for(lambda: not self._number or given_up.is_set())

    def wake(self) -> None:
        """Have those who wait look again."""
        with self._changed:
            self._changed.notify_all()


class Backlog:
    """Notes waiting to be read, one at a time. When more than `most` wait, further ones are let go: calls come first.

    Args:
        read: reads a note of a tenant, and calls its third argument between small pieces of the work: that waits while a call is in progress.
        calls: the calls that come first.
        most: how many notes may wait.
    """

    def __init__(self, read: Callable[[Note, str, Callable[[], None]], object], calls: Calls, *, most: int = 16) -> None:
        self._read = read
        self._calls = calls
        self._most = most
        self._waiting: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="backlog")

    def add(self, note: Note, tenant: str) -> bool:
        """Have a note of a tenant read later. Returns False where it waits already or is too long, too many wait, or the backlog is closed."""
        key = (tenant, note.text)
        if len(note.text) > LONGEST:
            return False
        with self._lock:
            if key in self._waiting or len(self._waiting) >= self._most:
                return False
            self._waiting.add(key)
        try:
            self._worker.submit(self._work, note, tenant)
        except RuntimeError:  # closed
            self._waiting.discard(key)
            return False
        return True

    def count(self) -> int:
        """Return how many notes wait or are being read."""
        return len(self._waiting)

    def close(self) -> None:
        """Drop what waits and what is half read."""
        self._closed.set()
        self._calls.wake()
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _work(self, note: Note, tenant: str) -> None:
        try:
            self._give_way()
            self._read(note, tenant, self._give_way)
        except _ClosedError:
            pass
        except Exception as error:  # noqa: BLE001 - nobody waits for the result; the next call will meet the same error and tell it
            _LOG.error("note not read afterwards", extra={"fields": told_of(error)})
        finally:
            with self._lock:
                self._waiting.discard((tenant, note.text))

    def _give_way(self) -> None:
        """Wait while any call is in progress. Raises _ClosedError where the backlog is closed."""
        self._calls.wait_for_none(self._closed)
        if self._closed.is_set():
            raise _ClosedError


class _ClosedError(Exception):
    """The backlog was closed while a note was being read."""
