"""Reading after the answer what a call had no time for, so that the next hook on the chart and the opened review have it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cds_service.logs import told_of
from fhir_mappers import Note

LONGEST = 20_000  # characters of a note that is read afterwards: the end of the process waits for the note in hand
_LOG = logging.getLogger(__name__)


class Backlog:
    """Notes waiting to be read, one at a time. When more than `most` wait, further ones are let go: calls come first."""

    def __init__(self, read: Callable[[Note], object], *, most: int = 16) -> None:
        self._read = read
        self._most = most
        self._waiting: set[str] = set()
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="backlog")

    def add(self, note: Note) -> bool:
        """Have a note read later. Returns False where it waits already or is too long, too many wait, or the backlog is closed."""
        key = note.text
        if len(key) > LONGEST:
            return False
        with self._lock:
            if key in self._waiting or len(self._waiting) >= self._most:
                return False
            self._waiting.add(key)
        try:
            self._worker.submit(self._work, note)
        except RuntimeError:  # closed
            self._waiting.discard(key)
            return False
        return True

    def close(self) -> None:
        """Drop what waits, and finish the note in hand."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _work(self, note: Note) -> None:
        try:
            self._read(note)
        except Exception as error:  # noqa: BLE001 - nobody waits for the result; the next call will meet the same error and tell it
            _LOG.error("note not read afterwards", extra={"fields": told_of(error)})
        finally:
            with self._lock:
                self._waiting.discard(note.text)
