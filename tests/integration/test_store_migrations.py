"""Steps of the database, on SQLite and on PostgreSQL: forward and back with data, and in agreement with the declared tables."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from cds_service.errors import ConfigurationError, StoreError
from cds_service.store import Cipher, Feedback, ReviewStore, open_engine, upgrade
from cds_service.store.cipher import new_key
from cds_service.store.migrate import FOLDER, current, downgrade, newest
from cds_service.store.schema import every_table

KEY = new_key()
DOCUMENT = {"id": "r1", "patient": "Patient/1", "encounter": "Encounter/e1", "created": "2026-03-01T10:00:00+00:00", "diagnoses": [{"code": "E11.9"}]}


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An empty database."""
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


def test_the_steps_lead_to_the_declared_tables(engine: Engine) -> None:
    """What the steps make is what the program declares, the app's tables included; a difference wants a new step."""
    upgrade(engine, Cipher([KEY]))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), every_table()) == []


def test_there_is_one_last_step() -> None:
    """Two steps after the same one would leave it to chance which runs."""
    assert ScriptDirectory(str(FOLDER)).get_heads() == [newest()]


def test_every_step_goes_back_and_forth(engine: Engine) -> None:
    """Down to nothing and up again, step by step."""
    cipher = Cipher([KEY])
    steps = [script.revision for script in reversed(list(ScriptDirectory(str(FOLDER)).walk_revisions()))]
    for step in steps:
        upgrade(engine, cipher, step)
        assert current(engine) == step
    for step in [*reversed(steps[:-1]), "base"]:
        downgrade(engine, step, cipher)
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    upgrade(engine, cipher)
    assert current(engine) == newest()


def test_data_survives_the_way_back_and_forth(engine: Engine, database_url: str) -> None:
    """A review and a comment, kept sealed, are readable by the version before (step 0001, in clear) and again after the upgrade."""
    cipher = Cipher([KEY])
    store = ReviewStore(database_url, data_keys=[KEY])
    store.keep("north", DOCUMENT)
    store.record_feedback("north", "coding-review", [Feedback("c1", "overridden", datetime(2026, 3, 1, tzinfo=UTC), comment="seen elsewhere")])
    store.close()
    downgrade(engine, "0001", cipher)
    with engine.connect() as connection:
        assert "E11.9" in str(connection.execute(text("SELECT document FROM review")).scalar_one())
        assert connection.execute(text("SELECT comment FROM feedback")).scalar_one() == "seen elsewhere"
    store = ReviewStore(database_url, data_keys=[KEY])
    assert store.get("north", "r1") == DOCUMENT
    assert store.feedback_on("north", "c1")[0].comment == "seen elsewhere"
    store.close()
    with engine.connect() as connection:
        row = connection.execute(text("SELECT sealed FROM review")).scalar_one()
        assert "E11.9" not in row
        assert "seen" not in connection.execute(text("SELECT comment FROM feedback")).scalar_one()


def test_a_database_older_than_the_steps_is_taken_over(engine: Engine, database_url: str) -> None:
    """Tables that an earlier version made without steps keep their rows."""
    upgrade(engine, Cipher([KEY]), "0001")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
        connection.execute(text("DROP TABLE smart_decision"))
        connection.execute(
            text("INSERT INTO review (id, tenant, patient, created, document) VALUES ('r1', 'north', '1', '2026-03-01 10:00:00', :document)"),
            {"document": '{"id": "r1"}'},
        )
    store = ReviewStore(database_url, data_keys=[KEY])
    assert store.get("north", "r1") == {"id": "r1"}
    store.close()
    assert "smart_decision" in inspect(engine).get_table_names()


def test_a_database_of_a_newer_version_is_refused(engine: Engine) -> None:
    """An older program doesn't touch what it doesn't know; the error says what to do."""
    upgrade(engine, Cipher([KEY]))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match=r"9999.*newer version.*backup"):
        upgrade(engine, Cipher([KEY]))


def test_several_processes_start_at_once(database_url: str) -> None:
    """Four stores opened at the same moment on an empty database all find it ready."""
    stores: list[ReviewStore] = []
    failures: list[BaseException] = []

    def start() -> None:
        try:
            stores.append(ReviewStore(database_url, data_keys=[KEY]))
        except Exception as error:  # noqa: BLE001 - the test tells it below
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert failures == []
    assert len(stores) == 4


def test_a_failing_step_leaves_the_database_as_it_was(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step is one transaction: what fails in its middle (here the sealing) is undone, and the next start tries again."""
    upgrade(engine, Cipher([KEY]), "0001")
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO review (id, tenant, patient, created, document) VALUES ('r1', 'north', '1', '2026-03-01 10:00:00', '{\"id\": \"r1\"}')")
        )

    class Broken(Cipher):
        def seal(self, value: object) -> str:
            raise StoreError("no", "no")

    with pytest.raises(StoreError):
        upgrade(engine, Broken([KEY]))
    assert current(engine) == "0001"
    assert "sealed" not in {c["name"] for c in inspect(engine).get_columns("review")}
    upgrade(engine, Cipher([KEY]))
    assert current(engine) == newest()


def test_the_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """Without `data_keys` a key file is made beside an SQLite database; opening again uses it."""
    url = f"sqlite:///{tmp_path / 's.sqlite'}"
    store: Any = ReviewStore(url)
    store.keep("north", DOCUMENT)
    store.close()
    file = tmp_path / "s.sqlite.keys"
    assert file.stat().st_mode & 0o777 == 0o600
    store = ReviewStore(url)
    assert store.get("north", "r1") == DOCUMENT
    store.close()
    assert [p.name for p in tmp_path.iterdir() if "keys" in p.name] == [file.name]


def test_a_server_database_wants_keys(postgres_url: str) -> None:
    """There is no place for a key file beside PostgreSQL: the setting is named."""
    with pytest.raises(ConfigurationError, match="data_keys"):
        ReviewStore(postgres_url)
