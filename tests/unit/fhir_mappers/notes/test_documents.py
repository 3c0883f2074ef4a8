"""DocumentReference, Composition, DiagnosticReport and ClinicalImpression become notes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_mappers import EncounterRecord, Note
from fhir_mappers.record import SectionSpan

Read = Callable[..., EncounterRecord]
Said = Callable[..., list[tuple[str, str]]]
Document = Callable[..., dict[str, Any]]
SUBJECT = {"reference": "Patient/p1"}
ENCOUNTER = {"reference": "Encounter/e1"}


def only(record: EncounterRecord) -> Note:
    """Return the only note."""
    (note,) = record.notes
    return note


def encoded(words: str | bytes) -> str:
    """Return base64."""
    return base64.b64encode(words.encode() if isinstance(words, str) else words).decode()


def test_a_document_comes_with_all_that_is_known_of_it(read: Read, document: Document) -> None:
    """DocumentReference in R4 form."""
    given = document(description="Visit of March", author=[{"reference": "Practitioner/7", "display": "Ann Field, RN"}])
    given["content"][0]["attachment"]["language"] = "en-US"
    record = read(given)
    assert only(record) == Note(
        source="DocumentReference/n1",
        text="Type 2 diabetes, stable.",
        title="Visit of March",
        type=record.notes[0].type,
        date=datetime(2026, 3, 1, 14, 30, tzinfo=UTC),
        author="Ann Field, RN",
        author_role="nurse",
        language="en-US",
    )
    assert record.skipped == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"indexed": "2026-03-01T14:30:00Z", "class": {"text": "Note"}},  # STU3: class instead of category, indexed instead of date
        {"created": "2026-03-01T14:30:00Z", "indexed": "2026-03-02T00:00:00Z"},
        {"context": {"encounter": ENCOUNTER, "period": {"start": "2026-03-01T14:30:00Z"}}},  # STU3: one encounter
        {"context": [ENCOUNTER], "date": "2026-03-01T14:30:00Z"},  # R5: context is a list of references
    ],
)
def test_older_and_newer_forms_of_document_reference(read: Read, document: Document, changes: dict[str, Any]) -> None:
    """STU3-isms and R5 forms are read without a word."""
    given = document()
    del given["date"]
    record = read(given | changes)
    assert (only(record).date, record.skipped) == (datetime(2026, 3, 1, 14, 30, tzinfo=UTC), ())


def test_a_document_with_missing_status_or_type_is_read(read: Read, document: Document) -> None:
    """Missing required elements cost nothing."""
    given = document()
    del given["status"], given["type"]
    record = read(given)
    assert (only(record).title, record.skipped) == ("", ())


def test_binary_resources_of_the_input_are_found(read: Read, document: Document) -> None:
    """attachment.url names a Binary that came along; its content type brings the character set."""
    given = document(content=[{"attachment": {"contentType": "text/plain", "url": "Binary/b1"}}])
    binary = {"resourceType": "Binary", "id": "b1", "contentType": "text/plain; charset=latin1", "data": encoded("Übelkeit".encode("latin-1"))}
    assert only(read(given, binary)).text == "Übelkeit"
    given["content"][0]["attachment"]["url"] = "/Binary/b1"
    assert only(read(given, binary)).text == "Übelkeit"
    stu3 = {"resourceType": "Binary", "id": "b1", "contentType": "text/plain", "content": encoded("words")}
    assert only(read(given, stu3)).text == "words"


@pytest.mark.parametrize(
    ("attachment", "words"),
    [
        ({"contentType": "text/plain", "data": "not base64!"}, "attachment.data is not base64. Encode the bytes"),
        ({"contentType": "text/plain", "data": "YWJj\nYWJ"}, "attachment.data is not base64"),
        ({"contentType": "text/plain", "data": ["YWJj"]}, "neither attachment.data nor attachment.url"),
        ({"contentType": "text/plain"}, "neither attachment.data nor attachment.url"),
        ({"contentType": "text/plain", "url": "Binary/gone"}, "was not fetched. Send the Binary along"),
        ({"contentType": "text/plain", "data": encoded("   \n")}, "It has no text."),
        ({"contentType": "image/tiff", "data": encoded("x")}, "type image/tiff are not read"),
        (None, "It has no attachment"),
    ],
)
def test_what_can_not_be_read_is_said_with_the_remedy(said: Said, document: Document, attachment: Any, words: str) -> None:
    """Wrong base64, no content, note of length 0, unknown format: one note less, and why."""
    source, reason = said(document(content=[{"attachment": attachment}] if attachment else []))[-1]
    assert source == "DocumentReference/n1"
    assert words in reason


def test_base64_with_line_breaks_is_read(read: Read, document: Document) -> None:
    """MIME-style base64."""
    assert only(read(document(content=[{"attachment": {"contentType": "text/plain", "data": "d29y\r\nZHM=\n"}}]))).text == "words"


def test_of_several_renderings_the_best_that_can_be_read_is_taken(read: Read, document: Document) -> None:
    """One document in HTML and RTF; broken HTML falls back to RTF."""
    rtf = {"attachment": {"contentType": "application/rtf", "data": encoded(rb"{\rtf1 from RTF}")}}
    html = {"attachment": {"contentType": "text/html", "data": encoded("<p>from HTML</p>")}}
    assert only(read(document(content=[rtf, html]))).text == "from HTML"
    html["attachment"]["data"] = "%%%"
    assert only(read(document(content=[rtf, html]))).text == "from RTF"


def test_a_text_over_two_million_characters_is_cut_and_said(read: Read, document: Document) -> None:
    """A note of more than 2 MB."""
    record = read(document("word " * 500_000))
    assert len(only(record).text) == 2_000_000
    assert "only the first 2,000,000 were read" in record.skipped[0].reason


def test_size_and_hash_that_do_not_fit_are_tolerated_and_said(read: Read, document: Document) -> None:
    """Attachment.size and Attachment.hash (SHA-1 in R4)."""
    given = document("words")
    right = base64.b64encode(hashlib.sha1(b"words").digest()).decode()
    given["content"][0]["attachment"] |= {"size": 5, "hash": right}
    assert read(given).skipped == ()
    given["content"][0]["attachment"] |= {"size": 9, "hash": "AAAA"}
    record = read(given)
    assert only(record).text == "words"
    assert [s.reason.split(". ")[0] for s in record.skipped] == [
        "attachment.size says 9 bytes and the document has 5",
        "attachment.hash does not fit the document",
    ]


def test_a_guessed_character_set_is_said(said: Said, document: Document) -> None:
    """Unknown character set."""
    ((source, reason),) = said(document("Übelkeit", "text/plain; charset=x-unknown"))
    assert (source, reason) == (
        "DocumentReference/n1",
        "It was read with a reservation. The declared character set 'x-unknown' is unknown. It was read as UTF-8. Correct the attachment at its source.",
    )


def test_a_date_in_the_future_is_left_out_and_said(read: Read, document: Document) -> None:
    """Dates in the future."""
    record = read(document(date="2031-01-01T00:00:00Z"))
    assert only(record).date is None
    assert record.skipped[0].reason.startswith("date lies in the future (2031-01-01)")


@pytest.mark.parametrize(
    ("changes", "is_report"),
    [
        ({"type": {"coding": [{"system": "http://loinc.org", "code": "18748-4"}]}}, True),
        ({"type": {"text": "Surgical pathology report"}}, True),
        ({"category": [{"text": "Radiology report"}]}, True),
        ({"category": [{"coding": [{"system": "http://loinc.org", "code": "LP29684-5", "display": "Radiology"}]}]}, True),
        ({"type": {"text": "Discharge summary"}}, False),
        ({"type": {"text": "Radiation oncology consult"}}, False),
    ],
)
def test_reports_of_tests_are_told_from_notes(read: Read, document: Document, changes: dict[str, Any], is_report: bool) -> None:
    """A report is not a provider's diagnostic statement (guidelines, section III.B and IV)."""
    assert only(read(document(**changes))).is_report is is_report


def test_composition_sections_are_spans(read: Read) -> None:
    """Composition: narratives of sections, nested, with LOINC codes."""
    given = {
        "resourceType": "Composition",
        "id": "k1",
        "status": "final",
        "title": "Discharge summary",
        "type": {"text": "Discharge summary"},
        "subject": SUBJECT,
        "encounter": ENCOUNTER,
        "date": "2026-03-01T12:00:00Z",
        "author": [{"display": "Ben Lake, DO"}],
        "section": [
            {
                "title": "Hospital course",
                "code": {"coding": [{"system": "http://loinc.org", "code": "8648-8"}]},
                "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Heart failure, <b>acute</b>.</p></div>'},
                "section": [{"title": "Diuresis", "text": {"div": "<div><ul><li>furosemide</li></ul></div>"}}],
            },
            {"title": "Nothing", "emptyReason": {"text": "none"}},
        ],
    }
    record = read(given)
    note = only(record)
    assert note.text == "Hospital course\n\nHeart failure, acute.\n\nDiuresis\n\n  * furosemide"
    assert note.sections == (SectionSpan("Hospital course", 0, len(note.text), "8648-8"), SectionSpan("Diuresis", 40, len(note.text)))
    assert note.text[40:] == "Diuresis\n\n  * furosemide"
    assert (note.title, note.author_role, record.skipped) == ("Discharge summary", "physician", ())


def test_a_composition_without_sections_has_its_own_narrative(read: Read) -> None:
    """Composition.text."""
    given = {"resourceType": "Composition", "id": "k1", "subject": SUBJECT, "text": {"div": "<div>All in one</div>"}}
    assert only(read(given)).text == "All in one"


def report(**changes: Any) -> dict[str, Any]:
    """Return a DiagnosticReport."""
    base = {"resourceType": "DiagnosticReport", "id": "r1", "status": "final", "subject": SUBJECT, "encounter": ENCOUNTER}
    return base | {"code": {"text": "Chest X-ray"}, "effectiveDateTime": "2026-03-01T10:00:00Z"} | changes


def test_a_report_has_its_form_and_its_conclusion(read: Read) -> None:
    """presentedForm and conclusion; the conclusion isn't said twice."""
    form = [{"contentType": "text/plain", "data": encoded("Findings: opacity.\nImpression: pneumonia,\n right lower lobe.")}]
    note = only(read(report(presentedForm=form, conclusion="Consistent with heart failure.")))
    assert note.text == "Findings: opacity.\nImpression: pneumonia,\n right lower lobe.\n\nConclusion\n\nConsistent with heart failure."
    assert (note.is_report, note.title) == (True, "Chest X-ray")
    assert [note.text[s.begin : s.end] for s in note.sections] == ["Conclusion\n\nConsistent with heart failure."]
    assert only(read(report(presentedForm=form, conclusion="pneumonia, right lower lobe"))).sections == ()


def test_a_report_with_an_unreadable_form_still_has_its_conclusion(read: Read) -> None:
    """One bad attachment doesn't lose the conclusion, and is said."""
    record = read(report(presentedForm=[{"contentType": "image/jpeg", "data": "AAAA"}], conclusion="Pneumonia."))
    assert only(record).text == "Conclusion\n\nPneumonia."
    assert "only its conclusion" in record.skipped[0].reason


def test_a_note_sent_as_diagnostic_report_is_a_note(read: Read) -> None:
    """US Core lets servers send a history and physical as DiagnosticReport: it is a provider's statement."""
    form = [{"contentType": "text/plain", "data": encoded("Assessment: asthma")}]
    code = {"coding": [{"system": "http://loinc.org", "code": "34117-2", "display": "History and physical note"}]}
    assert only(read(report(code=code, presentedForm=form))).is_report is False


def test_a_report_that_only_groups_results_is_no_note(read: Read) -> None:
    """A laboratory panel is read from its Observations."""
    record = read(report(result=[{"reference": "Observation/o1"}]))
    assert (record.notes, record.skipped) == ((), ())


def test_coded_conclusions_are_words(read: Read) -> None:
    """conclusionCode."""
    assert only(read(report(conclusionCode=[{"text": "Lobar pneumonia"}]))).text == "Conclusion\n\nLobar pneumonia"


def test_a_clinical_impression_is_a_note(read: Read) -> None:
    """ClinicalImpression: description, findings, summary, notes."""
    given = {
        "resourceType": "ClinicalImpression",
        "id": "i1",
        "status": "completed",
        "subject": SUBJECT,
        "encounter": ENCOUNTER,
        "date": "2026-03-01T11:00:00Z",
        "assessor": {"display": "Cara Hill, NP"},
        "description": "Seen for fatigue.",
        "finding": [{"itemCodeableConcept": {"text": "Iron deficiency anemia"}}],
        "summary": "Likely from menorrhagia.",
        "note": [{"text": "Recheck in June."}],
    }
    note = only(read(given))
    assert note.text == "Seen for fatigue.\n\nFindings\n\n- Iron deficiency anemia\n\nAssessment\n\nLikely from menorrhagia.\n\nRecheck in June."
    assert [s.title for s in note.sections] == ["Findings", "Assessment"]
    assert (note.author, note.author_role) == ("Cara Hill, NP", "advanced practice provider")


@pytest.mark.parametrize(
    ("author", "role"),
    [
        ({"display": "Ann Field, MD"}, "physician"),
        ({"display": "Dr. Ann Field, M.D."}, "physician"),
        ({"display": "Pat Moss, PA-C"}, "advanced practice provider"),
        ({"display": "Cara Hill, FNP-BC"}, "advanced practice provider"),
        ({"display": "Di Etta, RDN, LDN"}, "dietitian"),
        ({"display": "Nora Field"}, None),
        ({"reference": "PractitionerRole/x1"}, "pharmacist"),
        ({"reference": "Practitioner/x2"}, "therapist"),
    ],
)
def test_the_profession_of_the_author_is_what_the_source_says(read: Read, document: Document, author: dict[str, Any], role: str | None) -> None:
    """Letters behind the name, PractitionerRole.code, Practitioner.qualification; otherwise unknown."""
    practitioners = [
        {"resourceType": "PractitionerRole", "id": "x1", "code": [{"text": "Clinical pharmacist"}]},
        {
            "resourceType": "Practitioner",
            "id": "x2",
            "name": [{"family": "Ray", "given": ["Tom"]}],
            "qualification": [{"code": {"text": "Physical Therapist"}}],
        },
    ]
    assert only(read(document(author=[author]), *practitioners)).author_role == role


TURNS = "\n".join(f"Doctor: question {i}?\nPatient: answer {i}." for i in range(4))


@pytest.mark.parametrize(
    ("words", "changes", "is_transcript"),
    [
        (TURNS, {}, True),
        ("[00:12] Dr. Field: How are you?\n" * 6, {}, True),
        ("SPK_1: hello there\nSPK_2: hi\n" * 3, {}, True),
        ("anything", {"description": "Visit transcript"}, True),
        ("anything", {"type": {"coding": [{"code": "x", "display": "Ambient conversation"}]}}, True),
        ("Patient: 62 year old man\nPlan: rest\nNurse: called", {}, False),
        ("Assessment: " + "long text\n" * 50 + TURNS, {}, False),
    ],
)
def test_a_visits_conversation_is_told_from_a_note(read: Read, document: Document, words: str, changes: dict[str, Any], is_transcript: bool) -> None:
    """Visit transcripts arrive as DocumentReference: by title, type, or turns of speakers."""
    assert only(read(document(words, **changes))).is_transcript is is_transcript
