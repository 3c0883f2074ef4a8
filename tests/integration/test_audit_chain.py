"""The audit's chain, on SQLite and on PostgreSQL: what is changed, cut off, moved or written past the service is found."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cds_service.audit import AuditKey, AuditTrail, Checkpoint, Event, Kind, to_audit_event
from cds_service.audit.chain import digest, links
from cds_service.audit.signing import new_seed
from cds_service.store import ReviewStore
from cds_service.store.cipher import new_key

SEED = new_seed()
SWAP = "UPDATE audit_event SET seq = 99 WHERE seq = 4;UPDATE audit_event SET seq = 4 WHERE seq = 5;UPDATE audit_event SET seq = 5 WHERE seq = 99"
REPEAT = "INSERT INTO audit_event (seq, kind, tenant, event, hash) SELECT 11, kind, tenant, event, hash FROM audit_event WHERE seq = 10"


@pytest.fixture
def store(database_url: str) -> Iterator[ReviewStore]:
    """An empty store."""
    opened = ReviewStore(database_url, data_keys=[new_key()])
    yield opened
    opened.close()


@pytest.fixture
def trail(store: ReviewStore) -> AuditTrail:
    """A trail with a checkpoint each third event, and ten events."""
    made = AuditTrail(store.engine, AuditKey(SEED), every=3)
    for number in range(1, 11):
        made.record(Event(Kind.READ, "north", "ehr", "Practitioner/7", str(number), f"Review/r{number}"))
    return made


@pytest.fixture
def thief(store: ReviewStore) -> Callable[[str], None]:
    """Runs SQL as one who owns the database: the triggers are dropped first."""

    def run(sql: str) -> None:
        with store.engine.begin() as connection:
            if store.engine.dialect.name == "postgresql":
                for table in ("audit_event", "audit_checkpoint"):
                    connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_stays ON {table}"))
            else:
                for table in ("audit_event", "audit_checkpoint"):
                    for deed in ("update", "delete"):
                        connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_{deed}"))
            for statement in sql.split(";"):
                connection.execute(text(statement))

    return run


def written_anew(store: ReviewStore, thief: Callable[[str], None], change: Callable[[int, str], str | None]) -> None:
    """Rewrite the whole chain with right hashes, as one who knows how it is made; `change` returns an event's new text, or None to leave it out."""
    with store.engine.connect() as connection:
        rows = connection.execute(text("SELECT seq, event FROM audit_event ORDER BY seq")).all()
    previous = "0" * 64
    statements = ["DELETE FROM audit_event"]
    number = 0
    for seq, told in rows:
        changed = change(seq, told)
        if changed is None:
            continue
        number += 1
        changed = json.dumps({**json.loads(changed), "seq": number}, sort_keys=True, separators=(",", ":"))
        previous = digest(previous, changed)
        quoted = changed.replace(":", "\\:")
        statements.append(f"INSERT INTO audit_event (seq, kind, tenant, event, hash) VALUES ({number}, 'read', 'north', '{quoted}', '{previous}')")
    statements.append(f"UPDATE audit_head SET seq = {number}, hash = '{previous}'")
    thief(";".join(statements))


def test_a_whole_chain_is_whole(trail: AuditTrail) -> None:
    """Ten events, three checkpoints, no fault."""
    verdict = trail.verify()
    assert (verdict.events, verdict.checkpoints, verdict.faults, verdict.remarks) == (10, 3, (), ())


@pytest.mark.parametrize(
    "sql", ["UPDATE audit_event SET kind = 'write' WHERE seq = 5", "DELETE FROM audit_event WHERE seq = 10", "DELETE FROM audit_checkpoint"]
)
def test_the_database_refuses_to_change_an_event(store: ReviewStore, trail: AuditTrail, sql: str) -> None:
    """Append-only by the database itself."""
    with pytest.raises(DBAPIError, match="append-only"), store.engine.begin() as connection:
        connection.execute(text(sql))
    assert trail.verify().faults == ()


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("UPDATE audit_event SET event = replace(event, 'Practitioner/7', 'Practitioner/8') WHERE seq = 5", "Event 5 was changed"),
        ("UPDATE audit_event SET tenant = 'south' WHERE seq = 5", "columns of event 5"),
        ("DELETE FROM audit_event WHERE seq = 5", "Events 5 to 5 are missing"),
        ("DELETE FROM audit_event WHERE seq = 1", "Events 1 to 1 are missing"),
        ("DELETE FROM audit_event WHERE seq > 8", "ends at 8"),
        (SWAP, "Event 4 was changed"),
        (REPEAT, "Event 11 was changed"),
        ("DELETE FROM audit_event;DELETE FROM audit_checkpoint", "ends at 0"),
        ("UPDATE audit_checkpoint SET hash = '0' WHERE seq = 6", "checkpoint at 6 isn't signed"),
        ("DELETE FROM audit_head", "missing"),
    ],
)
def test_tampering_is_found(trail: AuditTrail, thief: Callable[[str], None], sql: str, fault: str) -> None:
    """Changed, left out, cut off, moved, added, and the checkpoints themselves."""
    thief(sql)
    assert any(fault in found for found in trail.verify().faults), trail.verify().faults


def test_a_chain_written_anew_is_found_by_its_checkpoints(store: ReviewStore, trail: AuditTrail, thief: Callable[[str], None]) -> None:
    """Right hashes, one event changed or cut off: the signed checkpoints state other hashes."""
    written_anew(store, thief, lambda seq, told: told.replace("Practitioner/7", "Practitioner/8") if seq == 5 else told)
    assert any("Event 6 is not the one that its checkpoint states" in f for f in trail.verify().faults)
    written_anew(store, thief, lambda seq, told: told if seq <= 7 else None)
    assert any("states event 9, but the chain ends at 7" in f for f in trail.verify().faults)


def test_what_was_cut_off_with_its_checkpoints_is_found_by_a_witness(store: ReviewStore, trail: AuditTrail, thief: Callable[[str], None]) -> None:
    """A checkpoint that the log kept finds it; without one the database alone can't tell."""
    witness = trail.checkpoint()
    assert witness is not None
    written_anew(store, thief, lambda seq, told: told if seq <= 5 else None)
    thief("DELETE FROM audit_checkpoint WHERE seq > 5")
    assert trail.verify().faults == ()
    assert any("states event 10, but the chain ends at 5" in f for f in trail.verify(witnesses=[witness]).faults)


def test_another_key_signs_nothing_that_counts(trail: AuditTrail) -> None:
    """A checkpoint signed with a thief's key, or with the right key for another hash, is refused."""
    other = AuditKey(new_seed())
    unsigned = Checkpoint(10, "0" * 64, "2026-03-01T00:00:00+00:00", other.public, "")
    forged = replace(unsigned, signature=other.sign(unsigned.statement))
    assert any("isn't signed by the audit's key" in f for f in trail.verify(witnesses=[forged]).faults)
    good = trail.checkpoint()
    assert good is not None
    assert any("isn't signed" in f for f in trail.verify(witnesses=[replace(good, seq=9)]).faults)


def test_threads_append_one_after_another(store: ReviewStore) -> None:
    """Four trails, as four processes have them, append at the same time: no number is given twice, none is left out."""
    trails = [AuditTrail(store.engine, AuditKey(SEED), every=7) for _ in range(4)]

    def work(trail: AuditTrail) -> None:
        for number in range(15):
            trail.record(Event(Kind.READ, "north", patient=str(number)))

    threads = [threading.Thread(target=work, args=(t,)) for t in trails]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verdict = trails[0].verify()
    assert (verdict.events, verdict.faults) == (60, ())
    assert verdict.checkpoints >= 8


def test_an_event_is_kept_with_what_it_tells_or_not_at_all(store: ReviewStore, trail: AuditTrail) -> None:
    """The transaction that fails after the event takes the event with it; the chain goes on whole."""
    document = {"id": "r1", "patient": "Patient/1", "created": "2026-03-01T10:00:00+00:00"}

    def fail_after(connection: object) -> None:
        trail.append(connection, Event(Kind.ANSWER, "north"))  # type: ignore[arg-type]
        raise RuntimeError("afterwards")

    with pytest.raises(RuntimeError):
        store.keep("north", document, also=fail_after)
    assert trail.length() == 10
    trail.record(Event(Kind.READ, "north"))
    assert trail.verify().faults == ()


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_is_a_valid_audit_event(store: ReviewStore, kind: Kind) -> None:
    """FHIR R4 AuditEvent of each kind, by the models of fhir.resources; BALP's profile where it is about a patient over REST."""
    trail = AuditTrail(store.engine, AuditKey(SEED))
    trail.record(Event(kind, "north", "ehr", "Practitioner/7", "1", "Review/r1", details={"request": "q1", "rows": {"review": 2}}))
    with store.engine.connect() as connection:
        resource = to_audit_event(next(links(connection)), site="https://coding.example.org")
    AuditEvent.model_validate(resource)
    assert {"type", "recorded", "agent", "source"} <= set(resource)
    if kind in (Kind.READ, Kind.ANSWER, Kind.DECISION, Kind.QUERY, Kind.CHANGE, Kind.WRITE, Kind.ERASE):
        assert resource["meta"]["profile"][0].startswith("https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Patient")
        roles = {e.get("role", {}).get("code") for e in resource["entity"]}
        assert {"1", "4"} <= roles  # the patient and the data
        assert any(e["type"]["code"] == "XrequestId" for e in resource["entity"])
        assert [a["type"]["coding"][0]["code"] for a in resource["agent"]][2] == "IRCP"
        assert sum(a["requestor"] for a in resource["agent"]) == 1


def test_a_checkpoint_is_in_the_log(store: ReviewStore, caplog: pytest.LogCaptureFixture) -> None:
    """The log keeps the witness: the whole checkpoint as fields of its line."""
    trail = AuditTrail(store.engine, AuditKey(SEED))
    trail.record(Event(Kind.READ, "north"))
    with caplog.at_level("INFO"):
        point = trail.checkpoint()
    assert point is not None
    assert any(getattr(r, "fields", {}).get("checkpoint") == asdict(point) for r in caplog.records)
