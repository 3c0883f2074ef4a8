"""Faults of the database, the disk and the clock: what a caller sees, and what remains."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import create_engine, event, text

from cds_service.application import Application
from cds_service.audit import AuditKey, AuditTrail, Event, Kind
from cds_service.audit.signing import new_seed
from cds_service.errors import StoreError
from cds_service.store import ReviewStore
from cds_service.store import engine as store_engine
from cds_service.store.backup import back_up
from cds_service.store.cipher import new_key
from cds_service.web import create_app

Call = Callable[..., dict[str, Any]]


def refused(client: FlaskClient, body: dict[str, Any]) -> None:
    """Call, and expect a polite refusal in FHIR's form that quotes nothing."""
    answer = client.post("/cds-services/coding-review", json=body)
    assert (answer.status_code, answer.content_type, answer.headers["Retry-After"]) == (503, "application/fhir+json", "1")
    assert answer.json["issue"][0]["code"] == "transient"
    assert "sqlite" not in answer.text.lower()
    assert "psycopg" not in answer.text.lower()


def test_a_locked_database(make_application: Callable[..., Application], hook_call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program holds the lock: 503 after the bounded wait, nothing half kept; when it lets go, the next call is answered."""
    monkeypatch.setattr(store_engine, "LOCK_WAIT_MS", 50)
    application = make_application(database_url=f"sqlite:///{tmp_path / 'l.sqlite'}")
    client = create_app(application).test_client()
    holder = sqlite3.connect(tmp_path / "l.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    refused(client, hook_call())
    assert client.get("/healthz").status_code == 200
    holder.execute("ROLLBACK")
    holder.close()
    assert application.audit.length() == 0
    assert client.post("/cds-services/coding-review", json=hook_call()).status_code == 200
    assert application.audit.verify().faults == ()


def test_a_full_disk_under_the_database(make_application: Callable[..., Application], hook_call: Call, tmp_path: Path) -> None:
    """No page can be added: 503, no card without its review, the audit whole; with space again, calls are answered."""
    application = make_application(database_url=f"sqlite:///{tmp_path / 'f.sqlite'}")
    client = create_app(application).test_client()
    full = True

    @event.listens_for(application.store.engine, "begin")
    def limit(connection: Any) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages if full else 1_000_000}")

    answers = []
    for number in range(40):  # until the pages that are there are used up
        body = hook_call(context={"encounterId": "e1"})
        body["prefetch"]["patient"]["birthDate"] = f"19{50 + number % 40}-01-01"
        answers.append(client.post("/cds-services/coding-review", json=body).status_code)
        if answers[-1] == 503:
            break
    assert answers[-1] == 503
    with application.store.engine.connect() as connection:
        orphans = "SELECT count(*) FROM card WHERE review_id NOT IN (SELECT id FROM review)"
        assert connection.execute(text(orphans)).scalar_one() == 0
        reviews = connection.execute(text("SELECT count(*) FROM review")).scalar_one()
    assert application.audit.length() == reviews
    full = False
    assert client.post("/cds-services/coding-review", json=hook_call()).status_code == 200
    assert application.audit.verify().faults == ()


def test_a_database_that_is_gone_and_comes_back(make_application: Callable[..., Application], hook_call: Call, cluster: str, postgres_url: str) -> None:
    """PostgreSQL refuses connections: /readyz 503, calls 503, /metrics and /healthz go on; when it is back, calls are answered without a restart."""
    store = ReviewStore(postgres_url, data_keys=[new_key()])
    like = make_application()
    settings = like.settings
    application = Application(replace(settings, audit_key=new_seed()), like.coder, like.knowledge, store)
    client = create_app(application).test_client()
    assert client.post("/cds-services/coding-review", json=hook_call()).status_code == 200
    name = postgres_url.split("@/")[1].split("?")[0]
    master = create_engine(cluster, isolation_level="AUTOCOMMIT")
    with master.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name})
        assert client.get("/readyz").status_code == 503
        refused(client, hook_call())
        assert client.get("/healthz").status_code == client.get("/metrics").status_code == 200
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    master.dispose()
    assert client.get("/readyz").status_code == 200
    assert client.post("/cds-services/coding-review", json=hook_call()).status_code == 200
    assert application.audit.length() == 2
    assert application.audit.verify().faults == ()
    application.close()


def test_a_changed_review_is_refused_not_shown(make_application: Callable[..., Application], hook_call: Call, tmp_path: Path) -> None:
    """A row changed past the service doesn't open: 503 with what to do, no half of it."""
    application = make_application(database_url=f"sqlite:///{tmp_path / 'c.sqlite'}")
    client = create_app(application).test_client()
    review = client.post("/api/v1/review", json={"text": "Assessment: COPD."}).json["id"]
    with application.store.engine.begin() as connection:
        connection.execute(text("UPDATE review SET sealed = 'gAAAAA'"))
    answer = client.get(f"/api/v1/reviews/{review}")
    assert (answer.status_code, answer.json["code"]) == (503, "store")
    assert "data keys" in answer.json["message"]


def test_a_full_disk_under_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space at the last moment: an error that says so, and no file that looks like a backup."""
    store = ReviewStore(f"sqlite:///{tmp_path / 's.sqlite'}")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        back_up(store.engine, tmp_path / "b.gz")
    store.close()
    assert not list(tmp_path.glob("b.gz*"))


def test_a_clock_that_jumps(tmp_path: Path) -> None:
    """Back by a day and forward by a year: the chain stays whole, its order is by number, and the jump back is told."""
    store = ReviewStore(f"sqlite:///{tmp_path / 's.sqlite'}")
    day = datetime(2026, 3, 2, tzinfo=UTC)
    moments = iter([day, day + timedelta(365), day - timedelta(1), day])
    trail = AuditTrail(store.engine, AuditKey(new_seed()), clock=lambda: next(moments))
    for _ in range(4):
        trail.record(Event(Kind.READ, "north"))
    verdict = trail.verify()
    assert verdict.faults == ()
    assert verdict.remarks == ("The clock went back before event 3.",)
    store.close()
