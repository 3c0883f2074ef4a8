"""Candidates of one note: known names by the lexicon, and phrases by their meaning in the encoder's space."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from onnx_models.abbreviations import Expansion, abbreviations
from onnx_models.assertion import judge
from onnx_models.attributes import attributes_of
from onnx_models.chunks import chunks
from onnx_models.features import Hit, Place
from onnx_models.lexicon import Lexicon, Match
from onnx_models.linear import LinearModel
from onnx_models.normalise import Token, tokens, written_out
from onnx_models.plan import PlanContext
from onnx_models.reading import LONGEST_STATEMENT, Polarity, Section, Sentence
from onnx_models.retrieval import SHARPNESS, Concept, Concepts, VectorIndex
from onnx_models.runtime import Encoder
from onnx_models.segmenter import section_at, sections, sentences
from onnx_models.spelling import Speller
from onnx_models.telling import telling_features
from onnx_models.wording import Overlap, Titles

# Concepts that a phrase of a note, and a short statement, may mean: of those that phrases taught, and of those known by name only.
_NEAREST, _NEAREST_SHORT = {True: 4, False: 3}, {True: 8, False: 8}
_LEAST_COSINE = 0.5  # below this the encoder's guess is worse than silence
_LEAST_CHANCE = 0.03  # of naming something to code: of the evidence in coded notes, 98.6 % lies in phrases above it, and 77 % of all letters
# Of a long note's phrases the least likely are left out: half a second is the bar, and they hardly ever decide a code.
_ALWAYS_ASKED, _ASKED_SHARE = 110, 0.6
_BATCH = 24  # phrases between two looks at the clock
# Read first what decides the coding; when time runs out the rest is left, and said.
_PRIORITY = (
    "assessment_plan", "diagnosis", "impression", "hospital_course", "hpi", "chief_complaint", "plan", "problem_list", "past_medical", "preamble",
    "admission_diagnosis", "indication", "preop_diagnosis", "procedure", "findings", "imaging", "labs", "other",
)  # fmt: skip
# Names and numbers, not statements about the patient's condition: the lexicon reads them, the encoder needn't.
_ENCODER_SKIPS = frozenset({"medications", "allergies", "vitals", "exam", "ros", "immunizations", "family", "social", "instructions", "past_surgical"})
# Where conditions are named with their causes and complications, phrases are also read together.
_JOINED = frozenset({"assessment_plan", "diagnosis", "impression", "chief_complaint", "preop_diagnosis", "admission_diagnosis"})
_NOISE = frozenset(
    """
    mild moder sever new known stabl persist intermitt signific possibl probabl likeli recent worsen progress underli evid sign symptom
    """.split()
)



@dataclass(slots=True)
class Scene:
    """One note on its way through the engine: its parts, and what is known of each place looked at."""

    text: str
    parts: tuple[Section, ...]
    lines: tuple[Sentence, ...]
    plan: PlanContext
    stream: list[tuple[Token, int]]  # token of the normal form, index of its sentence
    begins: list[int]  # where the tokens of the stream begin
    short: tuple[tuple[Expansion, ...], ...]  # abbreviations of each sentence
    speller: Speller | None
    places: dict[tuple[int, int], Place] = field(default_factory=dict)
    # Phrases of each sentence with the chance that they name something to code.
    chances: dict[int, list[tuple[int, int, float]]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, text: str, declared: Sequence[tuple[str, int, int]], speller: Speller | None = None) -> Scene:
        """Split a note into sections and sentences."""
        parts = sections(text, declared)
        lines = sentences(text, parts)
        stream, short = [], []
        for i, line in enumerate(lines):
            own = text[line.begin : line.end]
            shorts = tuple(abbreviations().find(own))
            stream += [(Token(t.stem, t.begin + line.begin, t.end + line.begin), i) for t in tokens(own, speller, shorts)]
            short.append(tuple(Expansion(x.begin + line.begin, x.end + line.begin, x.words) for x in shorts))
        return cls(text, parts, lines, PlanContext(text, parts, lines), stream, [t.begin for t, _ in stream], tuple(short), speller)

    @property
    def is_statement(self) -> bool:
        """True of a phrase or a short statement rather than a note."""
        return len(self.text) <= LONGEST_STATEMENT

    def tokens_of(self, begin: int, end: int) -> slice:
        """Return which tokens of the stream begin within `text[begin:end]`."""
        return slice(bisect_left(self.begins, begin), bisect_left(self.begins, end))

    def phrase(self, begin: int, end: int, line: int) -> str:
        """Return `text[begin:end]` of sentence `line` as the encoder reads it."""
        return written_out(self.text, begin, end, self.short[line], self.speller)

    def place(self, begin: int, end: int, line: int) -> Place:
        """Return the place `text[begin:end]` in sentence `line`, with its assertion and attributes."""
        if (begin, end) not in self.places:
            sentence = self.lines[line]
            span, kind = (sentence.begin, sentence.end), section_at(self.parts, begin).kind
            judgement = judge(self.text, span, (begin, end), kind)
            heads, planned = self.plan.of(line)
            coverage = (end - begin) / max(1, span[1] - span[0])
            attributes = attributes_of(self.text, span, (begin, end))
            heading = heads and coverage > 0.3
            self.places[begin, end] = Place(begin, end, line, kind, judgement.assertion, attributes, judgement.cue, heading, planned, coverage)
        return self.places[begin, end]


def named(scene: Scene, lexicon: Lexicon, concepts: Concepts) -> list[Hit]:
    """Return the hits of the lexicon, with and without words of degree between the words of a name."""
    stream = scene.stream
    matches = lexicon.find(stream)
    bare = [(t, s) for t, s in stream if t.stem not in _NOISE]
    seen = {(m.begin, m.end) for m in matches}
    if len(bare) < len(stream):
        matches += [m for m in lexicon.find(bare) if m.stems > 1 and (m.begin, m.end) not in seen]
    longest = _covering(matches)
    hits = []
    for match in matches:
        where = scene.place(match.begin, match.end, match.sentence)
        covered = (match.begin, match.end) not in longest
        for entry in match.entries:
            hit = _hit(where, entry.concept, concepts[entry.concept])
            hit.entry, hit.stems, hit.rivals, hit.frequency, hit.covered = entry, match.stems, len(match.entries), match.frequency, covered
            hits.append(hit)
    return hits


def worded(scene: Scene, hits: Sequence[Hit], titles: Titles) -> None:
    """Fill in how far each hit's title is the wording of the note, and the chance that its phrase names something to code."""
    numbers = titles.words(t for t, _ in scene.stream)
    note = set(numbers)
    by_sentence: dict[int, set[int]] = defaultdict(set)
    for number, (_, sentence) in zip(numbers, scene.stream, strict=True):
        by_sentence[sentence].add(number)
    known: dict[tuple[int, int, int], Overlap] = {}
    for hit in hits:
        place = hit.place
        key = (place.begin, place.end, hit.concept)
        if key not in known:
            span = numbers[scene.tokens_of(place.begin, place.end)]
            known[key] = titles.overlap(hit.concept, span, by_sentence[place.sentence], note)
        hit.overlap = known[key]
        hit.chance = max((p for b, e, p in scene.chances[place.sentence] if b < place.end and place.begin < e), default=0.0)


def meant(
    scene: Scene,
    known: Sequence[Hit],
    index: VectorIndex | None,
    encoder: Encoder,
    concepts: Concepts,
    telling: LinearModel,
    deadline: float | None,
    pause: Callable[[], object] | None = None,
) -> tuple[list[Hit], tuple[Section, ...]]:
    """Return the hits of the encoder on phrases that no known name covers wholly, and the sections left unread at the deadline.

    Args:
        scene: the note.
        known: hits of the lexicon.
        index: vectors of all concepts; None asks for no neighbours.
        encoder: makes vectors of phrases.
        concepts: the table of concepts.
        telling: tells which phrases may name something (see telling.py).
        deadline: `time.monotonic()` seconds, or None.
        pause: called before each batch; it may wait, or raise to give up.
    """
    by_section = _worth_asking(scene, known, telling)
    ranked = sorted((p for p in scene.parts if by_section[p.begin]), key=_urgency)
    found: list[Hit] = []
    if index is None:
        return found, ()
    for done, part in enumerate(ranked):
        phrases = [(b, e, i) for b, e, i in by_section[part.begin] if scene.place(b, e, i).assertion.polarity is Polarity.AFFIRMED]
        for at in range(0, len(phrases), _BATCH):
            if pause:
                pause()
            if deadline is not None and time.monotonic() > deadline:
                return found, tuple(ranked[done:])
            found += _nearest(scene, phrases[at : at + _BATCH], index, encoder, concepts)
    return found, ()


def _worth_asking(scene: Scene, known: Sequence[Hit], telling: LinearModel) -> dict[int, list[tuple[int, int, int]]]:
    """Return the phrases to ask the encoder about, (begin, end, sentence) in order by the begin of their section; note each phrase's chance."""
    explained = {(h.place.begin, h.place.end) for h in known}
    asked: list[tuple[float, int, int, int, int]] = []  # chance, begin, end, sentence, begin of the section
    for b, e, i, part in phrases_of(scene):
        chance = telling.probability(telling_features([t.stem for t, _ in scene.stream[scene.tokens_of(b, e)]], part.kind))
        scene.chances[i].append((b, e, chance))
        if scene.is_statement or (part.kind not in _ENCODER_SKIPS and chance >= _LEAST_CHANCE and (b, e) not in explained):
            asked.append((chance, b, e, i, part.begin))
    if not scene.is_statement:
        asked = sorted(asked, reverse=True)[: max(_ALWAYS_ASKED, int(len(asked) * _ASKED_SHARE))]
    by_section: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for _, b, e, i, section in sorted(asked, key=lambda phrase: phrase[1:]):
        by_section[section].append((b, e, i))
    return by_section


def phrases_of(scene: Scene) -> Iterator[tuple[int, int, int, Section]]:
    """Yield (begin, end, index of the sentence, section) of all phrases of a note."""
    for i, line in enumerate(scene.lines):
        part = section_at(scene.parts, line.begin)
        yield from ((b, e, i, part) for b, e in chunks(scene.text, line, joined=scene.is_statement or part.kind in _JOINED, whole=scene.is_statement))


def _urgency(part: Section) -> tuple[int, int]:
    return (_PRIORITY.index(part.kind) if part.kind in _PRIORITY else len(_PRIORITY), part.begin)


def _nearest(scene: Scene, phrases: Sequence[tuple[int, int, int]], index: VectorIndex, encoder: Encoder, concepts: Concepts) -> list[Hit]:
    queries = index.project(encoder.encode([scene.phrase(b, e, i) for b, e, i in phrases]))
    width = _NEAREST_SHORT if scene.is_statement else _NEAREST
    hits = []
    shelves = [index.nearest(queries, width[taught], taught=taught) for taught in (True, False)]
    for (begin, end, line), both in zip(phrases, zip(*shelves, strict=True), strict=True):
        where = scene.place(begin, end, line)
        for nearest, others in (both, both[::-1]):
            best, rival = (found[0][1] if found else 0.0 for found in (nearest, others))
            mass = sum(math.exp(SHARPNESS * (cosine - best)) for _, cosine in nearest)
            for rank, (row, cosine) in enumerate(nearest, 1):
                if cosine >= _LEAST_COSINE:
                    hit = _hit(where, row, concepts[row])
                    hit.cosine, hit.rank, hit.margin, hit.share = cosine, rank, cosine - best, math.exp(SHARPNESS * (cosine - best)) / mass
                    hit.lead = cosine - rival
                    hits.append(hit)
    return hits


def _hit(where: Place, row: int, concept: Concept) -> Hit:
    return Hit(where, row, concept.code(where.attributes.laterality), concept.sided, concept.taught, concept.prior, concept.us_prior)


def _covering(matches: Sequence[Match]) -> set[tuple[int, int]]:
    """Return the spans of matches that no longer match of more stems holds."""
    best: dict[int, int] = {}
    for m in matches:
        for at in range(m.begin, m.end):
            best[at] = max(best.get(at, 0), m.stems)
    return {(m.begin, m.end) for m in matches if m.stems >= max(best[at] for at in range(m.begin, m.end))}
