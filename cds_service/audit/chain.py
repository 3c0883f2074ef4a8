"""The chain: each event's hash covers the event and the hash before it, so that no event can be changed, left out or moved unseen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert, select, update

from cds_service.audit.event import Event
from cds_service.audit.schema import CheckpointRow, EventRow, HeadRow
from cds_service.audit.signing import signed_by

FIRST = "0" * 64  # the hash before the first event
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Link:
    """An event in its place."""

    seq: int
    hash: str
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement that the chain had this hash at this number. `key` is the public key, base64."""

    seq: int
    hash: str
    at: str
    key: str
    signature: str

    @property
    def statement(self) -> bytes:
        """What is signed."""
        return f"marginalia-audit\n{self.seq}\n{self.hash}\n{self.at}".encode()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found. `faults` is empty where the chain is whole."""

    events: int
    checkpoints: int
    head: str
    faults: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def digest(previous: str, event: str) -> str:
    """Return the hash of an event in its place."""
    return hashlib.sha256(f"{previous}\n{event}".encode()).hexdigest()


def append(connection: Connection, event: Event, *, now: datetime | None = None) -> Link:
    """Append an event within the caller's transaction, which holds the end of the chain from here on until it ends."""
    head = connection.execute(select(HeadRow.seq, HeadRow.hash).where(HeadRow.id == 1).with_for_update()).one()
    seq = head.seq + 1
    told = {"seq": seq, "id": str(uuid4()), "at": (now or datetime.now(UTC)).isoformat(timespec="milliseconds"), **event.to_json()}
    text = json.dumps(told, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    value = digest(head.hash, text)
    about = event.subject.rsplit("/", 1)[-1] if event.subject else event.patient
    connection.execute(
        insert(EventRow).values(seq=seq, kind=event.kind.value, tenant=event.tenant[:64], about=about and about[:128], event=text, hash=value)
    )
    connection.execute(update(HeadRow).where(HeadRow.id == 1).values(seq=seq, hash=value))
    return Link(seq, value, told)


def links(connection: Connection, *, tenant: str | None = None, about: str | None = None, kind: str | None = None, after: int = 0) -> Iterator[Link]:
    """Yield the events in their order."""
    query = select(EventRow.seq, EventRow.hash, EventRow.event)
    for column, value in ((EventRow.tenant, tenant), (EventRow.about, about), (EventRow.kind, kind)):
        if value is not None:
            query = query.where(column == value)
    while True:
        rows = connection.execute(query.where(EventRow.seq > after).order_by(EventRow.seq).limit(_PAGE)).all()
        for row in rows:
            yield Link(row.seq, row.hash, json.loads(row.event))
        if len(rows) < _PAGE:
            return
        after = rows[-1].seq


def latest(connection: Connection, kind: str) -> Link | None:
    """Return the last event of a kind; None where there is none."""
    query = select(EventRow.seq, EventRow.hash, EventRow.event).where(EventRow.kind == kind).order_by(EventRow.seq.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return Link(row.seq, row.hash, json.loads(row.event)) if row else None


def verify(connection: Connection, *, trusted: Iterable[str] = (), witnesses: Iterable[Checkpoint] = ()) -> Verdict:
    """Verify the whole chain: every hash, every number, its end, and every checkpoint.

    Args:
        connection: the database, in one transaction.
        trusted: public keys (base64) whose checkpoints count; any key unless given.
        witnesses: checkpoints kept elsewhere, such as in the logs. They find what was cut off together with its checkpoints.
    """
    faults: list[str] = []
    remarks: list[str] = []
    kept = [Checkpoint(r.seq, r.hash, r.at, r.key, r.signature) for r in connection.execute(select(CheckpointRow.__table__).order_by(CheckpointRow.seq)).all()]
    stated: dict[int, str] = {}
    keys = frozenset(trusted)
    for place, point in (*(("kept", c) for c in kept), *(("witnessed", c) for c in witnesses)):
        if not signed_by(point.key, point.signature, point.statement) or (keys and point.key not in keys):
            faults.append(f"The {place} checkpoint at {point.seq} isn't signed by the audit's key.")
        elif stated.setdefault(point.seq, point.hash) != point.hash:
            faults.append(f"Two checkpoints at {point.seq} state different hashes: the chain was written anew.")
    last, count, previous, when = 0, 0, FIRST, ""
    for row in _rows(connection):
        count += 1
        if row.seq != last + 1:
            faults.append(f"Events {last + 1} to {row.seq - 1} are missing.")
        faults += _wrong(row, previous)
        if row.seq in stated and stated[row.seq] != row.hash:
            faults.append(f"Event {row.seq} is not the one that its checkpoint states.")
        at = str(json.loads(row.event).get("at", "")) if not faults else when
        if at < when:
            remarks.append(f"The clock went back before event {row.seq}.")
        last, previous, when = row.seq, row.hash, at
    head = connection.execute(select(HeadRow.seq, HeadRow.hash)).one_or_none()
    if head is None or (head.seq, head.hash) != (last, previous):
        faults.append(f"The chain ends at {last}, but its kept end is {head.seq if head else 'missing'}: events were cut off or added past the service.")
    if beyond := [seq for seq in stated if seq > last]:
        faults.append(f"A checkpoint states event {max(beyond)}, but the chain ends at {last}: events were cut off.")
    return Verdict(count, len(stated), previous, tuple(faults), tuple(remarks))


def _rows(connection: Connection) -> Iterator[Any]:
    after = -(2**62)
    while True:
        rows = connection.execute(select(EventRow.__table__).where(EventRow.seq > after).order_by(EventRow.seq).limit(_PAGE)).all()
        yield from rows
        if len(rows) < _PAGE:
            return
        after = rows[-1].seq


def _wrong(row: Any, previous: str) -> Iterator[str]:
    if digest(previous, row.event) != row.hash:
        yield f"Event {row.seq} was changed, or is not the one that followed the event before it."
        return
    told = json.loads(row.event)
    if (told["seq"], told["kind"], told["tenant"][:64]) != (row.seq, row.kind, row.tenant):
        yield f"The columns of event {row.seq} don't say what the event says."
