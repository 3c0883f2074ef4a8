"""What the service does by itself while it runs: delete what is older than the tenants keep, and sign the audit's end."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

from cds_service.logs import told_of

_LOG = logging.getLogger(__name__)
_DAY_S = 86_400.0
_CHECKPOINT_S = 600.0


class Housekeeping:
    """Runs jobs in a thread of its own, each at its interval, until closed. A job that fails is told and tried again at its next time."""

    def __init__(self, jobs: dict[str, tuple[float, Callable[[], object]]], *, first: float | None = None) -> None:
        """Start.

        Args:
            jobs: name -> (seconds between two runs, what to run).
            first: seconds until each job's first run; some part of a minute unless given, so that several processes don't start at once.
        """
        self._jobs = jobs
        self._first = first
        self._closed = threading.Event()
        self._worker = threading.Thread(target=self._work, name="housekeeping", daemon=True)
        self._worker.start()

    def close(self) -> None:
        """Stop; a job that runs is finished."""
        self._closed.set()
        self._worker.join(timeout=10)

    def _work(self) -> None:
        waited = 0.0
        due = {name: self._first if self._first is not None else random.SystemRandom().uniform(10, 60) for name in self._jobs}
        while due and not self._closed.wait(max(0.0, min(due.values()) - waited)):
            waited = max(waited, min(due.values()))
            for name in [n for n, when in due.items() if when <= waited]:
                every, job = self._jobs[name]
                due[name] = waited + every
                try:
                    job()
                except Exception as error:  # noqa: BLE001 - the service goes on; the next run will show whether it stays
                    _LOG.error("housekeeping failed", extra={"fields": {"job": name, **told_of(error)}})


def usual(retain: Callable[[], object], checkpoint: Callable[[], object]) -> Housekeeping:
    """Return the housekeeping of the service: retention daily, a checkpoint each ten minutes."""
    return Housekeeping({"retention": (_DAY_S, retain), "checkpoint": (_CHECKPOINT_S, checkpoint)})
