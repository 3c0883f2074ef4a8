"""Prominence: how strongly the place where a condition is documented speaks for it as the reason of the encounter.

Guidelines II (condition established after study to be chiefly responsible), II.A (symptoms), II.G (complications), IV.G (first-listed). What a place says
is read from the provider's own order: a diagnosis named principal, the list of diagnoses, the items of the conclusion, the reason for the visit, the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import IntEnum

from cds_service.review.case import Case
from cds_service.review.model import Evidence
from cds_service.review.sheet import Line, Sheet
from onnx_models.segmenter import section_at

_PRINCIPAL = re.compile(r"(?:principal|primary)(?: (?:discharge|final|admitting|admission|hospital))?(?: diagnos[ie]s| dx)?", re.I)
_SECONDARY = re.compile(r"(?:secondary|other|additional|associated|chronic|comorbid|past|prior|previous)(?: .*)?(?:diagnos[ie]s| dx)|secondary", re.I)
_LIST = re.compile(r"\b(?:diagnos[ie]s|dx)\b", re.I)
_NO_LIST = re.compile(r"\b(?:pre|differential|admi\w+|provisional|family|referring)\b", re.I)
_REASON = ("chief_complaint", "indication", "preop_diagnosis")
_OPENING = ("hpi", "hospital_course", "preamble")
_NUMBER = re.compile(r"(\d{1,2})[.)]\s*$")
_BULLET = re.compile(r"(?:^|\n)[ \t]*(?:[-*\u2022#]|\d{1,2}[.)])[ \t]*$|\d{1,2}[.)]\s*$")
_COMORBID = ("E03", "E10", "E11", "E66", "E78", "F17", "F32.A", "F41.9", "I10", "I25", "I48", "J44", "K21", "M81", "N18", "N40")  # told beside what is acute
_BLEEDING_OR_PAIN = ("M25.5", "M54.2", "M54.5", "M54.6", "M54.9", "M79.1", "M79.6", "N64.4", "N92", "N93", "H57.1", "H92.0", "K92.2")  # complaints outside R
_HEADLINE = 80  # characters of a line that is the head of a paragraph
_HEAD = 25  # characters that may stand in an item before the condition it is about
_LOOK = 8  # characters before an item in which its number or bullet stands


class Place(IntEnum):
    """Kinds of places, the one that speaks loudest first."""

    PRINCIPAL = 0  # named so by the provider
    LISTED = 1  # discharge, postoperative, final diagnoses
    ITEM = 2  # item of the assessment, impression or plan
    CONCLUDED = 3  # in a sentence of the conclusion; admission diagnoses, secondary ones
    REASON = 5  # chief complaint, indication, preoperative diagnosis; a sentence of the plan
    OPENING = 6  # history of the present illness, course
    ELSEWHERE = 8


_SYMPTOM = 4  # a symptom of the conclusion: behind what is concluded, before what is only the reason
_COMPLAINT = 7  # a symptom told as the reason: behind what was found, before what the patient has beside it
_TEXT = ("assessment_plan", "plan")
Prominence = tuple[int, int, int]  # place, how many notes are newer, offset in the note


class Prominences:
    """The prominence of every line of a sheet."""

    def __init__(self, sheet: Sheet, case: Case) -> None:
        """Read the places of all evidence once."""
        self._case = case
        self._newer = {note.source: len(case.notes) - at for at, note in enumerate(case.notes)}
        self._concludes = {s.note.source for s in case.statements if s.mention.section in ("assessment_plan", "diagnosis")}
        written = {(e.source, e.begin) for line in sheet for e in line.evidence}
        complaints = (e for line in sheet if line.code.startswith(("R", *_BLEEDING_OR_PAIN)) for e in line.evidence)
        self._complaints = {(e.source, at.begin) for e in complaints if (at := case.sentence(e)) and at.begin == e.begin}
        self._unanswered = _unanswered_items(case, written)

    def of(self, line: Line) -> Prominence:
        """Return the prominence of a line: that of its best mention."""
        best = min((self._of(e, line.code) for e in line.evidence), default=(Place.ELSEWHERE + 1, 0, 0))
        if line.code[0] == "R":
            if best[0] < _SYMPTOM and not self._opens_list(line, best):
                return _SYMPTOM, best[1], best[2]
            return (_COMPLAINT if best[0] >= Place.REASON else best[0]), best[1], best[2]
        return best

    def is_reason(self, line: Line) -> bool:
        """Tell whether a line is named as the reason for the visit or in the head of a list."""
        return any(e.section in (*_REASON, "diagnosis", "admission_diagnosis") or (e.section != "plan" and self._place(e) <= Place.ITEM) for e in line.evidence)

    def is_admitted_for(self, line: Line) -> bool:
        """Tell whether a line is named where the encounter begins: complaint, indication, preoperative or admission diagnosis."""
        return any(e.section in (*_REASON, "admission_diagnosis") for e in line.evidence)

    def _of(self, evidence: Evidence, code: str) -> Prominence:
        place, begin = self._place(evidence), evidence.begin or 0
        if place in (Place.CONCLUDED, Place.REASON) and evidence.section in _TEXT and code[0] not in "RVWXYZ":
            head = self._head(evidence)
            if head is not None:
                place, begin = Place.ITEM, head
        if place is Place.OPENING and code.startswith(_COMORBID):
            place = Place.ELSEWHERE
        return place, self._newer.get(evidence.source, 0), begin

    def _place(self, evidence: Evidence) -> Place:
        reading, begin, section = self._case.readings.get(evidence.source), evidence.begin, evidence.section or ""
        if reading is None or begin is None:
            return Place.ELSEWHERE
        if self._case.inpatient and admitted_for(self._case, (evidence,)):
            return Place.PRINCIPAL
        if section in ("diagnosis", "other", "preamble"):
            listed = _list_of(section_at(reading.sections, begin).title, section)
            if listed is not None:
                return listed
        if section == "impression" and evidence.source in self._concludes:
            return Place.ELSEWHERE  # of a tracing or an image, told in a note that concludes elsewhere
        if section in ("assessment_plan", "impression", "plan"):
            if self._is_background(evidence):
                return Place.ELSEWHERE
            return Place.ITEM if self._is_item(evidence) else Place.REASON if section == "plan" else Place.CONCLUDED
        if section == "admission_diagnosis":
            return Place.CONCLUDED
        return Place.REASON if section in _REASON else Place.OPENING if section in _OPENING else Place.ELSEWHERE

    def _is_background(self, evidence: Evidence) -> bool:
        """Tell whether words stand in "a 60-year-old with a history of X and Y", before the reason of the visit is named."""
        sentence, begin = self._case.sentence(evidence), evidence.begin or 0
        if sentence is None:
            return False
        told = self._case.between("told_as_history", evidence.source, sentence.begin, begin)
        return bool(told) and not self._case.between("presents_with", evidence.source, told[-1].end or 0, begin)

    def _is_item(self, evidence: Evidence) -> bool:
        if self._case.is_item(evidence):
            return True
        sentence, begin = self._case.sentence(evidence), evidence.begin or 0
        if sentence is None or begin - sentence.begin > _HEAD:
            return False
        text = self._case.text(evidence.source)
        whole_line = text[sentence.begin - 1 : sentence.begin] == text[sentence.end : sentence.end + 1] == "\n"
        return (whole_line and sentence.end - sentence.begin <= _HEADLINE) or bool(_BULLET.search(text, max(0, sentence.begin - _LOOK), sentence.begin))

    def _head(self, evidence: Evidence) -> int | None:
        """Return the offset of the item in whose text words stand: its own words are no code of the sheet, or a complaint "due to" what these words name."""
        sentence, begin = self._case.sentence(evidence), evidence.begin or 0
        if sentence and (evidence.source, sentence.begin) in self._complaints and self._case.between("due_to", evidence.source, sentence.begin, begin):
            return sentence.begin - 1
        heads = self._unanswered.get(evidence.source, ())
        return next((begin for begin, end in heads if begin < (evidence.begin or 0) < end), None)

    def _opens_list(self, line: Line, best: Prominence) -> bool:
        """Tell whether a symptom is the first item of the conclusion, and no later number of its list."""
        for e in line.evidence:
            sentence = self._case.sentence(e)
            if sentence is None or e.begin != best[2]:
                continue
            number = _NUMBER.search(self._case.text(e.source), max(0, sentence.begin - _LOOK), sentence.begin)
            return number is None or number[1] == "1"
        return True


def admitted_for(case: Case, words: Iterable[Evidence], cues: Sequence[str] = ("from_observation", "after_surgery", "for_rehabilitation")) -> bool:
    """Tell whether words follow, in their sentence, one that says why the patient became an inpatient (II.I, II.J, II.K)."""
    said = [e for cue in cues for e in case.said(cue)]
    return bool(said) and any(
        (at := case.sentence(w)) is not None and any(e.source == w.source and at.begin <= (e.begin or 0) < (w.begin or 0) for e in said) for w in words
    )


def _list_of(title: str, section: str) -> Place | None:
    """Return which list of diagnoses a heading opens; None where it opens none."""
    if _PRINCIPAL.fullmatch(title):
        return Place.PRINCIPAL
    if _SECONDARY.fullmatch(title):
        return Place.CONCLUDED
    if section == "diagnosis" or (_LIST.search(title) and not _NO_LIST.search(title)):
        return Place.LISTED
    return None


def _unanswered_items(case: Case, written: Collection[tuple[str, int | None]]) -> Mapping[str, list[tuple[int, int]]]:
    """Return, by note, begin and end of the items of the assessment whose own words gave no code: a complaint that the text below explains."""
    found: dict[str, list[tuple[int, int]]] = {}
    for source, heads in _items(case).items():
        ends = [*(begin for begin, _ in heads[1:]), len(case.text(source))]
        found[source] = [(begin, end) for (begin, _), end in zip(heads, ends, strict=True) if (source, begin) not in written]
    return found


def _items(case: Case) -> Mapping[str, list[tuple[int, int]]]:
    found: dict[str, dict[int, int]] = {}
    for statement in case.statements:
        evidence = statement.evidence
        if evidence.section in ("assessment_plan", "plan") and case.is_item(evidence):
            found.setdefault(evidence.source, {}).setdefault(evidence.begin or 0, evidence.end or 0)
    return {source: sorted(heads.items()) for source, heads in found.items()}


