"""Reading after the answer: once each, bounded, and never in the way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from cds_service.backlog import LONGEST, Backlog, Calls
from fhir_mappers import Note

Pause = Callable[[], None]
PATIENCE_S = 60.0  # how long something that must happen may take on a busy machine
A_MOMENT = 0.2  # how long something that must not happen is given to happen


def note(text: str) -> Note:
    """Return a note."""
    return Note(f"DocumentReference/{text}", text, text)


def test_notes_are_read_in_order() -> None:
    """What is added is read, one after the other."""
    read: list[str] = []
    done = threading.Event()
    backlog = Backlog(lambda n, _tenant, _pause: read.append(n.text) or (n.text == "c" and done.set()), Calls())
    assert [backlog.add(note(t), "north") for t in ("a", "b", "c")] == [True, True, True]
    assert done.wait(PATIENCE_S)
    backlog.close()
    assert read == ["a", "b", "c"]


def test_bounded_and_once() -> None:
    """A note that waits already isn't added again, and beyond the bound none is: calls come first."""
    go = threading.Event()
    backlog = Backlog(lambda *_: go.wait(PATIENCE_S), Calls(), most=2)
    assert [backlog.add(note(t), "north") for t in ("a", "a", "b", "c")] == [True, False, True, False]
    go.set()
    backlog.close()
    assert backlog.add(note("d"), "north") is False


def test_tenants_wait_apart() -> None:
    """The same note of two tenants waits twice, and is read for each."""
    read: list[str] = []
    done = threading.Event()
    backlog = Backlog(lambda _note, tenant, _pause: read.append(tenant) or (tenant == "south" and done.set()), Calls())
    assert [backlog.add(note("a"), tenant) for tenant in ("north", "south")] == [True, True]
    assert done.wait(PATIENCE_S)
    backlog.close()
    assert read == ["north", "south"]


def test_long_documents_are_let_go() -> None:
    """The end of the process waits for the note in hand, so none is long."""
    backlog = Backlog(lambda *_: None, Calls())
    assert backlog.add(note("x" * (LONGEST + 1)), "north") is False
    backlog.close()


def test_no_note_is_begun_during_a_call() -> None:
    """A note added by a call waits until the last of the calls in progress has ended."""
    calls, begun = Calls(), threading.Event()
    backlog = Backlog(lambda *_: begun.set(), calls)
    with calls.one():
        with calls.one():
            backlog.add(note("a"), "north")
            assert not begun.wait(A_MOMENT)
        assert not begun.wait(A_MOMENT)
    assert begun.wait(PATIENCE_S)
    backlog.close()


def test_a_note_in_hand_stands_still_during_a_call() -> None:
    """A call that comes in the middle of a note isn't slowed by the rest of it: the next piece is read after the call."""
    calls, in_hand, call_began, resumed = Calls(), threading.Event(), threading.Event(), threading.Event()

    def read(_: Note, _tenant: str, pause: Pause) -> None:
        pause()
        in_hand.set()
        call_began.wait(PATIENCE_S)
        pause()
        resumed.set()

    backlog = Backlog(read, calls)
    backlog.add(note("a"), "north")
    assert in_hand.wait(PATIENCE_S)
    with calls.one():
        call_began.set()
        assert not resumed.wait(A_MOMENT)
    assert resumed.wait(PATIENCE_S)
    backlog.close()


def test_a_call_that_fails_is_counted_out() -> None:
    """An error in a call doesn't stop the backlog for good."""
    calls, begun = Calls(), threading.Event()
    backlog = Backlog(lambda *_: begun.set(), calls)
    with pytest.raises(ValueError, match="in the call"), calls.one():
        raise ValueError("in the call")
    backlog.add(note("a"), "north")
    assert begun.wait(PATIENCE_S)
    backlog.close()


def test_closing_gives_up_the_note_in_hand(caplog: pytest.LogCaptureFixture) -> None:
    """The end of the service waits for no note, also where a call is still in progress; and giving up is no error."""
    calls, in_hand, read = Calls(), threading.Event(), []

    def read_two_pieces(n: Note, _tenant: str, pause: Pause) -> None:
        in_hand.set()
        for piece in range(2):
            calls_began.wait(PATIENCE_S)
            pause()
            read.append((n.text, piece))

    calls_began = threading.Event()
    backlog = Backlog(read_two_pieces, calls)
    backlog.add(note("a"), "north")
    backlog.add(note("b"), "north")
    assert in_hand.wait(PATIENCE_S)
    with calls.one():
        calls_began.set()
        backlog.close()
    assert read == []
    assert caplog.records == []


def test_a_failure_is_logged_without_text(caplog: pytest.LogCaptureFixture) -> None:
    """An error of one note doesn't stop the next one, and is logged."""
    read: list[str] = []
    done = threading.Event()

    def fail_first(n: Note, _tenant: str, _: Pause) -> None:
        if n.text == "secret words":
            raise ValueError(n.text)
        read.append(n.text)
        done.set()

    caplog.set_level(logging.ERROR)
    backlog = Backlog(fail_first, Calls())
    backlog.add(note("secret words"), "north")
    backlog.add(note("b"), "north")
    assert done.wait(PATIENCE_S)
    backlog.close()
    assert read == ["b"]
    assert [r.getMessage() for r in caplog.records] == ["note not read afterwards"]
    assert "secret words" not in str([r.__dict__ for r in caplog.records])
