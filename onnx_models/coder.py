"""NoteCoder: reads a note and returns its mentions with candidate codes."""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np

from onnx_models.assertion import judge
from onnx_models.attributes import attributes_of
from onnx_models.chunks import chunks
from onnx_models.errors import ArtefactError
from onnx_models.features import CandidateRow, Hit, Place, candidate_rows
from onnx_models.language import language_of
from onnx_models.lexicon import Lexicon, Match
from onnx_models.normalise import Token, tokens
from onnx_models.plan import PlanContext
from onnx_models.ranker import Ranker
from onnx_models.reading import Candidate, Mention, NoteReading, Polarity, Reason, Section, Sentence
from onnx_models.retrieval import Concepts, VectorIndex
from onnx_models.runtime import Encoder
from onnx_models.segmenter import section_at, sections, sentences

CLINICAL_NOTE = 1.0  # style of a note of care; 0.0 is a published case report
_NEAREST = 4  # concepts a phrase may mean
_LEAST_COSINE = 0.55  # below this the encoder's guess is worse than silence
_KEEP = 0.02  # candidates below this probability are not worth carrying
_PER_MENTION = 6
# Read first what decides the coding; when time runs out the rest is left, and said.
_PRIORITY = ("assessment_plan", "diagnosis", "impression", "hospital_course", "hpi", "chief_complaint", "plan", "problem_list", "past_medical", "preamble",
             "admission_diagnosis", "indication", "preop_diagnosis", "procedure", "findings", "imaging", "labs", "other")  # fmt: skip
# Names and numbers, not statements about the patient's condition: the lexicon reads them, the encoder needn't.
_ENCODER_SKIPS = frozenset({"medications", "allergies", "vitals", "exam", "ros", "immunizations", "family", "social", "instructions", "past_surgical"})
# Where conditions are named with their causes and complications, phrases are also read together.
_JOINED = frozenset({"assessment_plan", "diagnosis", "impression", "chief_complaint", "preop_diagnosis", "admission_diagnosis"})
_SHORT = 400  # characters: a phrase or a short statement rather than a note
_NOISE = frozenset("mild moder sever new known stabl persist intermitt signific possibl probabl likeli recent worsen progress underli evid sign symptom".split())


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model answers: for audit, `/readyz` and the review."""

    name: str
    version: str
    sha256: str  # of the manifest, which holds the hash of every artefact
    provider: str


@dataclass(frozen=True, slots=True)
class _Analysis:
    parts: tuple[Section, ...]
    lines: tuple[Sentence, ...]
    rows: list[CandidateRow]
    unread: tuple[Section, ...]
    timing: tuple[tuple[str, float], ...]


class NoteCoder:
    """The engine: text in, mentions with candidate codes out. Immutable after loading and safe to share between threads."""

    def __init__(self, *, info: ModelInfo, concepts: Concepts, lexicon: Lexicon, index: VectorIndex, encoder: Encoder, ranker: Ranker | None, typical: Sequence[float]) -> None:
        self.model = info
        self.concepts = concepts
        self.lexicon = lexicon
        self.index = index
        self.encoder = encoder
        self._ranker = ranker
        self._typical = np.asarray(typical, np.float32)

    @classmethod
    def load(cls, directory: Path | None = None, *, threads: int = 2, provider: str = "auto") -> NoteCoder:
        """Load the committed artefacts, or those in `directory`, after checking each file against the manifest.

        Raises:
            ArtefactError: a file is missing or isn't the one that the manifest names.
            ProviderError: the provider asked for can't run here.
        """
        folder = directory or Path(str(resources.files("onnx_models") / "artefacts"))
        manifest_path = folder / "manifest.json"
        if not manifest_path.exists():
            raise ArtefactError(f"There is no model in {folder.name}: manifest.json is missing.", "Reinstall the package, or build the artefacts with `marginalia train`.")
        raw = manifest_path.read_bytes()
        manifest = json.loads(raw)
        for name, entry in manifest["files"].items():
            if not (folder / name).exists() or hashlib.sha256((folder / name).read_bytes()).hexdigest() != entry["sha256"]:
                raise ArtefactError(f"{name} is missing or isn't the file that the manifest names.", "Reinstall the package, or build the artefacts with `marginalia train`.")
        encoder = Encoder(folder, threads=threads, wanted=provider)
        return cls(
            info=ModelInfo(manifest["name"], manifest["version"], hashlib.sha256(raw).hexdigest(), encoder.provider),
            concepts=Concepts.load(folder / "concepts.tsv"),
            lexicon=Lexicon.load(folder / "lexicon.npz"),
            index=VectorIndex.load(folder / "vectors.npz"),
            encoder=encoder,
            ranker=Ranker(folder / "ranker.onnx"),
            typical=manifest["typical"],
        )

    def read(
        self,
        text: str,
        *,
        declared_sections: Sequence[tuple[str, int, int]] = (),
        deadline: float | None = None,
        style: float = CLINICAL_NOTE,
    ) -> NoteReading:
        """Read one note.

        Args:
            text: plain text.
            declared_sections: (title, begin, end) of sections that the document itself declares.
            deadline: `time.monotonic()` seconds after which the encoder reads no further section; the lexicon reads all.
            style: CLINICAL_NOTE, or 0.0 for a published case report.
        """
        language = language_of(text)
        if language != "en":
            return NoteReading((), (), (), language)
        analysis = self.analyse(text, declared_sections=declared_sections, deadline=deadline, style=style)
        began = time.perf_counter()
        if self._ranker is None:
            raise ArtefactError("The engine was loaded without a ranker.", "Load complete artefacts.")
        probabilities = self._ranker.probabilities(np.stack([r.features for r in analysis.rows])) if analysis.rows else np.zeros(0)
        kept = [(r, float(p)) for r, p in zip(analysis.rows, probabilities, strict=True) if p >= _KEEP]
        reasons = self._ranker.reasons([r for r, _ in kept], self._typical)
        mentions = _mentions(text, analysis.lines, [(r, p, w) for (r, p), w in zip(kept, reasons, strict=True)])
        timing = (*analysis.timing, ("ranking", round((time.perf_counter() - began) * 1000, 2)))
        return NoteReading(analysis.parts, analysis.lines, mentions, language, analysis.unread, timing)

    def analyse(self, text: str, *, declared_sections: Sequence[tuple[str, int, int]] = (), deadline: float | None = None, style: float = CLINICAL_NOTE) -> _Analysis:
        """Return candidate rows with features and no probability: what training sees, by the code that serves."""
        clock = [time.perf_counter()]
        parts = sections(text, declared_sections)
        lines = sentences(text, parts)
        clock.append(time.perf_counter())
        stream = [(Token(t.stem, t.begin + s.begin, t.end + s.begin), i) for i, s in enumerate(lines) for t in tokens(text[s.begin : s.end])]
        places: dict[tuple[int, int], Place] = {}
        context = PlanContext(text, parts, lines)

        def place(begin: int, end: int, line: int) -> Place:
            if (begin, end) not in places:
                span, kind = (lines[line].begin, lines[line].end), section_at(parts, begin).kind
                judgement = judge(text, span, (begin, end), kind)
                heading, planned = context.of(line)
                coverage = (end - begin) / max(1, span[1] - span[0])
                places[begin, end] = Place(begin, end, line, kind, judgement.assertion, attributes_of(text, span, (begin, end)), judgement.cue, heading and coverage > 0.3, planned, coverage)
            return places[begin, end]

        hits = self._named(stream, lines, place)
        clock.append(time.perf_counter())
        near, unread = self._meant(text, parts, lines, hits, place, deadline)
        clock.append(time.perf_counter())
        rows = candidate_rows([*hits, *near], len(stream), style)
        clock.append(time.perf_counter())
        stages = ("segmentation", "lexicon", "encoder", "features")
        timing = tuple((name, round((b - a) * 1000, 2)) for name, a, b in zip(stages, clock, clock[1:], strict=False))
        return _Analysis(parts, lines, rows, unread, timing)

    def _named(self, stream: list[tuple[Token, int]], lines: Sequence[Sentence], place) -> list[Hit]:  # type: ignore[no-untyped-def]
        """Return the hits of the lexicon, with and without words of degree between the words of a name."""
        matches = self.lexicon.find(stream, lines)
        bare = [(t, s) for t, s in stream if t.stem not in _NOISE]
        seen = {(m.begin, m.end) for m in matches}
        matches += [m for m in self.lexicon.find(bare, lines) if m.stems > 1 and (m.begin, m.end) not in seen] if len(bare) < len(stream) else []
        longest = _covering(matches)
        hits = []
        for match in matches:
            where = place(match.begin, match.end, match.sentence)
            for entry in match.entries:
                concept = self.concepts[entry.concept]
                hits.append(Hit(where, entry.concept, concept.code(where.attributes.laterality), concept.sided, concept.prior, concept.us_prior, entry, match.stems,
                                len(match.entries), match.frequency, (match.begin, match.end) not in longest))  # fmt: skip
        return hits

    def _meant(self, text: str, parts: Sequence[Section], lines: Sequence[Sentence], hits: Sequence[Hit], place, deadline: float | None) -> tuple[list[Hit], tuple[Section, ...]]:  # type: ignore[no-untyped-def]
        """Return the hits of the encoder on the phrases that the lexicon doesn't fully explain, and the sections left unread."""
        explained = {(h.place.begin, h.place.end) for h in hits}
        by_section: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        short = len(text) <= _SHORT
        for i, line in enumerate(lines):
            part = section_at(parts, line.begin)
            if part.kind in _ENCODER_SKIPS:
                continue
            for begin, end in chunks(text, line, joined=short or part.kind in _JOINED):
                if (begin, end) not in explained:
                    by_section[part.begin].append((begin, end, i))
        ranked = sorted((p for p in parts if by_section[p.begin]), key=lambda p: (_PRIORITY.index(p.kind) if p.kind in _PRIORITY else len(_PRIORITY), p.begin))
        found: list[Hit] = []
        for done, part in enumerate(ranked):
            if deadline is not None and time.monotonic() > deadline:
                return found, tuple(ranked[done:])
            phrases = [(b, e, i) for b, e, i in by_section[part.begin] if place(b, e, i).assertion.polarity is Polarity.AFFIRMED]
            for at in range(0, len(phrases), 48):
                if at and deadline is not None and time.monotonic() > deadline:
                    return found, tuple(ranked[done:])
                found += self._nearest(text, phrases[at : at + 48], place)
        return found, ()

    def _nearest(self, text: str, phrases: Sequence[tuple[int, int, int]], place) -> list[Hit]:  # type: ignore[no-untyped-def]
        if not phrases:
            return []
        queries = self.index.project(self.encoder.encode([text[b:e] for b, e, _ in phrases]))
        found = []
        for (begin, end, line), nearest in zip(phrases, self.index.nearest(queries, _NEAREST), strict=True):
            where = place(begin, end, line)
            for rank, (row, cosine) in enumerate(nearest, 1):
                if cosine >= _LEAST_COSINE:
                    concept = self.concepts[row]
                    found.append(Hit(where, row, concept.code(where.attributes.laterality), concept.sided, concept.prior, concept.us_prior, cosine=cosine, rank=rank, margin=cosine - nearest[0][1]))
        return found


def _covering(matches: Sequence[Match]) -> set[tuple[int, int]]:
    """Return the spans of matches that no longer match of more stems holds."""
    best: dict[int, int] = {}
    for m in matches:
        for at in range(m.begin, m.end):
            best[at] = max(best.get(at, 0), m.stems)
    return {(m.begin, m.end) for m in matches if m.stems >= max(best[at] for at in range(m.begin, m.end))}


def _mentions(text: str, lines: Sequence[Sentence], kept: Sequence[tuple[CandidateRow, float, tuple[Reason, ...]]]) -> tuple[Mention, ...]:
    """Turn ranked codes of the note into mentions: each place with the codes it speaks for, best first."""
    by_place: dict[tuple[int, int], tuple[Place, dict[str, Candidate]]] = {}
    for row, probability, why in kept:
        for hit in row.hits:
            key = (hit.place.begin, hit.place.end)
            by_place.setdefault(key, (hit.place, {}))[1][row.code] = Candidate(row.code, round(probability, 4), why)
    result = []
    for begin, end in sorted(by_place):
        where, candidates = by_place[begin, end]
        best = sorted(candidates.values(), key=lambda c: (-c.score, c.code))[:_PER_MENTION]
        result.append(Mention(begin, end, text[begin:end], where.section, lines[where.sentence], where.assertion, replace(where.attributes), tuple(best), where.cue))
    return tuple(result)
