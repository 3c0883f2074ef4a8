"""Tokens that were used, in the database: what one process has seen, the others know (J6)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import sessionmaker

from cds_service.access.schema import AccessTokenRow, UsedTokenRow
from cds_service.store import writing

_CLEAN_S = 60.0  # between two removals of what has expired
_LONGER = timedelta(days=1)  # kept beyond that: a clock that jumps ahead and comes back must not let a used token in again


class UsedTokens:
    """Remembers used tokens until they expire. Safe to share between threads and processes.

    Where the database can't be written, nothing is let through: the error of the database goes on to the caller (503).
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions = sessionmaker(writing(engine))
        self._clock = clock
        self._lock = threading.Lock()
        self._cleaned = float("-inf")

    def first_use(self, digest: str, expires: datetime) -> bool:
        """Remember a token until it expires; False where it was used before."""
        self._clean()
        try:
            with self._sessions.begin() as session:
                session.add(UsedTokenRow(digest=digest, expires=expires.astimezone(UTC).replace(tzinfo=None)))
        except IntegrityError:
            return False
        return True

    def _clean(self) -> None:
        with self._lock:
            if self._clock() - self._cleaned < _CLEAN_S:
                return
            self._cleaned = self._clock()
        now = datetime.now(UTC).replace(tzinfo=None)
        with self._sessions.begin() as session:
            for table in (UsedTokenRow, AccessTokenRow):
                session.execute(delete(table).where(table.expires < now - _LONGER))
