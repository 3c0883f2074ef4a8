"""Acts: what a note says was done, sentence by sentence, with what each sentence documents of the axes. Nothing is decided here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from cds_service.review.procedures.bypass import STEM, grafts_of
from cds_service.review.procedures.parts import Part
from cds_service.review.procedures.phrases import Hit, Phrases, Word, words_of
from cds_service.review.procedures.words import Named, Operation, ProcedureWords
from onnx_models.assertion import judge
from onnx_models.reading import Assertion, Experiencer, NoteReading, Polarity, Section, Sentence
from onnx_models.segmenter import section_at

T = TypeVar("T")
_SIDE = re.compile(r"\b(left|right|bilateral(?:ly)?|both|lt|rt)\b\.?", re.I)
_SIDE_WORDS = frozenset({"left", "right", "bilateral"})
_ABSENT = 15  # characters between "without" and what isn't there
_SIDES = {"lt": "left", "rt": "right", "bilaterally": "bilateral", "both": "bilateral"}
_NEAR = 45  # characters between a side and what it belongs to
_REACH = 110  # characters between a verb and its body part
_SPAN = 90  # characters of one excerpt that holds name and body part
_CUE_REACH = 90
_YEAR = re.compile(r"(?<![\d/.-])(?:(?:0?[1-9]|1[0-2])[/-](?:\d{1,2}[/-])?)?((?:19|20)\d\d)\b")
_CONVERTED = re.compile(r"\bconver(?:ted|sion)\b.{0,60}\b(?:open|laparotomy|thoracotomy)\b", re.I | re.S)
_TITLE_PLANNED = re.compile(r"\b(?:propos|plann|schedul|consent|anticipat|intended)", re.I)
_AFTERWARDS = re.compile(r"\b(?:s/p|status[- ]post|post[- ]?op(?:erative)?(?:ly)? from)\b", re.I)
_INSPECTION, _INSERTION = "J", "H"  # third characters
_TITLE = 200  # characters of a title of a procedure at most
_NARRATIVE = re.compile(r"\b(?:was|were|then|patient|pt|we|i|is|are|has|had|been|she|he)\b", re.I)
_UNDERGONE = re.compile(
    r"\b(?:under(?:went|going|gone)|(?:was|were) (?:performed|done|carried out|completed|taken|obtained)|taken\b.{0,40}\bfor|status post|s/p|pod)\b", re.I
)
_ANAESTHESIA = re.compile(r"\bana?esthe(?:sia|tic)\b|\binduction\b", re.I)
_WITHOUT = frozenset({"without", "no", "not"})
_PAST_SECTIONS = frozenset({"past_surgical", "past_medical", "family", "social", "allergies", "immunizations", "problem_list", "obstetric", "medications"})
_PLANNED_SECTIONS = frozenset({"plan", "assessment_plan", "instructions", "indication", "chief_complaint", "preop_diagnosis", "differential", "ros"})
_TOLD_SECTIONS = frozenset({"hpi", "diagnosis", "admission_diagnosis", "imaging", "labs", "exam", "vitals"})  # need a word that it was done
_TITLED = frozenset({"procedure", "preamble", "other"})  # where a short line names a procedure; elsewhere it may name a finding
_HOSPITAL = frozenset({"procedure", "hospital_course"})


class Status(StrEnum):
    """Whether a procedure was carried out at this encounter."""

    DONE = "done"
    PLANNED = "planned"
    CANCELLED = "cancelled"
    PAST = "historical"
    NEGATED = "negated"
    FAMILY = "family"


@dataclass(frozen=True, slots=True)
class Documented:
    """What words say of the axes: values or labels, each with the words; empty where they say nothing."""

    parts: tuple[Part, ...] = ()  # of the place that a name or verb is about
    others: tuple[Part, ...] = ()  # all that the sentence names
    side: str | None = None
    approaches: tuple[tuple[str, ...], ...] = ()  # characters, the first that fits counts
    weak_approaches: tuple[tuple[str, ...], ...] = ()
    devices: tuple[str, ...] = ()  # labels
    qualifiers: tuple[str, ...] = ()  # labels
    vessels: tuple[str, ...] = ()  # coronary arteries
    whole: bool | None = None  # all (True) or a portion (False) of the body part


@dataclass(frozen=True, slots=True)
class Act:
    """Words that name a procedure."""

    begin: int
    end: int
    sentence: Sentence
    section: str
    assertion: Assertion
    status: Status
    cue: str | None  # words that decided the status, where there are any
    name: str
    named: tuple[Named, ...]  # one of the two is given
    operation: Operation | None
    said: Documented


@dataclass(frozen=True, slots=True)
class NoteActs:
    """The acts of a note, and what the note as a whole documents."""

    acts: tuple[Act, ...]
    parts: tuple[Part, ...] = ()
    sides: tuple[str, ...] = ()  # all that the note names
    approaches: tuple[tuple[str, ...], ...] = ()
    weak_approaches: tuple[tuple[str, ...], ...] = ()
    devices: tuple[str, ...] = ()
    qualifiers: tuple[str, ...] = ()
    grafts: tuple[tuple[str, str], ...] = ()  # of a coronary bypass: kind, artery
    converted: bool = False  # from endoscopic to open (guideline B5.2)


def acts_of(text: str, reading: NoteReading, words: ProcedureWords, parts: Phrases[tuple[Part, ...]], *, year: int) -> NoteActs:
    """Return what a note says was done.

    Args:
        text: the note.
        reading: its sections and sentences.
        words: how procedures are spoken of.
        parts: phrases of body parts of the release.
        year: of the encounter; another year in the sentence tells of the past.
    """
    found = [act for sentence in reading.sentences for act in _in_sentence(text, sentence, reading.sections, words, parts, year)]
    if not found:
        return NoteActs(())
    telling = {act.sentence for act in found if not _is_look(act)}  # their words belong to what they name; a look gives the way in for all
    rest = tuple(w for sentence in reading.sentences if sentence not in telling for w in words_of(text, sentence.begin, sentence.end))
    return NoteActs(
        tuple(found),
        _flat(parts.find(rest)),
        tuple(dict.fromkeys(_side_name(m[1]) for m in _SIDE.finditer(text))),
        _each(words.approaches.find(rest)),
        _each(words.weak_approaches.find(rest)),
        _flat(_there(words.devices.find(rest), rest)),
        _flat(words.qualifiers.find(rest)),
        grafts_of(text, words.vessels) if any(STEM in named.tables for act in found for named in act.named) else (),
        bool(_CONVERTED.search(text)),
    )


def acts_in_words(label: str, words: ProcedureWords, parts: Phrases[tuple[Part, ...]]) -> tuple[Act, ...]:
    """Return the acts that the label of a structured procedure names; it counts as done."""
    whole = Sentence(0, len(label))
    return tuple(_acts(label, whole, Section("procedure", "", 0, len(label)), words, parts, None))


def _is_look(act: Act) -> bool:
    return bool(act.named) and act.status is Status.DONE and all(table[2] == _INSPECTION for named in act.named for table in named.tables)


def _in_sentence(
    text: str, sentence: Sentence, sections: Sequence[Section], words: ProcedureWords, parts: Phrases[tuple[Part, ...]], year: int
) -> Iterator[Act]:
    section = section_at(sections, sentence.begin)
    yield from _acts(text, sentence, section, words, parts, year)


def _acts(
    text: str, sentence: Sentence, section: Section, words: ProcedureWords, parts: Phrases[tuple[Part, ...]], year: int | None
) -> Iterator[Act]:
    run = words_of(text, sentence.begin, sentence.end)
    named = _named_in(run, words)
    operations = [h for h in words.operations.find(run) if not any(_overlap(h, n) for n in named)]
    if not named and not operations:
        return
    line = text[sentence.begin : sentence.end]
    title = len(line) <= _TITLE and not _NARRATIVE.search(line)
    described = section.kind == "procedure" and not title  # how it was done, step by step
    if described or _ANAESTHESIA.search(section.title) or _ANAESTHESIA.search(line):
        named = tuple(h for h in named if h.value[0].name not in words.steps)
    operations = [h for h in operations if _tells(h.value, line, section, title=title)]
    if not named and not operations:
        return
    places = _places(run, words, parts)
    used: list[Hit[tuple[Part, ...]]] = []
    for hit in named:
        place = _belonging(hit, places)
        if place and not any(n.parts for n in hit.value):
            used.append(place)
        said = _documented(text, sentence, run, hit, place, places, words)
        yield _act(text, sentence, section, hit, place if not any(n.parts for n in hit.value) else None, said, hit.value, None, words, year)
    for operation in operations:
        free = [p for p in places if p not in used and not any(_overlap(p, n) for n in named)]
        place = _belonging(operation, free)
        if place is not None:
            said = _documented(text, sentence, run, operation, place, places, words)
            if operation.value.value == _INSERTION and not said.devices:
                continue
            yield _act(text, sentence, section, operation, place, said, (), operation.value, words, year)


def _tells(operation: Operation, line: str, section: Section, *, title: bool) -> bool:
    """Tell whether a verb names a procedure rather than a step of one: in a title, or where the course of the stay tells that it was undergone."""
    if title and section.kind in _TITLED:
        return operation.noun
    undergone = _UNDERGONE.search(line) is not None
    return undergone if operation.noun else section.kind == "hospital_course" or (undergone and section.kind != "procedure")


def _named_in(run: Sequence[Word], words: ProcedureWords) -> tuple[Hit[tuple[Named, ...]], ...]:
    """Return the named procedures of a sentence, also where a side stands between the words of a name."""
    found = words.named.find(run)
    plain = [w for w in run if w.form not in _SIDE_WORDS]
    if len(plain) == len(run):
        return found
    more = [h for h in words.named.find(plain) if not any(_overlap(h, f) and f.end - f.begin >= h.end - h.begin for f in found)]
    kept = [f for f in found if not any(_overlap(f, m) for m in more)]
    return tuple(sorted((*kept, *more), key=lambda h: h.begin))


def _there(hits: Iterable[Hit[tuple[str, ...]]], run: Sequence[Word]) -> list[Hit[tuple[str, ...]]]:
    """Return the devices that are said to be there ("without mesh" says it isn't)."""
    absent = [w.end for w in run if w.form in _WITHOUT]
    return [h for h in hits if not any(0 <= h.begin - end <= _ABSENT for end in absent)]


def _act(
    text: str,
    sentence: Sentence,
    section: Section,
    hit: Hit[Any],
    place: Hit[tuple[Part, ...]] | None,
    said: Documented,
    named: tuple[Named, ...],
    operation: Operation | None,
    words: ProcedureWords,
    year: int | None,
) -> Act:
    begin, end = _excerpt(text, sentence, hit, place, words)
    assertion = judge(text, (sentence.begin, sentence.end), (hit.begin, hit.end), section.kind).assertion
    status, cue = (Status.DONE, None) if year is None else _status(text, sentence, section, (hit.begin, hit.end), assertion, words, year)
    if status is Status.DONE:
        assertion = Assertion()
    return Act(begin, end, sentence, section.kind, assertion, status, cue, text[hit.begin : hit.end], named, operation, said)


def _excerpt(text: str, sentence: Sentence, hit: Hit[Any], place: Hit[tuple[Part, ...]] | None, words: ProcedureWords) -> tuple[int, int]:
    """Return the stretch that is quoted: the name, with the words beside it that document an axis."""
    run = words_of(text, sentence.begin, sentence.end)
    told: list[tuple[int, int]] = [(place.begin, place.end)] if place else []
    told += [(h.begin, h.end) for table in (words.approaches, words.devices, words.qualifiers) for h in table.find(run)]
    told += [m.span(1) for m in _SIDE.finditer(text, sentence.begin, sentence.end)]
    begin, end = hit.begin, hit.end
    for low, high in sorted(told, key=lambda t: max(hit.begin - t[1], t[0] - hit.end)):
        if max(end, high) - min(begin, low) <= _SPAN:
            begin, end = min(begin, low), max(end, high)
    return begin, end


def _places(run: Sequence[Word], words: ProcedureWords, parts: Phrases[tuple[Part, ...]]) -> tuple[Hit[tuple[Part, ...]], ...]:
    """Return the body parts of a sentence; a site of the surface gives the layers that are named, or all."""
    layers = tuple(dict.fromkeys(h.value for h in words.layers.find(run)))
    every = tuple(dict.fromkeys(words.layers.values()))
    surface = [
        Hit(h.begin, h.end, tuple(Part(f"{layer}, {h.value}") for layer in (layers or every))) for h in words.sites.find(run)
    ]
    inner = [h for h in parts.find(run) if not any(_overlap(h, s) and s.end - s.begin >= h.end - h.begin for s in surface)]
    outer = [s for s in surface if not any(_overlap(s, h) for h in inner)]
    return tuple(sorted((*inner, *outer), key=lambda h: h.begin))


def _belonging(hit: Hit[Any], places: Sequence[Hit[tuple[Part, ...]]]) -> Hit[tuple[Part, ...]] | None:
    """Return the body part that a name or verb is about: the next one after it, else the last one before it."""
    after = [p for p in places if p.begin >= hit.end and p.begin - hit.end <= _REACH]
    before = [p for p in places if p.end <= hit.begin and hit.begin - p.end <= _REACH]
    inside = [p for p in places if _overlap(p, hit)]
    return after[0] if after else before[-1] if before else inside[0] if inside else None


def _documented(
    text: str,
    sentence: Sentence,
    run: Sequence[Word],
    hit: Hit[Any],
    place: Hit[tuple[Part, ...]] | None,
    places: Sequence[Hit[tuple[Part, ...]]],
    words: ProcedureWords,
) -> Documented:
    around = (hit.begin, hit.end) if place is None else (min(hit.begin, place.begin), max(hit.end, place.end))
    return Documented(
        place.value if place else (),
        _flat(places),
        _side(text, sentence, around),
        _each(words.approaches.find(run)),
        _each(words.weak_approaches.find(run)),
        _flat(_there(words.devices.find(run), run)),
        _flat(words.qualifiers.find(run)),
        tuple(dict.fromkeys(h.value for h in words.vessels.find(run))),
        _whole(text[sentence.begin : sentence.end]),
    )


_PORTION = re.compile(r"\b(?:partial(?:ly)?|portion|segment(?:al)?|wedge|lesion|mass|tumou?r|nodule|polyp|cyst|part of|subtotal|margins?|specimen)\b", re.I)
_ALL = re.compile(r"\b(?:total(?:ly)?|complete(?:ly)?|entire(?:ty|ly)?|whole|radical|en bloc)\b", re.I)


def _whole(sentence: str) -> bool | None:
    if _PORTION.search(sentence):
        return False
    return True if _ALL.search(sentence) else None


def _side(text: str, sentence: Sentence, around: tuple[int, int]) -> str | None:
    """Return the side that belongs to a stretch of a sentence: the one inside it or nearest to it, or the only one."""
    found = [(m.start(), m.end(), _side_name(m[1])) for m in _SIDE.finditer(text, sentence.begin, sentence.end)]
    if not found:
        return None
    named = {side for _, _, side in found}
    if len(named) == 1:
        return named.pop()
    inside = {s for b, e, s in found if around[0] <= b and e <= around[1]}
    if len(inside) == 1:
        return inside.pop()
    before = [(around[0] - e, s) for b, e, s in found if e <= around[0] and around[0] - e <= _NEAR]
    after = [(b - around[1], s) for b, e, s in found if b >= around[1] and b - around[1] <= _NEAR]
    nearest = min((*before, *after), default=None)
    return nearest[1] if nearest else None


def _side_name(word: str) -> str:
    return _SIDES.get(word.lower(), word.lower())


def _status(
    text: str, sentence: Sentence, section: Section, span: tuple[int, int], assertion: Assertion, words: ProcedureWords, year: int
) -> tuple[Status, str | None]:
    """Return whether what a sentence names was done, and the words that decide."""
    if assertion.experiencer is not Experiencer.PATIENT:
        return Status.FAMILY, None
    before = words_of(text, max(sentence.begin, span[0] - _CUE_REACH), span[0])
    after = words_of(text, span[1], min(sentence.end, span[1] + _CUE_REACH))
    done = (*words.status["done"].find(before), *words.status["done"].find(after))
    for status, name in ((Status.CANCELLED, "cancelled"), (Status.PLANNED, "planned"), (Status.PAST, "past")):
        behind = words.status.get(f"{name}_after", words.status[name])
        cue = _cue(words.status[name], behind, before, after, done)
        if cue is not None:
            return status, text[cue.begin : cue.end]
    if assertion.polarity is Polarity.NEGATED:
        return Status.NEGATED, None
    line = text[sentence.begin : sentence.end]
    if any(int(y) != year for y in _YEAR.findall(line)):
        return Status.PAST, None
    recent = bool(done)
    if _AFTERWARDS.search(line) and section.kind not in _HOSPITAL and not recent:
        return Status.PAST, "status post"
    if section.kind in _PAST_SECTIONS:
        return Status.PAST, section.title or None
    if (section.kind in _PLANNED_SECTIONS or _TITLE_PLANNED.search(section.title)) and not recent:
        return Status.PLANNED, section.title or None
    if section.kind in _TOLD_SECTIONS and not recent:
        return Status.PAST, section.title or None
    return Status.DONE, None


def _cue(ahead: Phrases[str], behind: Phrases[str], before: Sequence[Word], after: Sequence[Word], done: Iterable[Hit[str]]) -> Hit[str] | None:
    """Return the cue that governs: the last before the name with no word of having been done between, else one after it."""
    last = next(reversed(ahead.find(before)), None)
    if last is not None and not any(last.end <= d.begin and (not before or d.end <= before[-1].end) for d in done):
        return last
    return next(iter(behind.find(after)), None)


def _overlap(one: Hit[Any], other: Hit[Any]) -> bool:
    return one.begin < other.end and other.begin < one.end


def _flat(hits: Iterable[Hit[tuple[T, ...]]]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(value for hit in hits for value in hit.value))


def _each(hits: Iterable[Hit[tuple[str, ...]]]) -> tuple[tuple[str, ...], ...]:
    return tuple(dict.fromkeys(hit.value for hit in hits))
