"""The published form of a review and the form without words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from cds_service.errors import EvidenceError
from cds_service.review import CodingReview, Knowledge, to_document, with_text, without_text
from tests.unit.review.conftest import note, of, reading, record

TEXT = "Assessment and Plan:\n1. Heart failure, stable.\n2. Denies chest pain.\n"
SAID = {"Heart failure": "I50.9", "chest pain": "R07.9"}


def test_a_document_is_json_in_camel_case_without_null(coded: Callable[..., CodingReview]) -> None:
    """DESIGN: camelCase, absent rather than null; evidence carries its exact offsets."""
    document = json.loads(json.dumps(to_document(coded(TEXT, SAID))))
    assert document["diagnoses"][0]["code"] == "I50.9"
    assert document["diagnoses"][0]["role"] == "principal"
    assert document["diagnoses"][0]["source"] == "note"
    evidence = document["diagnoses"][0]["evidence"][0]
    assert (evidence["text"], TEXT[evidence["begin"] : evidence["end"]]) == ("Heart failure", "Heart failure")
    assert evidence["assertion"] == {"polarity": "affirmed", "certainty": "certain", "temporality": "current", "experiencer": "patient"}
    assert document["codeSets"] == [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "version": "2026-04-01", "effectiveFrom": "2025-10-01"}]
    assert document["notCoded"][0]["reason"] == "negated"
    assert "null" not in json.dumps(document)


def test_what_the_store_keeps_has_no_words_of_the_note(coded: Callable[..., CodingReview]) -> None:
    """The store keeps codes, offsets and hashes, never text."""
    kept = json.dumps(without_text(to_document(coded("Assessment: frobnitz failure of the heart.", {"frobnitz failure": "I50.9"}))))
    assert "frobnitz" not in kept
    assert "sha256" in kept


def test_words_come_back_only_from_the_unchanged_note(knowledge: Knowledge) -> None:
    """A note whose hash differs is refused, and the message says nothing of its text."""
    one = note(TEXT)
    case = record(one)
    document = to_document(of(case, {one.source: reading(TEXT, SAID)}, knowledge))
    assert with_text(without_text(document), case) == document
    changed = replace(case, notes=(replace(one, text=TEXT.replace("stable", "worse")),))
    with pytest.raises(EvidenceError, match="has changed") as raised:
        with_text(without_text(document), changed)
    assert "worse" not in str(raised.value)
