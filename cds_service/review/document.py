"""The published JSON form of a review, and the form that is kept without any words of the notes.

camelCase; what is unknown is absent rather than null; dates in ISO 8601.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from typing import Any

from cds_service.errors import EvidenceError
from cds_service.review.case import note_sha256
from cds_service.review.model import CodeAssignment, CodingReview, EvidenceKind
from cds_service.review.structured import structured_evidence
from fhir_mappers.record import EncounterRecord, Note
from onnx_models.reading import Attributes

Document = dict[str, Any]
_KINDS = tuple(kind.value for kind in EvidenceKind)


def to_document(review: CodingReview) -> Document:
    """Return the review as JSON-serialisable values, in the published form."""
    document: Document = {}
    for field in fields(review):
        value = getattr(review, field.name)
        if field.name in ("diagnoses", "procedures", "supplies"):
            document[field.name] = [_assignment(a) for a in value]
        elif field.name == "queries":
            document["queries"] = [_present(q) | {"basis": q.basis} for q in value]
        elif field.name == "timing_ms":
            document["timingMs"] = dict(value)
        elif field.name == "coverage":
            document["coverage"] = _present(value)
        else:
            _put(document, field.name, value, keep_empty=True)
    return document


def without_text(document: Document) -> Document:
    """Return a copy of a document without the words of the notes and without values of the record: what a store may keep."""
    return {name: _worded(part, lambda evidence: {k: v for k, v in evidence.items() if k != "text"}) for name, part in document.items()}


def with_text(document: Document, record: EncounterRecord) -> Document:
    """Return a copy of a kept document with the words put back from the notes and values of `record`.

    Raises:
        EvidenceError: a note has changed or is missing, or a value can't be found again. The message names the resource, never its text.
    """
    notes = {note.source: note for note in record.notes}
    hashes: dict[str, str] = {}
    values = {(e.source, e.part): e.text for e in structured_evidence(record)}

    def put_back(evidence: Document) -> Document:
        if evidence["kind"] == EvidenceKind.STRUCTURED:
            key = (evidence["source"], evidence.get("part"))
            if key not in values:
                raise EvidenceError(f"{evidence['source']} is no longer in the record.", "Run the review again.")
            return {**evidence, "text": values[key]}
        note = _unchanged(notes, hashes, evidence)
        return {**evidence, "text": note.text[evidence["begin"] : evidence["end"]]}

    return {name: _worded(part, put_back) for name, part in document.items()}


def _unchanged(notes: Mapping[str, Note], hashes: dict[str, str], evidence: Document) -> Note:
    note = notes.get(evidence["source"])
    if note is None:
        raise EvidenceError(f"{evidence['source']} is not among the notes.", "Fetch the note again, or run the review again.")
    if note.source not in hashes:
        hashes[note.source] = note_sha256(note)
    if hashes[note.source] != evidence["sha256"]:
        raise EvidenceError(f"{note.source} has changed since the review.", "Run the review again.")
    return note


def _worded(part: Any, change: Callable[[Document], Document]) -> Any:
    """Return a copy of a part of a document in which every evidence is as `change` gives it."""
    if isinstance(part, list):
        return [_worded(item, change) for item in part]
    if not isinstance(part, dict):
        return part
    if part.get("kind") in _KINDS and "source" in part:
        return change(part)
    return {name: _worded(item, change) for name, item in part.items()}


def _assignment(assignment: CodeAssignment) -> Document:
    document = _present(assignment)
    kinds = {e.kind for e in assignment.evidence}
    document["source"] = "both" if len(kinds) > 1 else kinds.pop().value
    if assignment.attributes == Attributes():
        document.pop("attributes", None)
    return document


def _put(document: Document, name: str, value: Any, *, keep_empty: bool = False) -> None:
    if value is None or (value == () and not keep_empty):
        return
    head, *rest = name.split("_")
    document[head + "".join(r.title() for r in rest)] = _plain(value)


def _present(value: Any) -> Document:
    """Return a dataclass as an object without what is unknown or empty."""
    document: Document = {}
    for field in fields(value):
        _put(document, field.name, getattr(value, field.name), keep_empty=field.name in ("notes_read", "notes_skipped"))
    return document


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return _present(value) if is_dataclass(value) else value
