"""Reading the notes of a record: in which order, until when, and what is said of the rest."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from cds_service.application import LONGEST_NOTE, Application, Reviewer, by_priority
from fhir_mappers import EncounterRecord, Note, Skipped
from fhir_mappers.record import Patient, Setting
from onnx_models import ModelInfo, NoteReading, Section


class ScriptedCoder:
    """Reads nothing, takes a set time, and remembers what it was given."""

    model = ModelInfo("scripted", "1", "0" * 64, "CPUExecutionProvider")

    def __init__(self, language: str = "en", unread: tuple[Section, ...] = ()) -> None:
        self.texts: list[str] = []
        self.deadlines: list[float | None] = []
        self._reading = NoteReading((), (), (), language, unread)

    def read(
        self, text: str, *, declared_sections: Sequence[tuple[str, int, int]] = (), deadline: float | None = None, pause: Callable[[], object] | None = None
    ) -> NoteReading:
        """Return the scripted reading."""
        self.texts.append(text)
        self.deadlines.append(deadline)
        return self._reading


def note(name: str, day: int = 1, **changes: object) -> Note:
    """Return a note of March 2026."""
    text = str(changes.pop("text", name))
    return Note(f"DocumentReference/{name}", text, name, date=datetime(2026, 3, day, 12, tzinfo=UTC), **changes)  # type: ignore[arg-type]


def record(*notes: Note, skipped: tuple[Skipped, ...] = ()) -> EncounterRecord:
    """Return the record of an admission that began on 3 March 2026."""
    return EncounterRecord(Patient("1"), "e1", Setting.INPATIENT, datetime(2026, 3, 3, 8, tzinfo=UTC), None, notes, skipped=skipped)


@pytest.fixture
def reviewer(application: Application) -> Reviewer:
    """A reviewer with a scripted coder and the real tables."""
    return Reviewer(ScriptedCoder(), application.knowledge, now=lambda: datetime(2026, 3, 5, 23, 30, tzinfo=UTC))


def test_the_first_call_finds_everything_loaded() -> None:
    """Loading makes ready what every call uses: the models of FHIR resources are not left to the first call."""
    script = (
        "from cds_service.application import Application\n"
        "from cds_service.config import Settings\n"
        "from fhir_mappers import conformance\n"
        "Application.load(Settings(database_url='sqlite://')).close()\n"
        "print(conformance.model.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= len(("Patient", "Encounter", "DocumentReference", "Condition", "Observation"))


def test_priority() -> None:
    """This encounter's provider notes first, the newest of each kind first; copies, others' notes, reports, earlier visits later; empty ones never."""
    notes = (
        note("earlier", 1),
        note("report", 5, is_report=True),
        note("nurse", 5, author_role="Registered Nurse"),
        note("copied", 5, copied_from="DocumentReference/first"),
        note("first", 3),
        note("empty", 5, text="  "),
        note("newest", 4, author_role="physician"),
        Note("DocumentReference/undated", "undated", "undated"),
    )
    assert [n.title for n in by_priority(record(*notes))] == ["newest", "first", "undated", "copied", "report", "nurse", "earlier"]


def test_deadline_passes(reviewer: Reviewer) -> None:
    """When time runs out the newest note has been read, and every other is named with the reason."""
    review = reviewer.review(record(note("old", 3), note("new", 4)), deadline=time.monotonic() - 1)
    assert review.coverage.notes_read == ("DocumentReference/new",)
    (left,) = review.coverage.notes_skipped
    assert left.source == "DocumentReference/old"
    assert "ran out" in left.reason


def test_deadline_reaches_the_coder(application: Application) -> None:
    """The engine gets the deadline of the call; without one it reads to the end."""
    coder = ScriptedCoder()
    reviewer = Reviewer(coder, application.knowledge)
    moment = time.monotonic() + 60
    reviewer.review(record(note("a", 4)), deadline=moment)
    reviewer.review(record(note("b", 4)))
    assert coder.deadlines == [moment, None]


def test_notes_read_lately_need_no_time(application: Application) -> None:
    """A second call on the same chart takes what was read before, even when its own time is over."""
    coder = ScriptedCoder()
    reviewer = Reviewer(coder, application.knowledge)
    chart = record(note("old", 3), note("new", 4))
    reviewer.review(chart)
    again = reviewer.review(chart, deadline=time.monotonic() - 1)
    assert set(again.coverage.notes_read) == {"DocumentReference/old", "DocumentReference/new"}
    assert len(coder.texts) == 2


def test_what_is_left_is_read_afterwards(application: Application) -> None:
    """Notes left, wholly or in part, are given to be read later."""
    later: list[Note] = []
    chart = record(note("old", 3), note("new", 4))
    Reviewer(ScriptedCoder(), application.knowledge).review(chart, deadline=time.monotonic() - 1, later=later.append)
    assert [n.title for n in later] == ["old"]
    later.clear()
    partial = ScriptedCoder(unread=(Section("ros", "", 0, 1),))
    Reviewer(partial, application.knowledge).review(chart, later=later.append)
    assert [n.title for n in later] == ["new", "old"]


def test_sections_left_are_told(application: Application) -> None:
    """Sections that the engine left out are named."""
    coder = ScriptedCoder(unread=(Section("social", "Social History", 0, 1), Section("ros", "", 0, 1)))
    review = Reviewer(coder, application.knowledge).review(record(note("a", 4)))
    assert review.coverage.notes_read == ("DocumentReference/a",)
    assert "Social History, ros" in review.coverage.notes_skipped[0].reason


def test_other_language_is_told(application: Application) -> None:
    """A note that isn't English is not read, and its language is named."""
    review = Reviewer(ScriptedCoder(language="pt"), application.knowledge).review(record(note("a", 4)))
    assert review.coverage.notes_read == ()
    assert "Portuguese" in review.coverage.notes_skipped[0].reason


def test_very_long_document(application: Application) -> None:
    """Of a document longer than any note the beginning is read, and that is told."""
    coder = ScriptedCoder()
    text = "".join(f"Line {i} of the chart says this. " for i in range(LONGEST_NOTE // 20))
    long = Note("DocumentReference/long", text[: LONGEST_NOTE + 1], "long")
    review = Reviewer(coder, application.knowledge).review(record(long))
    assert [len(t) for t in coder.texts] == [LONGEST_NOTE]
    assert "first 100,000 characters" in review.coverage.notes_skipped[0].reason


def test_what_the_reader_skipped_comes_first(reviewer: Reviewer) -> None:
    """What the FHIR reader left out is in the coverage."""
    review = reviewer.review(record(note("a", 4), skipped=(Skipped("Bundle.entry[3]", "No type."),)))
    assert [s.source for s in review.coverage.notes_skipped] == ["Bundle.entry[3]"]


def test_a_record_without_notes(reviewer: Reviewer) -> None:
    """No notes: an empty review, dated by the clock that was given."""
    review = reviewer.review(record())
    assert (review.diagnoses, review.created.isoformat()) == ((), "2026-03-05T23:30:00+00:00")
