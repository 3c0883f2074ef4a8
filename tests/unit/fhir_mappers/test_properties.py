"""Whatever comes in, reading ends in a record or a typed error: found by generating input."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_mappers import FhirError, read_bundle, read_resources, units
from fhir_mappers.notes.formats import extract
from fhir_mappers.notes.html import markup_text
from fhir_mappers.notes.plaintext import tidy

T = TypeVar("T")
TODAY = date(2026, 3, 10)
KINDS = [
    "text/plain", "text/plain; charset=utf-16", "text/html", "application/xhtml+xml", "application/xml", "application/rtf", "application/pdf", "",
    "text/plain; charset=idna", "text/html; charset=utf-7",
]  # fmt: skip
STARTS = [b"", b"%PDF-1.4\n", b"{\\rtf1 ", b"<html>", b'<?xml version="1.0"?>', b'<ClinicalDocument xmlns="urn:hl7-org:v3">', b"\xff\xfe", b"\xef\xbb\xbf"]
TYPES = [
    "AllergyIntolerance", "Binary", "Bundle", "ClinicalImpression", "Composition", "Condition", "Coverage", "Device", "DeviceRequest", "DiagnosticReport",
    "DocumentReference", "Encounter", "Medication", "MedicationAdministration", "MedicationRequest", "MedicationStatement", "Observation",
    "OperationOutcome", "Patient", "Practitioner", "Procedure", "ServiceRequest", "Unheard",
]  # fmt: skip
NAMES = [
    "id", "status", "code", "coding", "text", "display", "system", "subject", "patient", "reference", "encounter", "context", "date", "period",
    "start", "end", "valueQuantity", "value", "unit", "comparator", "valueString", "component", "referenceRange", "low", "high", "interpretation",
    "category", "class", "content", "attachment", "data", "contentType", "url", "hash", "size", "section", "title", "div", "presentedForm",
    "conclusion", "relatesTo", "target", "author", "contained", "medicationReference", "medicationCodeableConcept", "medication", "concept",
    "reasonReference", "reason", "entry", "resource", "fullUrl", "issue", "extension", "modifierExtension", "name", "given", "family", "birthDate",
    "onsetDateTime", "effectivePeriod", "payor", "deviceName", "dosage", "verificationStatus", "clinicalStatus", "finding", "itemCodeableConcept",
    "note", "qualification", "parameter", "quantityQuantity", "resourceType",
]  # fmt: skip
WORDS = st.one_of(
    st.sampled_from(["Patient/p1", "Encounter/e1", "#a", "urn:uuid:a", "2026", "2026-03-01", "9999-12-31T23:59:60+14:00", "active", "%", "mg/dL", "replaces"]),
    st.sampled_from(["text/plain", "text/html", "YWJj", "data:text/plain;base64,YWJj", "<div>x</div>", "Binary/b", "AMB", "DocumentReference/x", "\ud800"]),
    st.text(max_size=12),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS)
JSON = st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)), max_leaves=25)
RESOURCES = st.builds(lambda kind, body: body | {"resourceType": kind}, st.sampled_from(TYPES), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8))


def outcome(read: Callable[[], T]) -> T | None:
    """Return what a reading gives; None where it ends in a typed error, which then says a remedy. Anything else raised is a defect."""
    try:
        return read()
    except FhirError as error:
        caught = error
    assert caught.remedy
    return None


@settings(max_examples=150, deadline=None)
@given(RESOURCES)
def test_any_object_as_resource_ends_in_a_record_or_a_typed_error(resource: dict[str, Any]) -> None:
    """Any JSON object: read, skipped with a reason, or refused; every reason can be written as UTF-8."""
    record = outcome(lambda: read_resources([resource], patient_id="p1", encounter_id="e1", today=TODAY))
    if record is None:
        return
    for skipped in record.skipped:
        assert skipped.source.encode()
        assert skipped.reason.endswith((".", "LL, HH."))
    for note in record.notes:
        assert note.text.strip()
        assert note.text.encode()
        assert all(0 <= s.begin < s.end <= len(note.text) for s in note.sections)


@settings(max_examples=60, deadline=None)
@given(st.one_of(JSON, st.dictionaries(st.sampled_from(NAMES), JSON)))
def test_any_object_as_bundle_ends_in_a_record_or_a_typed_error(body: Any) -> None:
    """Any JSON value in the place of a Bundle or of its entries."""
    for candidate in (body, {"resourceType": "Bundle", "entry": body}, {"resourceType": "Bundle", "entry": [{"resource": body}]}):
        outcome(partial(read_bundle, candidate, today=TODAY))


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(STARTS), st.binary(max_size=400), st.sampled_from(KINDS))
def test_any_bytes_give_text_or_a_typed_error(start: bytes, rest: bytes, kind: str) -> None:
    """Any bytes under any media type; the text can be written as UTF-8."""
    found = outcome(lambda: extract(start + rest, kind))
    if found is not None:
        assert "\0" not in found.text
        assert found.text.encode().decode() == found.text


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["{", "}", "\\par ", "\\'e9", "\\u8211?", "\\uc2", "\\*", "\\pict", "\\bin9999", "\\fonttbl", "\\f1", "\\ansicpg9", "{\\listtext 1.}", "x"]
        )
    )
)
def test_any_rtf_gives_text_or_a_typed_error(parts: list[str]) -> None:
    """RTF of all control words in any order."""
    outcome(lambda: extract(("{\\rtf1 " + "".join(parts)).encode(), "application/rtf"))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["<ul>", "<li>", "</ul>", "<table>", "<tr>", "<td rowspan=9>", "</table>", "<p>", "<br/>", "&amp;", "&#xD800;", "<!--", "x", "\n", "<pre>"]
        )
    )
)
def test_any_markup_gives_text_or_a_typed_error(parts: list[str]) -> None:
    """HTML of all elements in any order."""
    outcome(lambda: markup_text("".join(parts)))


@settings(deadline=None)
@given(st.text(min_size=1, max_size=300))
def test_plain_text_comes_through(words: str) -> None:
    """A note of any Unicode text, sent as UTF-8, is read as it was written but for invisible characters and empty lines."""
    note = {
        "resourceType": "DocumentReference",
        "id": "n",
        "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": base64.b64encode(words.encode("utf-8", "replace")).decode()}}],
    }
    record = read_resources([note], patient_id="p1", today=TODAY)
    expected = tidy(words.encode("utf-8", "replace").decode())
    assert [n.text for n in record.notes] == ([expected] if expected.strip() else [])
    assert tidy(expected) == expected


@settings(deadline=None)
@given(
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9), st.one_of(st.text(max_size=10), st.sampled_from(["mg/dL", "mmol/L", "%"]))
)
def test_any_unit_converts_or_is_left_alone(value: float, unit: str) -> None:
    """Any string in the place of a unit."""
    found = units.canonical(value, unit, "2345-7")
    assert found is None or found[1] == "mg/dL"


@pytest.mark.parametrize("word", ["\ud800", "\0"])
def test_words_of_a_record_can_be_stored(word: str) -> None:
    """Displays with half characters or NUL don't reach a database or a response."""
    condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"}, "code": {"text": f"a{word}b"}}
    record = read_resources([condition], patient_id="p1", today=TODAY)
    assert json.dumps(record.problems[0].concept.label, ensure_ascii=False).encode() == '"a\ufffdb"'.encode()
