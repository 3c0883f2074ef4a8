"""Reading after the answer: once each, bounded, and never in the way."""

from __future__ import annotations

import logging
import threading

import pytest

from cds_service.backlog import LONGEST, Backlog
from fhir_mappers import Note


def note(text: str) -> Note:
    """Return a note."""
    return Note(f"DocumentReference/{text}", text, text)


def test_notes_are_read_in_order() -> None:
    """What is added is read, one after the other."""
    read: list[str] = []
    done = threading.Event()
    backlog = Backlog(lambda n: read.append(n.text) or (n.text == "c" and done.set()))
    assert [backlog.add(note(t)) for t in ("a", "b", "c")] == [True, True, True]
    assert done.wait(10)
    backlog.close()
    assert read == ["a", "b", "c"]


def test_bounded_and_once() -> None:
    """A note that waits already isn't added again, and beyond the bound none is: calls come first."""
    go = threading.Event()
    backlog = Backlog(lambda _: go.wait(10), most=2)
    assert [backlog.add(note(t)) for t in ("a", "a", "b", "c")] == [True, False, True, False]
    go.set()
    backlog.close()
    assert backlog.add(note("d")) is False


def test_long_documents_are_let_go() -> None:
    """The end of the process waits for the note in hand, so none is long."""
    backlog = Backlog(lambda _: None)
    assert backlog.add(note("x" * (LONGEST + 1))) is False
    backlog.close()


def test_a_failure_is_logged_without_text(caplog: pytest.LogCaptureFixture) -> None:
    """An error of one note doesn't stop the next one, and is logged."""
    read: list[str] = []
    done = threading.Event()

    def fail_first(n: Note) -> None:
        if n.text == "secret words":
            raise ValueError(n.text)
        read.append(n.text)
        done.set()

    caplog.set_level(logging.ERROR)
    backlog = Backlog(fail_first)
    backlog.add(note("secret words"))
    backlog.add(note("b"))
    assert done.wait(10)
    backlog.close()
    assert read == ["b"]
    assert [r.getMessage() for r in caplog.records] == ["note not read afterwards"]
    assert "secret words" not in str([r.__dict__ for r in caplog.records])
