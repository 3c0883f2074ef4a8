"""Which notes are read: current ones of the encounter, once each, and what was copied from where."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fhir_mappers import EncounterRecord, read_resources
from fhir_mappers.notes.copies import copied_from
from fhir_mappers.record import Note

Read = Callable[..., EncounterRecord]
Document = Callable[..., dict[str, Any]]
Said = Callable[..., list[tuple[str, str]]]

STORY = (
    "Sixty-four year old woman with type 2 diabetes admitted with a foot ulcer.\n"
    "The wound over the left heel is deep and probes to bone today.\n"
    "Blood cultures drawn on admission have grown nothing so far.\n"
    "Continue vancomycin and cefepime and await the result of the bone biopsy.\n"
)
NEWS = "The bone biopsy has grown methicillin susceptible staphylococcus aureus since this morning.\n"


def test_errors_and_old_versions_are_left_out_and_said(read: Read, document: Document) -> None:
    """entered-in-error, docStatus entered-in-error, superseded, replaced by another (relatesTo)."""
    record = read(
        document("one", id="a", status="entered-in-error"),
        document("two", id="b", docStatus="entered-in-error"),
        document("three", id="c", status="superseded"),
        document("four", id="d"),
        document("five", id="e", relatesTo=[{"code": "replaces", "target": {"reference": "DocumentReference/d"}}]),
        document("six", id="f", relatesTo=[{"code": "appends", "target": {"reference": "DocumentReference/e"}}]),
    )
    assert sorted(n.text for n in record.notes) == ["five", "six"]
    assert [(s.source, s.reason.split(".")[0]) for s in record.skipped] == [
        ("DocumentReference/a", "It is marked as entered in error"),
        ("DocumentReference/b", "It is marked as entered in error"),
        ("DocumentReference/c", "It is superseded by a newer version"),
        ("DocumentReference/d", "It is replaced by DocumentReference/e"),
    ]


def test_notes_that_replace_each_other_in_a_circle_leave_the_newest(read: Read, document: Document) -> None:
    """Cyclic references."""

    def replacing(target: str) -> list[dict[str, Any]]:
        return [{"code": "replaces", "target": {"reference": f"DocumentReference/{target}"}}]

    record = read(
        document("old", id="a", date="2026-03-01T10:00:00Z", relatesTo=replacing("b")),
        document("new", id="b", date="2026-03-01T12:00:00Z", relatesTo=replacing("a")),
        document("self", id="c", relatesTo=replacing("c")),
    )
    assert sorted(n.text for n in record.notes) == ["new", "self"]
    assert [s.source for s in record.skipped] == ["DocumentReference/a"]


def test_notes_of_other_encounters_are_not_read_but_counted(read: Read, document: Document) -> None:
    """A diagnosis is coded from the documentation of its own encounter; an unlinked note belongs by its date."""
    other = {"context": {"encounter": [{"reference": "Encounter/e0"}]}}
    record = read(
        document("own", id="a"),
        document("other", id="b", **other),
        document("another", id="c", **other),
        document("unlinked, same day", id="d", context={}),
        document("unlinked, long before", id="e", context={}, date="2024-01-01"),
    )
    assert [n.text for n in record.notes] == ["own", "unlinked, same day"]
    assert [(s.source, s.reason.split(":")[0]) for s in record.skipped] == [("DocumentReference", "3 of other encounters were not read")]
    assert len(read(document("own", id="a"), document("other", id="b", **other), encounter_id=None).notes) == 2


def test_own_notes_come_first_then_reports_newest_first(read: Read, document: Document) -> None:
    """Order: this encounter's notes before unlinked ones, notes before reports, newest first."""
    record = read(
        document("unlinked", id="a", context={}, date="2026-03-01T20:00:00Z"),
        document("report", id="b", type={"text": "Radiology report"}, date="2026-03-01T19:00:00Z"),
        document("early", id="c", date="2026-03-01T08:00:00Z"),
        document("late", id="d", date="2026-03-01T18:00:00Z"),
        document("undated", id="e", date=None),
    )
    assert [n.text for n in record.notes] == ["late", "early", "undated", "report", "unlinked"]


def test_the_same_report_as_two_resources_is_read_once(read: Read, document: Document) -> None:
    """US Core shows a report as DocumentReference and DiagnosticReport."""
    form = document("Impression: pneumonia.")["content"][0]["attachment"]
    report = {"resourceType": "DiagnosticReport", "id": "r1", "subject": {"reference": "Patient/p1"}, "encounter": {"reference": "Encounter/e1"}}
    record = read(document("Impression:  pneumonia."), report | {"effectiveDateTime": "2026-03-01", "presentedForm": [form]})
    assert [(n.source, n.is_report) for n in record.notes] == [("DocumentReference/n1", True)]
    assert record.skipped[0].reason == "It has the same text as DocumentReference/n1. Nothing to do: it was read once."


def test_the_time_goes_to_the_notes_that_matter_most(patient: dict[str, Any], encounter: dict[str, Any], document: Document) -> None:
    """A deadline leaves the other encounters' and older notes unread, and says how many."""
    notes = [document("a", id="a", context={}), document("b", id="b")]
    record = read_resources([patient, encounter, *notes], patient_id="p1", encounter_id="e1", until=time.monotonic() - 1)
    assert record.notes == ()
    assert [(s.source, s.reason.split(":")[0]) for s in record.skipped] == [("notes", "2 were not read")]
    assert len(read_resources([patient, encounter, *notes], patient_id="p1", encounter_id="e1", until=time.monotonic() + 60).notes) == 2


def test_copied_forward_text_names_its_source(read: Read, document: Document) -> None:
    """A note that repeats an earlier one for the most part; new words alone are no copy."""
    record = read(
        document(STORY, id="day1", date="2026-03-01T08:00:00Z"),
        document(STORY + NEWS, id="day2", date="2026-03-02T08:00:00Z"),
        document(NEWS * 1 + "Discharge home tomorrow with six weeks of oral therapy and podiatry follow up.\n", id="day3", date="2026-03-03T08:00:00Z"),
    )
    assert {n.source: n.copied_from for n in record.notes} == {
        "DocumentReference/day1": None,
        "DocumentReference/day2": "DocumentReference/day1",
        "DocumentReference/day3": None,
    }


def test_text_copied_from_another_encounter_is_recognised(read: Read, document: Document) -> None:
    """The source may be a note that isn't read itself."""
    old = document(STORY, id="old", date="2025-06-01", context={"encounter": [{"reference": "Encounter/e0"}]})
    assert [n.copied_from for n in read(old, document(STORY + NEWS)).notes] == ["DocumentReference/old"]


def test_short_and_undated_notes_are_never_copies(read: Read, document: Document) -> None:
    """ "No acute distress." is common to all notes."""
    record = read(
        document("Patient seen. No acute distress.\n" * 2, id="a", date="2026-03-01T08:00:00Z"),
        document("Patient seen. No acute distress.\n", id="b", date="2026-03-01T09:00:00Z"),
        document(STORY, id="c", date=None),
        document(STORY + NEWS, id="d", date="2026-03-01T10:00:00Z"),
    )
    assert [n.copied_from for n in record.notes] == [None] * 4


def test_five_hundred_notes_are_compared_quickly() -> None:
    """The work grows with the text, not with the pairs of notes: 500 notes of the same 60 sentences."""
    body = "\n".join(f"Sentence number {i} of a note that everybody copies every day." for i in range(60))
    first = Note("DocumentReference/0", body, "")
    from datetime import UTC, datetime, timedelta

    notes = [Note(f"DocumentReference/{i}", body, "", date=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=i)) for i in range(500)]
    started = time.process_time()
    found = copied_from([first, *notes])
    assert time.process_time() - started < 15
    assert (len(found), found["DocumentReference/499"]) == (499, "DocumentReference/498")
