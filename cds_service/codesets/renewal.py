"""Renewal: a running service follows its data folder.

Every few seconds at most, a call looks whether the folder has changed; if so, what was loaded from it is loaded anew beside the calls, and put in place
in one step. If the folder is damaged, what was loaded before stays, and the log says why.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from cds_service.errors import CodeSetError, RuleError
from cds_service.logs import told_of

_LOG = logging.getLogger(__name__)


class Renewal:
    """Looks at a stamp and renews when it has changed. Safe to share between threads."""

    def __init__(self, stamp: Callable[[], str], renew: Callable[[], object], *, every: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Take what tells of a change and what to do then.

        Args:
            stamp: cheap; differs after a change.
            renew: loads anew and puts in place; may take seconds, and may raise.
            every: seconds between two looks.
            clock: seconds.
        """
        self._stamp, self._renew, self._every, self._clock = stamp, renew, every, clock
        self._seen = stamp()
        self._next = clock() + every
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Start to renew where there is reason to. Returns at once."""
        if self._clock() < self._next or not self._lock.acquire(blocking=False):
            return
        try:
            self._next = self._clock() + self._every
            try:
                stamp = self._stamp()
            except OSError as error:  # the folder is being changed in this very moment, or can't be read: the next look will show
                _LOG.error("code sets not looked at", extra={"fields": told_of(error)})
                return
            if stamp == self._seen or (self._thread is not None and self._thread.is_alive()):
                return
            self._seen = stamp
            self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)
            self._thread.start()
        finally:
            self._lock.release()

    def wait(self) -> None:
        """Return when no renewal is in progress."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        began = time.perf_counter()
        try:
            self._renew()
        except Exception as error:  # noqa: BLE001 - whatever went wrong, what was loaded before stays in force
            why = {"message": error.message, "remedy": error.remedy} if isinstance(error, CodeSetError | RuleError) else {}
            _LOG.error("code sets not renewed", extra={"fields": {**why, **told_of(error)}})
        else:
            _LOG.info("code sets renewed", extra={"fields": {"seconds": round(time.perf_counter() - began, 1)}})
