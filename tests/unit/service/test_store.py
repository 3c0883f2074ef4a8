"""The store: reviews, handles, feedback, each under its tenant."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds_service.errors import ConfigurationError, NotFoundError
from cds_service.store import CardIssued, Feedback, ReviewStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReviewStore]:
    """A store in a file."""
    opened = ReviewStore(f"sqlite:///{tmp_path / 'deep' / 'store.sqlite'}")
    yield opened
    opened.close()


def document(number: int = 1, patient: str = "Patient/1", encounter: str | None = "Encounter/e1") -> dict[str, Any]:
    """Return a kept document."""
    told = {"id": f"review-{number}", "patient": patient, "created": f"2026-03-01T10:0{number}:00+00:00", "diagnoses": []}
    return told | ({"encounter": encounter} if encounter else {})


def test_get_is_by_tenant(store: ReviewStore) -> None:
    """Another tenant doesn't see a review, and is told the same as for one that doesn't exist."""
    store.keep("north", document())
    assert store.get("north", "review-1") == document()
    with pytest.raises(NotFoundError) as other:
        store.get("south", "review-1")
    with pytest.raises(NotFoundError) as none:
        store.get("south", "review-9")
    assert str(other.value) == str(none.value)


def test_latest(store: ReviewStore) -> None:
    """The newest review of the encounter; of the patient where no encounter is named; None where there is none."""
    for number, encounter in ((1, "Encounter/e1"), (2, "Encounter/e1"), (3, None)):
        store.keep("north", document(number, encounter=encounter))
    found = store.latest("north", "1", "e1")
    assert found is not None
    assert found["id"] == "review-2"
    whole = store.latest("north", "Patient/1", None)
    assert whole is not None
    assert whole["id"] == "review-3"
    assert store.latest("south", "1", "e1") is None
    assert store.latest("north", "2", None) is None


def test_handle_opens_its_review(store: ReviewStore) -> None:
    """A handle opens one review for its user and patient; an absolute reference names the same person as a relative one."""
    store.keep("north", document())
    handle = store.issue_handle("north", "review-1", "Patient/1", "Practitioner/7")
    assert store.redeem(handle, "north", "1", "https://ehr.example.org/r4/Practitioner/7") == "review-1"
    assert store.redeem(handle, "north", "Patient/1", "Practitioner/7") == "review-1"


@pytest.mark.parametrize(
    ("tenant", "patient", "user", "change"),
    [("south", "1", "Practitioner/7", ""), ("north", "2", "Practitioner/7", ""), ("north", "1", "Practitioner/8", ""), ("north", "1", "Practitioner/7", "x")],
)
def test_handle_is_for_nobody_else(store: ReviewStore, tenant: str, patient: str, user: str, change: str) -> None:
    """Another tenant, patient, user or handle opens nothing, and isn't told which was wrong."""
    store.keep("north", document())
    handle = store.issue_handle("north", "review-1", "1", "Practitioner/7")
    with pytest.raises(NotFoundError, match="doesn't open a review here"):
        store.redeem(handle + change, tenant, patient, user)


def test_handle_ends(tmp_path: Path) -> None:
    """A handle that is too old opens nothing."""
    short = ReviewStore(f"sqlite:///{tmp_path / 'short.sqlite'}", handle_hours=0)
    short.keep("north", document())
    handle = short.issue_handle("north", "review-1", "1", "Practitioner/7")
    with pytest.raises(NotFoundError):
        short.redeem(handle, "north", "1", "Practitioner/7")
    short.close()


def test_handles_differ_and_are_not_kept(store: ReviewStore, tmp_path: Path) -> None:
    """Handles are random, and the database holds only their hash."""
    store.keep("north", document())
    handles = {store.issue_handle("north", "review-1", "1", "Practitioner/7") for _ in range(20)}
    assert len(handles) == 20
    connection = sqlite3.connect(tmp_path / "deep" / "store.sqlite")
    dump = "\n".join(connection.iterdump())
    connection.close()
    assert not any(h in dump for h in handles)


def test_feedback(store: ReviewStore) -> None:
    """Feedback is kept as told, oldest first, under its tenant."""
    when = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    told = [Feedback("c1", "accepted", when, ("s1", "s2")), Feedback("c1", "overridden", when, (), "urn:x", "later", "words")]
    store.record_feedback("north", "coding-review", told)
    assert store.feedback_on("north", "c1") == tuple(told)
    assert store.feedback_on("south", "c1") == ()


def test_cards_are_kept_with_the_review(store: ReviewStore, tmp_path: Path) -> None:
    """Which code a suggestion's uuid stands for can be found later."""
    store.keep("north", document(), [CardIssued("c1", "coding-review", "diagnosissuggestions", {"s1": "I10"})])
    connection = sqlite3.connect(tmp_path / "deep" / "store.sqlite")
    rows = connection.execute("SELECT uuid, review_id, suggestions FROM card").fetchall()
    connection.close()
    assert rows == [("c1", "review-1", '{"s1": "I10"}')]


def test_threads_write_at_the_same_time(store: ReviewStore) -> None:
    """SQLite with WAL and a busy timeout takes writers of many threads."""
    errors: list[Exception] = []

    def write(number: int) -> None:
        try:
            store.keep("north", document() | {"id": f"review-{number}"})
            store.issue_handle("north", f"review-{number}", "1", "Practitioner/7")
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            errors.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(store.get("north", f"review-{n}") for n in range(24))


def test_journal_mode(store: ReviewStore, tmp_path: Path) -> None:
    """The file is in WAL mode."""
    assert store.is_alive()
    connection = sqlite3.connect(tmp_path / "deep" / "store.sqlite")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////proc/none/x.sqlite", "oracle9i://x", "mysql+nodriver://x"])
def test_database_that_cannot_be_opened(url: str) -> None:
    """A wrong database URL stops the start with the setting named."""
    with pytest.raises(ConfigurationError) as caught:
        ReviewStore(url)
    assert caught.value.field == "database_url"


def test_memory() -> None:
    """A database in memory is one database for all threads."""
    store = ReviewStore("sqlite://")
    store.keep("north", document())
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(store.get("north", "review-1")["id"]))
    thread.start()
    thread.join()
    store.close()
    assert found == ["review-1"]
