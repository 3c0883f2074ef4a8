"""The case under review: one encounter record, what the engine read in its notes, and the code set of its date.

Nothing here decides. A case answers questions ("where is this said, and how is it asserted?") for the rules.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from cds_service.review.codeset import ICD10CM, CodeSet
from cds_service.review.codeset_current import in_release
from cds_service.review.confidence import Confidence
from cds_service.review.cues import lower
from cds_service.review.model import Evidence, EvidenceKind
from cds_service.review.snomed import through_map
from fhir_mappers.record import EncounterRecord, Note, Setting
from onnx_models.assertion import judge
from onnx_models.reading import Assertion, Certainty, Mention, NoteReading, Polarity, Sentence
from onnx_models.segmenter import section_at

if TYPE_CHECKING:
    from cds_service.review.knowledge import Knowledge

LEADING = ("diagnosis", "assessment_plan", "impression", "plan")  # sections in which a provider concludes
_ITEM = 25  # characters that may stand before and after a condition that is an item of a list
_NEGATION = re.compile(r"(?:no(?: known| evidence of| history of| signs of)?|denies|negative for|without)\s+(?!longer|more|less|further)\w", re.I)
_ITEM_ENDS = (",", ":", ";", "(", ".")
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Statement:
    """Words of one note that may name a condition, with the evidence they give."""

    note: Note
    order: int  # place of the note among the notes, oldest first
    mention: Mention
    evidence: Evidence
    likeliest: str = ""  # code of the candidate with the highest score; "" where there is none

    @property
    def place(self) -> tuple[int, int, int]:
        """Position in the record: note, begin, end."""
        return self.order, self.mention.begin, self.mention.end


@dataclass(frozen=True)
class Case:
    """One encounter to be coded."""

    record: EncounterRecord
    readings: Mapping[str, NoteReading]
    knowledge: Knowledge
    codes: CodeSet
    on: date  # date of service or discharge: decides which codes and rules are in force
    notes: tuple[Note, ...]  # read notes, oldest first
    sha256: Mapping[str, str]  # of the notes' texts, by source
    statements: tuple[Statement, ...]  # in order of place
    _said: dict[str, tuple[Evidence, ...]] = field(default_factory=dict, repr=False, compare=False)
    _lowered: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    _begins: dict[str, list[int]] = field(default_factory=dict, repr=False, compare=False)
    _placed: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def inpatient(self) -> bool:
        """True where guideline sections II and III apply (else IV)."""
        return self.record.setting is Setting.INPATIENT

    def counts(self, assertion: Assertion) -> bool:
        """Tell whether what is stated so is coded as present.

        Uncertain diagnoses are for inpatients (II.H, III.C) and never for outpatients (IV.H).
        """
        if assertion.certainty is Certainty.POSSIBLE and self.inpatient:
            return replace(assertion, certainty=Certainty.CERTAIN).is_asserted
        return assertion.is_asserted

    def said(self, cue: str) -> tuple[Evidence, ...]:
        """Return every place where the wording `cue` of the table stands, however asserted, oldest note first."""
        if cue not in self._said:
            self._said[cue] = tuple(self._words(note, place, judged=True) for note in self.notes for place in self._places(cue, note))
        return self._said[cue]

    def asserted(self, cue: str) -> tuple[Evidence, ...]:
        """Return the places where the wording is said of the patient, now and without doubt."""
        return tuple(e for e in self.said(cue) if e.assertion and e.assertion.is_asserted)

    def between(self, cue: str, source: str, begin: int, end: int) -> tuple[Evidence, ...]:
        """Return the places of a wording that begin within a stretch of one note. Their assertion isn't judged."""
        note = self._note(source)
        here = self._places(cue, note)
        first, after = (bisect_left(here, (at, 0)) for at in (begin, end)) if here else (0, 0)
        return tuple(self._words(note, place, judged=False) for place in here[first:after])

    def stands(self, cue: str) -> bool:
        """Tell whether a wording stands in any note, however asserted."""
        return any(self._places(cue, note) for note in self.notes)

    def text(self, source: str) -> str:
        """Return the text of a read note."""
        return self._note(source).text

    def sentence(self, evidence: Evidence) -> Sentence | None:
        """Return the sentence or list item in which words of a note stand; None for values of the record."""
        reading, begin = self.readings.get(evidence.source), evidence.begin
        if reading is None or begin is None:
            return None
        return self._sentence_at(evidence.source, begin)

    def is_item(self, evidence: Evidence) -> bool:
        """Tell whether a mention is an item of its own ("2. Cough, improving") rather than a word in a sentence."""
        sentence = self.sentence(evidence)
        if sentence is None or evidence.begin is None or evidence.end is None or evidence.begin - sentence.begin > _ITEM:
            return False
        return sentence.end - evidence.end <= _ITEM or self.text(evidence.source)[evidence.end : evidence.end + 1] in _ITEM_ENDS

    def _note(self, source: str) -> Note:
        return next(n for n in self.notes if n.source == source)

    def _sentence_at(self, source: str, offset: int) -> Sentence | None:
        lines = self.readings[source].sentences
        if source not in self._begins:
            self._begins[source] = [s.begin for s in lines]
        at = bisect_right(self._begins[source], offset) - 1
        return lines[at] if at >= 0 and offset < lines[at].end else None

    def _places(self, cue: str, note: Note) -> list[tuple[int, int]]:
        """Return begin and end of a wording in the sentences of a note, looked up once."""
        placed = self._placed.get((cue, note.source))
        if placed is None:
            if note.source not in self._lowered:
                self._lowered[note.source] = lower(note.text)
            found = self.knowledge.cues.find(cue, self._lowered[note.source])
            placed = self._placed[cue, note.source] = [p for p in found if self._sentence_at(note.source, p[0])]
        return placed

    def _words(self, note: Note, place: tuple[int, int], *, judged: bool) -> Evidence:
        begin, end = place
        section = section_at(self.readings[note.source].sections, begin).kind
        sentence = self._sentence_at(note.source, begin) if judged else None
        assertion = judge(note.text, (sentence.begin, sentence.end), place, section).assertion if sentence else None
        return Evidence(EvidenceKind.NOTE, note.source, note.text[begin:end], begin, end, section, assertion, self.sha256[note.source], note.date)


def note_sha256(note: Note) -> str:
    """Return the SHA-256 of the UTF-8 text of a note, in hex."""
    return hashlib.sha256(note.text.encode()).hexdigest()


def open_case(record: EncounterRecord, readings: Mapping[str, NoteReading], knowledge: Knowledge, today: date) -> Case:
    """Return the case of a record, in an order that doesn't depend on the order of its parts.

    Raises:
        NoCodeSetInForce: no ICD-10-CM release is in force on the date of service.
    """
    on = record.service_date(today)
    notes = tuple(sorted((n for n in record.notes if n.source in readings), key=_age))
    sha256 = {n.source: note_sha256(n) for n in notes}
    codes = knowledge.code_sets.in_force(ICD10CM, on)
    record = through_map(record, knowledge.maps, codes, on)
    return Case(record, readings, knowledge, codes, on, notes, sha256, tuple(_statements(notes, readings, sha256, codes, knowledge.confidence)))


def _age(note: Note) -> tuple[datetime, str]:
    when = note.date or _LONG_AGO
    return when if when.tzinfo else when.replace(tzinfo=UTC), note.source


def _negated_inside(mention: Mention) -> Mention:
    """Return a mention that begins with its own negation ("No diabetes") as negated."""
    if mention.assertion.polarity is Polarity.AFFIRMED and _NEGATION.match(mention.text):
        return replace(mention, assertion=replace(mention.assertion, polarity=Polarity.NEGATED))
    return mention


def _statements(
    notes: Iterable[Note], readings: Mapping[str, NoteReading], sha256: Mapping[str, str], codes: CodeSet, confidence: Confidence
) -> Iterable[Statement]:
    for order, note in enumerate(notes):
        for found in sorted(readings[note.source].mentions, key=lambda m: (m.begin, m.end)):
            mention = in_release(confidence.believed(_negated_inside(found), len(note.text)), codes)
            words = note.text[mention.begin : mention.end]
            place = (mention.begin, mention.end, mention.section, mention.assertion)
            evidence = Evidence(EvidenceKind.NOTE, note.source, words, *place, sha256[note.source], note.date)
            best = max(mention.candidates, key=lambda c: (c.score, c.code), default=None)
            yield Statement(note, order, mention, evidence, best.code if best else "")
