"""The trail of one database: appends events, and signs checkpoints that go to the log as well, where a thief of the database can't reach them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.exc import IntegrityError

from cds_service.audit import chain
from cds_service.audit.chain import Checkpoint, Link, Verdict
from cds_service.audit.event import Event
from cds_service.audit.schema import CheckpointRow, HeadRow
from cds_service.audit.signing import AuditKey
from cds_service.audit.watch import with_request
from cds_service.store.engine import snapshot, writing

_LOG = logging.getLogger(__name__)
EVERY = 100  # events between two checkpoints


class AuditTrail:
    """Safe to share between threads, and between processes on one database."""

    def __init__(self, engine: Engine, key: AuditKey, *, every: int = EVERY, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._key = key
        self._every = every
        self._clock = clock

    @property
    def public_key(self) -> str:
        """The public half of the key that signs."""
        return self._key.public

    def append(self, connection: Connection, event: Event) -> Link:
        """Append an event in the caller's transaction: both are kept, or neither."""
        link = chain.append(connection, with_request(event), now=self._clock())
        # Events that follow from rows are appended without a key, so the distance counts, not the number.
        if link.seq - (connection.scalar(select(func.max(CheckpointRow.seq))) or 0) >= self._every:
            self._state(connection, link.seq, link.hash)
        return link

    def record(self, event: Event) -> Link:
        """Append an event in a transaction of its own."""
        with writing(self._engine).begin() as connection:
            return self.append(connection, event)

    def checkpoint(self) -> Checkpoint | None:
        """Sign the end of the chain as it is now; None where it is empty."""
        with writing(self._engine).begin() as connection:
            head = connection.execute(select(HeadRow.seq, HeadRow.hash).where(HeadRow.id == 1).with_for_update()).one()
            return self._state(connection, head.seq, head.hash) if head.seq else None

    def verify(self, *, witnesses: Iterable[Checkpoint] = (), trusted: Iterable[str] = ()) -> Verdict:
        """Verify the whole chain in one view of the database; this trail's own key is trusted, and those given."""
        with snapshot(self._engine).begin() as connection:
            return chain.verify(connection, trusted=(self._key.public, *trusted), witnesses=witnesses)

    def length(self) -> int:
        """Return the number of events."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.max(HeadRow.seq))).scalar() or 0)

    def _state(self, connection: Connection, seq: int, value: str) -> Checkpoint:
        at = self._clock().isoformat(timespec="milliseconds")
        unsigned = Checkpoint(seq, value, at, self._key.public, "")
        point = Checkpoint(seq, value, at, self._key.public, self._key.sign(unsigned.statement))
        try:
            with connection.begin_nested():
                connection.execute(insert(CheckpointRow).values(**asdict(point)))
        except IntegrityError:  # this number was stated before
            return point
        _LOG.info("audit checkpoint", extra={"fields": {"checkpoint": asdict(point)}})
        return point
