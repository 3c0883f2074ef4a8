"""Recent readings: the same note isn't read twice within minutes, and nothing stays for long."""

from __future__ import annotations

from cds_service.readings import Recent, RecentReadings
from onnx_models import NoteReading, Section

READING = NoteReading((), (), (), "en")


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_the_same_note_is_recalled() -> None:
    """Found by its text and declared sections; a changed note is another one."""
    recent = RecentReadings()
    recent.keep("text", [("Plan", 0, 4)], READING)
    assert recent.recall("text", [("Plan", 0, 4)]) is READING
    assert recent.recall("text", []) is None
    assert recent.recall("text.", [("Plan", 0, 4)]) is None


def test_readings_end() -> None:
    """After a quarter of an hour a reading is gone from memory."""
    clock = Clock()
    recent = RecentReadings(clock=clock)
    recent.keep("text", [], READING)
    clock.now = 899
    assert recent.recall("text", []) is READING
    clock.now = 901
    assert recent.recall("text", []) is None


def test_bounded_number() -> None:
    """The oldest goes when there are too many."""
    recent = RecentReadings(most=2)
    for text in ("a", "b", "c"):
        recent.keep(text, [], READING)
    assert [recent.recall(t, []) for t in ("a", "b", "c")] == [None, READING, READING]


def test_partial_readings_are_not_kept() -> None:
    """What was left out for want of time may be read next time."""
    recent = RecentReadings()
    recent.keep("text", [], NoteReading((), (), (), "en", (Section("plan", "Plan", 0, 1),)))
    assert recent.recall("text", []) is None


def test_turned_off() -> None:
    """With 0 seconds nothing is kept."""
    recent = RecentReadings(seconds=0)
    recent.keep("text", [], READING)
    assert recent.recall("text", []) is None


def test_tenants_are_apart() -> None:
    """The same note of two tenants is two notes: neither finds what the other's has given. Both count for one bound."""
    recent = RecentReadings(most=2)
    north, south = recent.of("north"), recent.of("south")
    north.keep("text", [], READING)
    assert north.recall("text", []) is READING
    assert south.recall("text", []) is None
    assert recent.recall("text", []) is None
    for text in ("a", "b"):
        south.keep(text, [], READING)
    assert (recent.count(), north.recall("text", [])) == (2, None)


def test_bounded_weight() -> None:
    """The oldest go when all together are too heavy; one that is too heavy alone isn't kept; a key kept again counts once."""
    recent: Recent[str] = Recent(most=10, seconds=60, weigh=len, heaviest=6)
    for key, value in ((b"1", "aa"), (b"2", "bbb"), (b"2", "bbb"), (b"3", "cc")):
        recent.put(key, value)
    assert [recent.get(k) for k in (b"1", b"2", b"3")] == [None, "bbb", "cc"]
    recent.put(b"4", "d" * 7)
    assert recent.count() == 0
