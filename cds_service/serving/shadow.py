"""Shadow mode: another model reads what the model in use has read, on live calls and after the answer; nobody sees what it finds but the counters."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cds_service.logs import told_of
from cds_service.review.model import CodingReview
from fhir_mappers.record import EncounterRecord

_LOG = logging.getLogger(__name__)
_MOST = 8  # charts that may wait: they are in memory meanwhile


class Shadow:
    """Compares reviews one at a time, and lets further ones go while too many wait. Safe to share between threads.

    Args:
        review: makes the other model's review of a record.
        rest: waits while calls are in progress: they come first.
    """

    def __init__(self, review: Callable[[EncounterRecord], CodingReview], rest: Callable[[], object]) -> None:
        self._review = review
        self._rest = rest
        self._waiting = 0
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self.counts: Counter[str] = Counter()  # reviews, same, only_current, only_shadow, skipped, failed

    def compare(self, record: EncounterRecord, current: CodingReview) -> None:
        """Have the record read by the other model later, and its codes counted against the current review's."""
        with self._lock:
            if self._waiting >= _MOST:
                self.counts["skipped"] += 1
                return
            self._waiting += 1
        try:
            self._worker.submit(self._work, record, current)
        except RuntimeError:  # closed: a call that was in progress at the end
            with self._lock:
                self._waiting -= 1

    def close(self) -> None:
        """Drop what waits; a comparison in progress is finished."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _work(self, record: EncounterRecord, current: CodingReview) -> None:
        try:
            self._rest()
            before = {d.code for d in current.diagnoses}
            after = {d.code for d in self._review(record).diagnoses}
            found = {"same": len(before & after), "only_current": len(before - after), "only_shadow": len(after - before)}
            with self._lock:
                self.counts.update(found, reviews=1)
            _LOG.info("shadow", extra={"fields": {"review": current.id, **found}})
        except Exception as error:  # noqa: BLE001 - a shadow disturbs nobody
            self.counts["failed"] += 1
            _LOG.error("shadow failed", extra={"fields": told_of(error)})
        finally:
            with self._lock:
                self._waiting -= 1
