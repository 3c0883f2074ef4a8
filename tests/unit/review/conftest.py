"""Builders for cases of the review: records, notes and what an engine would have read in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from cds_service.review import CodingReview, Knowledge, ModelUsed, review
from fhir_mappers.record import EncounterRecord, Note, Patient, Setting
from onnx_models.assertion import judge
from onnx_models.attributes import attributes_of
from onnx_models.reading import Candidate, Mention, NoteReading
from onnx_models.segmenter import section_at, sections, sentences

TODAY = date(2026, 3, 2)
MODEL = ModelUsed("test", "0", "0" * 64)
Said = Mapping[str, str | tuple[str, float] | Sequence[tuple[str, float]]]


def note(text: str, source: str = "DocumentReference/1", day: int = 2, **fields: Any) -> Note:
    """Return a note of March 2026."""
    return Note(source, text, fields.pop("title", "Progress note"), date=datetime(2026, 3, day, 9, tzinfo=UTC), **fields)


def record(*notes: Note, setting: Setting = Setting.OUTPATIENT, born: date = date(1960, 5, 1), gender: str = "female", **parts: Any) -> EncounterRecord:
    """Return a record of an encounter on 2 March 2026."""
    moment = datetime(2026, 3, 2, 9, tzinfo=UTC)
    return EncounterRecord(Patient("p1", born, gender), "e1", setting, moment, moment, notes=notes, **parts)


def reading(text: str, said: Said) -> NoteReading:
    """Return the reading of a note in which words mean codes: {"heart failure": "I50.9"}; all occurrences count."""
    parts = sections(text)
    lines = sentences(text, parts)
    mentions = []
    for words, meaning in said.items():
        pairs = [(meaning, 0.9)] if isinstance(meaning, str) else [meaning] if isinstance(meaning, tuple) else meaning
        candidates = tuple(Candidate(code, score) for code, score in pairs)  # type: ignore[misc]
        for match in re.finditer(rf"\b{re.escape(words)}\b", text):
            line = next(s for s in lines if s.begin <= match.start() < s.end)
            kind = section_at(parts, match.start()).kind
            judgement = judge(text, (line.begin, line.end), match.span(), kind)
            attributes = attributes_of(text, (line.begin, line.end), match.span())
            mentions.append(Mention(*match.span(), match.group(), kind, line, judgement.assertion, attributes, candidates, judgement.cue))
    return NoteReading(parts, lines, tuple(sorted(mentions, key=lambda m: (m.begin, m.end))), "en")


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    """All tables, read once."""
    return Knowledge.load()


@pytest.fixture
def coded(knowledge: Knowledge) -> Callable[..., CodingReview]:
    """Return a function that reviews one note: coded("Assessment: ...", {"words": "code"}, setting=...)."""

    def run(text: str, said: Said, *, title: str = "Progress note", **parts: Any) -> CodingReview:
        one = note(text, title=title)
        return of(record(one, **parts), {one.source: reading(text, said)}, knowledge)

    return run


def of(case: EncounterRecord, readings: Mapping[str, NoteReading], knowledge: Knowledge) -> CodingReview:
    """Review a record with fixed id and time."""
    return review(case, readings, knowledge, id="r1", created=datetime(2026, 3, 2, 10, tzinfo=UTC), today=TODAY, model=MODEL)
