"""What is kept and for how long, on SQLite and on PostgreSQL: sealing, new keys, retention, erasing, backup and restore, crashes."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import inspect, text

from cds_service.audit import AuditKey, AuditTrail, Event, Kind
from cds_service.audit.signing import new_seed
from cds_service.cli import marginalia
from cds_service.config import Settings
from cds_service.errors import NotFoundError, StoreError
from cds_service.store import CardIssued, Cipher, Feedback, ReviewStore, open_engine
from cds_service.store.backup import back_up, look, restore
from cds_service.store.cipher import new_key
from cds_service.store.command import retire, seal_anew
from cds_service.store.crash import crash_test
from cds_service.store.schema import every_table
from smart_app.database import open_database
from smart_app.decisions import Action, Decisions, Subject
from smart_app.history import Actor, Place
from smart_app.roles import Role
from tests.conftest import new_database

KEY, SEED = new_key(), new_seed()
NOW = datetime.now(UTC)
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def store(database_url: str) -> Iterator[ReviewStore]:
    """An empty store."""
    opened = ReviewStore(database_url, data_keys=[KEY])
    yield opened
    opened.close()


@pytest.fixture
def command(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `marginalia` on the database of the test; returns exit code and output."""
    monkeypatch.setenv("MARGINALIA_DATABASE_URL", database_url)
    monkeypatch.setenv("MARGINALIA_DATA_KEYS", KEY)
    monkeypatch.setenv("MARGINALIA_AUDIT_KEY", SEED)

    def run(*words: str, **environment: str) -> tuple[int, str]:
        outcome = CliRunner(env=environment).invoke(marginalia, list(words))
        if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
            raise outcome.exception
        return outcome.exit_code, outcome.stdout

    return run


def fill(store: ReviewStore, tenant: str, patient: str, number: int, *, days_ago: int = 0) -> None:
    """Keep one review with card, handle, feedback and a decision."""
    name = f"{tenant}-{patient}-{number}"
    document = {"id": name, "patient": f"Patient/{patient}", "created": (NOW - timedelta(days=days_ago)).isoformat(), "diagnoses": [{"code": "E11.9"}]}
    store.keep(tenant, document, [CardIssued(f"card-{name}"[:36], "coding-review", "diagnoses", {})])
    store.issue_handle(tenant, name, patient, "Practitioner/7")
    store.record_feedback(tenant, "coding-review", [Feedback(f"card-{name}"[:36], "overridden", NOW, comment="the other knee")])
    at = NOW - timedelta(days=days_ago)
    subject = Subject(Place(tenant, f"Patient/{patient}", None), name, f"E11.{number}", "icd", "m 1", "2026")
    Decisions(store.engine, clock=lambda: at).record(subject, Action.ACCEPT, Actor("Practitioner/7", "Dr. Test", Role.CODER))


def count(store: ReviewStore, table: str, condition: str = "1 = 1") -> int:
    with store.engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table} WHERE {condition}")).scalar_one())


def test_every_table_says_how_long_it_is_kept() -> None:
    """A table about a patient is cleared by the retention, or ends by itself."""
    ends_by_itself = {"handle"}
    about_patients = {t.name: t for t in every_table().sorted_tables if {"tenant", "patient"} <= set(t.c.keys())}
    assert {n for n, t in about_patients.items() if "kept_from" not in t.info} - ends_by_itself == set()
    for table in about_patients.values():
        assert table.info.get("kept_from", "expires") in table.c


def test_retention_is_by_tenant(store: ReviewStore) -> None:
    """North keeps 30 days, the others 100; one tenant keeps all. What is deleted is audited with its numbers."""
    for tenant in ("north", "south", "archive"):
        for number, days in enumerate((10, 50, 200)):
            fill(store, tenant, "1", number, days_ago=days)
    trail = AuditTrail(store.engine, AuditKey(SEED))
    settings = Settings(retention_days={"north": 30, "default": 100, "archive": 0})
    told = retire(store.engine, trail, settings, dry=True)
    assert count(store, "review") == 9
    assert retire(store.engine, trail, settings) == told
    assert {t: rows["review"] for t, rows in told.items()} == {"north": 2, "south": 1}
    assert {t: rows["smart_decision"] for t, rows in told.items()} == {"north": 2, "south": 1}
    assert [count(store, "review", f"tenant = '{t}'") for t in ("north", "south", "archive")] == [1, 2, 3]
    assert count(store, "card") == 6
    assert count(store, "audit_event", "kind = 'retention'") == 2
    assert retire(store.engine, trail, settings) == {}
    assert trail.verify().faults == ()


def test_erasing_leaves_nothing_of_the_patient(store: ReviewStore, command: Command, database_url: str, tmp_path: Path) -> None:
    """`marginalia erase`: every table about the patient, of this tenant only; the audit says so; SQLite's files hold no rest."""
    for tenant, patient in (("north", "p-77"), ("north", "2"), ("south", "p-77")):
        fill(store, tenant, patient, 1)
    before = count(store, "audit_event")
    status, output = command("erase", "--patient", "Patient/p-77", "--tenant", "north", "--json")
    assert status == 0
    deleted = json.loads(output)["deleted"]
    assert deleted == {"review": 1, "card": 1, "handle": 1, "feedback": 1, "smart_decision": 1}
    for table in ("review", "handle", "smart_decision"):
        assert count(store, table, "tenant = 'north' AND patient LIKE '%p-77'") == 0
        assert count(store, table) == 2
    with pytest.raises(NotFoundError):
        store.get("north", "north-p-77-1")
    assert store.get("south", "south-p-77-1")
    assert count(store, "audit_event") == before + 1
    store.close()
    if database_url.startswith("sqlite"):
        raw = b"".join(p.read_bytes() for p in tmp_path.glob("store.sqlite*"))
        assert b"south-p-77-1" in raw
        assert b"card-north-p-77-1" not in raw.replace(b"Card/card-north-p-77-1", b"")
    status, output = command("erase", "--patient", "p-77", "--tenant", "north")
    assert output == "Nothing is kept of this patient.\n"


def test_a_wildcard_in_a_patient_id_erases_nobody_else(store: ReviewStore, command: Command) -> None:
    """Ids are compared, not matched."""
    fill(store, "north", "a1", 1)
    assert command("erase", "--patient", "a_", "--tenant", "north")[1] == command("erase", "--patient", "%", "--tenant", "north")[1]
    assert count(store, "review") == 1
    assert count(store, "smart_decision") == 1


def test_what_is_kept_is_sealed(store: ReviewStore) -> None:
    """Codes of the review and the clinician's words are in no column in clear; another key opens nothing, a changed row neither."""
    fill(store, "north", "1", 1)
    with store.engine.connect() as connection:
        sealed = str(connection.execute(text("SELECT sealed FROM review")).scalar_one())
        comment = str(connection.execute(text("SELECT comment FROM feedback")).scalar_one())
    assert "E11" not in sealed
    assert "knee" not in comment
    with pytest.raises(StoreError, match="keys don't fit"):
        Cipher([new_key()]).unseal(sealed)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE review SET sealed = :s"), {"s": sealed[:-8] + "AAAAAAA="})
    with pytest.raises(StoreError):
        store.get("north", "north-1-1")


def test_a_database_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Whatever the umask: the file, its write-ahead log and its keys hold ids of patients, so nobody else on the machine reads them."""
    before = os.umask(0)
    try:
        store = ReviewStore(f"sqlite:///{tmp_path / 'new' / 'm.sqlite'}")
        modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "new").iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert {"m.sqlite", "m.sqlite-wal", "m.sqlite.keys"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_keys_rotate_without_a_stop(store: ReviewStore, database_url: str, command: Command) -> None:
    """The new key is put first, everything is sealed anew, the old key goes; nothing is unreadable at any step."""
    for number in range(450):
        store.keep("north", {"id": f"r{number}", "patient": "Patient/1", "created": NOW.isoformat()})
    fill(store, "north", "1", 1)
    fresh = new_key()
    both = ReviewStore(database_url, data_keys=[fresh, KEY])
    assert both.get("north", "r7")["id"] == "r7"
    both.close()
    status, output = command("store", "renew", MARGINALIA_DATA_KEYS=f"{fresh},{KEY}")
    assert (status, output) == (0, "452 values are sealed with the newest key.\n")
    alone = ReviewStore(database_url, data_keys=[fresh])
    assert alone.get("north", "r449")["id"] == "r449"
    assert alone.feedback_on("north", "card-north-1-1")[0].comment == "the other knee"
    with pytest.raises(StoreError):
        seal_anew(alone.engine, Cipher([KEY]))
    alone.close()


@pytest.mark.parametrize("other", ["sqlite", "postgresql"])
def test_backup_and_restore(store: ReviewStore, command: Command, other: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """By the commands, to the same and to the other kind of database: every row is there, numbers go on, the audit is whole."""
    trail = AuditTrail(store.engine, AuditKey(SEED), every=2)
    for number in range(3):
        fill(store, "north", "1", number)
        trail.record(Event(Kind.READ, "north"))
    file = tmp_path / "b.gz"
    status, output = command("store", "backup", str(file))
    assert status == 0, output
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"E11.9" not in gzip.decompress(file.read_bytes())  # the documents are sealed there as well
    target = f"sqlite:///{tmp_path / 'restored.sqlite'}" if other == "sqlite" else new_database(request.getfixturevalue("cluster"))
    status, output = command("store", "restore", str(file), MARGINALIA_DATABASE_URL=target)
    assert status == 0, output
    assert "chain is whole" in output
    restored = ReviewStore(target, data_keys=[KEY])
    assert restored.latest("north", "1", None) == store.latest("north", "1", None)
    for table in inspect(store.engine).get_table_names():
        if table not in ("audit_event", "alembic_version", "audit_head", "audit_checkpoint"):
            assert count(restored, table) == count(store, table), table
    fill(restored, "north", "1", 9)  # new numbers don't meet those that came along
    assert count(restored, "feedback") == 4
    restored.close()
    with pytest.raises(StoreError, match="isn't empty"):
        command("store", "restore", str(file), MARGINALIA_DATABASE_URL=target)


def test_a_backup_made_while_the_service_writes_is_of_one_moment(store: ReviewStore, tmp_path: Path) -> None:
    """No card without its review, and the audit's end fits its events, though writing goes on."""
    import threading

    stop = threading.Event()
    trail = AuditTrail(store.engine, AuditKey(SEED))

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            document = {"id": f"w{number}", "patient": "Patient/1", "created": NOW.isoformat()}
            store.keep("north", document, [CardIssued(f"c{number}", "s", "t", {})], also=lambda c: trail.append(c, Event(Kind.ANSWER, "north")))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            back_up(store.engine, tmp_path / f"{number}.gz")
    finally:
        stop.set()
        writer.join()
    for number in range(3):
        rows = look(tmp_path / f"{number}.gz").rows
        assert rows.get("card", 0) == rows.get("review", 0) == rows.get("audit_event", 0)
        engine = open_engine(f"sqlite:///{tmp_path / f'{number}.sqlite'}")
        restore(engine, tmp_path / f"{number}.gz", Cipher([KEY]))
        assert AuditTrail(engine, AuditKey(SEED)).verify().faults == ()
        engine.dispose()


def damaged(data: bytes, how: str) -> bytes:
    plain = gzip.decompress(data)
    lines = plain.splitlines(keepends=True)
    match how:
        case "cut off":
            return data[: len(data) // 2]
        case "without its end":
            return gzip.compress(b"".join(lines[:-1]))
        case "a row less":
            return gzip.compress(b"".join(lines[:2] + lines[3:]))
        case "a row changed":
            return gzip.compress(plain.replace(b"north", b"south", 1))
        case _:
            return b"no backup at all"


@pytest.mark.parametrize("how", ["cut off", "without its end", "a row less", "a row changed", "something else"])
def test_a_damaged_backup_is_refused_before_a_row_is_written(tmp_path: Path, how: str) -> None:
    """The file is read to its end first; the database stays empty."""
    store = ReviewStore(f"sqlite:///{tmp_path / 's.sqlite'}", data_keys=[KEY])
    fill(store, "north", "1", 1)
    back_up(store.engine, tmp_path / "b.gz")
    store.close()
    (tmp_path / "bad.gz").write_bytes(damaged((tmp_path / "b.gz").read_bytes(), how))
    engine = open_engine(f"sqlite:///{tmp_path / 'new.sqlite'}")
    with pytest.raises(StoreError, match="backup"):
        restore(engine, tmp_path / "bad.gz", Cipher([KEY]))
    assert inspect(engine).get_table_names() == []
    with pytest.raises(StoreError, match="keys don't fit"):
        restore(engine, tmp_path / "b.gz", Cipher([new_key()]))
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_a_backup_overwrites_nothing_and_leaves_no_half(tmp_path: Path) -> None:
    """An existing file stays; where there is no space, no file remains and the error says so."""
    store = ReviewStore(f"sqlite:///{tmp_path / 's.sqlite'}", data_keys=[KEY])
    (tmp_path / "there.gz").write_text("mine")
    with pytest.raises(StoreError, match="there already"):
        back_up(store.engine, tmp_path / "there.gz")
    assert (tmp_path / "there.gz").read_text() == "mine"
    with pytest.raises(StoreError, match="can't be written"):
        back_up(store.engine, tmp_path / "nowhere" / "b.gz")
    store.close()


def test_a_killed_writer_loses_nothing_acknowledged(database_url: str) -> None:
    """kill -9 in the middle of writes: every acknowledged review and decision is there, the audit is whole. 200 rounds: `marginalia store crash-test`."""
    outcome = crash_test(4, database_url, data_keys=(KEY,), audit_key=SEED)
    assert outcome.acknowledged > 4
    assert (outcome.lost, outcome.faults) == (0, ())


def test_decisions_of_the_app_are_audited_with_the_decision(store: ReviewStore) -> None:
    """Each decision has its event in the same transaction, without a code of a diagnosis."""
    fill(store, "north", "1", 1)
    with store.engine.connect() as connection:
        told = json.loads(connection.execute(text("SELECT event FROM audit_event WHERE kind = 'decision' AND about = '1'")).scalar_one())
    assert {k: told[k] for k in ("tenant", "user", "patient", "subject")} == {
        "tenant": "north",
        "user": "Practitioner/7",
        "patient": "1",
        "subject": "Decision/1",
    }
    assert told["details"]["action"] == "accept"
    assert "E11" not in json.dumps(told)


def test_the_app_opens_the_same_database(database_url: str, store: ReviewStore) -> None:
    """One metadata, one database: the app finds it at this version."""
    engine: Any = open_database(database_url)
    assert "smart_decision" in inspect(engine).get_table_names()
    engine.dispose()
