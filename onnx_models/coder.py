"""NoteCoder: reads a note and returns its mentions with candidate codes."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np

from onnx_models.candidates import Scene, meant, named, worded
from onnx_models.errors import ArtefactError
from onnx_models.features import CandidateRow, Hit, Place, candidate_rows
from onnx_models.language import language_of
from onnx_models.lexicon import Lexicon, Source
from onnx_models.linear import LinearModel
from onnx_models.ranker import Ranker
from onnx_models.reading import Candidate, Mention, NoteReading, Reason, Section
from onnx_models.retrieval import Concepts, VectorIndex
from onnx_models.runtime import Encoder
from onnx_models.spelling import Speller
from onnx_models.style import Style, style_of
from onnx_models.wording import Titles

PIECES = ("encoder", "lexicon", "speller")  # that can be switched off, to see what each is worth
# Candidates below this probability are not worth carrying; of a short statement a person may want to see more of what it could mean.
_KEEP, _KEEP_SHORT = 0.02, 0.002
_EXPLAIN = 0.15  # and below this nobody asks why
_PER_MENTION, _PER_STATEMENT = 6, 12
# Which places of a code are shown: strength at least this, and this near to the strongest.
_WEAKEST, _SPREAD = 0.6, 0.25
_USUAL = 0.3  # share of a name's coded uses from which it is a name of the code
_OFTEN = 0.15  # and share of its uses that were coded at all: "treated" once gave a code, a hundred times none
_FRONT = 3  # rank among the nearest concepts up to which nearness counts whole
_REINSTALL = "Reinstall the package, or build the artefacts with `marginalia train`."


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model answers: for audit, `/readyz` and the review."""

    name: str
    version: str
    sha256: str  # of the manifest, which holds the hash of every artefact
    provider: str


@dataclass(frozen=True, slots=True)
class _Analysis:
    scene: Scene
    style: Style
    rows: list[CandidateRow]
    unread: tuple[Section, ...]
    timing: tuple[tuple[str, float], ...]


class NoteCoder:
    """The engine: text in, mentions with candidate codes out. Immutable after loading and safe to share between threads."""

    def __init__(
        self,
        *,
        info: ModelInfo,
        concepts: Concepts,
        titles: Titles,
        lexicon: Lexicon,
        index: VectorIndex,
        encoder: Encoder,
        style: LinearModel,
        telling: LinearModel,
        speller: Speller | None,
        rankers: Mapping[Style, Ranker],
        typical: Sequence[float],
    ) -> None:
        self.model = info
        self.concepts = concepts
        self.titles = titles
        self.lexicon = lexicon
        self.index = index
        self.encoder = encoder
        self.style = style
        self.telling = telling
        self.speller = speller
        self._off: frozenset[str] = frozenset()
        self._rankers = rankers
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
            raise ArtefactError(f"There is no model in {folder.name}: manifest.json is missing.", _REINSTALL)
        raw = manifest_path.read_bytes()
        manifest = json.loads(raw)
        for name, entry in manifest["files"].items():
            if not (folder / name).exists() or hashlib.sha256((folder / name).read_bytes()).hexdigest() != entry["sha256"]:
                raise ArtefactError(f"{name} is missing or isn't the file that the manifest names.", _REINSTALL)
        encoder = Encoder(folder, threads=threads, wanted=provider)
        concepts = Concepts.load(folder / "concepts.tsv")
        return cls(
            info=ModelInfo(manifest["name"], manifest["version"], hashlib.sha256(raw).hexdigest(), encoder.provider),
            concepts=concepts,
            titles=Titles.load(folder / "titles.npz"),
            lexicon=Lexicon.load(folder / "lexicon.npz"),
            index=VectorIndex.load(folder / "vectors.npz", concepts),
            encoder=encoder,
            style=LinearModel.load(folder / "style.npz"),
            telling=LinearModel.load(folder / "telling.npz"),
            speller=Speller.load(folder / "words.txt"),
            rankers={kind: Ranker(folder, kind) for kind in Style},
            typical=manifest["typical"],
        )

    def without(self, pieces: Collection[str]) -> NoteCoder:
        """Return an engine of the same artefacts with some of PIECES switched off. For evaluation."""
        other = copy.copy(self)
        other._off = frozenset(pieces)
        return other

    def read(
        self,
        text: str,
        *,
        declared_sections: Sequence[tuple[str, int, int]] = (),
        deadline: float | None = None,
        style: Style | None = None,
        pause: Callable[[], object] | None = None,
    ) -> NoteReading:
        """Read one note.

        Args:
            text: plain text.
            declared_sections: (title, begin, end) of sections that the document itself declares.
            deadline: `time.monotonic()` seconds after which the encoder reads no further section; the lexicon reads all.
            style: None to tell by its words.
            pause: called between the stages and before each batch of the encoder: it may wait for more urgent work, or raise to give up.
        """
        language = language_of(text)
        if language != "en":
            return NoteReading((), (), (), language)
        analysis = self.analyse(text, declared_sections=declared_sections, deadline=deadline, style=style, pause=pause)
        if pause:
            pause()
        began = time.perf_counter()
        rows, ranker = analysis.rows, self._rankers[analysis.style]
        judged = ranker.judge(rows)
        explained = [i for i, p in enumerate(judged.probabilities) if p >= _EXPLAIN]
        reasons = dict(zip(explained, ranker.reasons(judged, explained, self._typical), strict=True))
        least = _KEEP_SHORT if analysis.scene.is_statement else _KEEP
        kept = [(row, float(p), reasons.get(i, ())) for i, (row, p) in enumerate(zip(rows, judged.probabilities, strict=True)) if p >= least]
        mentions = _mentions(analysis.scene, kept)
        timing = (*analysis.timing, ("ranking", round((time.perf_counter() - began) * 1000, 2)))
        return NoteReading(analysis.scene.parts, analysis.scene.lines, mentions, language, analysis.unread, timing)

    def analyse(
        self,
        text: str,
        *,
        declared_sections: Sequence[tuple[str, int, int]] = (),
        deadline: float | None = None,
        style: Style | None = None,
        pause: Callable[[], object] | None = None,
    ) -> _Analysis:
        """Return candidate rows with features and no probability: what training sees, by the code that serves."""
        clock = [time.perf_counter()]
        scene = Scene.of(text, declared_sections, None if "speller" in self._off else self.speller)
        clock.append(time.perf_counter())
        if pause:
            pause()
        hits = [] if "lexicon" in self._off else named(scene, self.lexicon, self.concepts)
        clock.append(time.perf_counter())
        index = None if "encoder" in self._off else self.index
        near, unread = meant(scene, hits, index, self.encoder, self.concepts, self.telling, deadline, pause)
        if pause:
            pause()
        clock.append(time.perf_counter())
        worded(scene, [*hits, *near], self.titles)
        kind = style_of([t for t, _ in scene.stream], self.style) if style is None else style
        rows = candidate_rows([*hits, *near], len(scene.stream))
        clock.append(time.perf_counter())
        stages = ("segmentation", "lexicon", "encoder", "features")
        timing = tuple((name, round((b - a) * 1000, 2)) for name, a, b in zip(stages, clock, clock[1:], strict=False))
        return _Analysis(scene, kind, rows, unread, timing)


def _telling(hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits that a person would point at: near the strongest one. A chance word beside a plain name explains nothing."""
    strength = [_strength(h) for h in hits]
    least = max(_WEAKEST, max(strength) - _SPREAD)
    return [h for h, s in zip(hits, strength, strict=True) if s >= least] or list(hits)


def _strength(hit: Hit) -> float:
    if hit.entry is not None:
        rates = [r for r in (hit.entry.us_rate, hit.entry.coded_rate) if not math.isnan(r)]
        usual = hit.entry.share >= _USUAL and max(rates, default=1.0) >= _OFTEN
        return 1.0 if usual or hit.entry.sources & ~(Source.EVIDENCE | Source.PHRASE) else 0.5
    return hit.cosine - (0.0 if hit.rank <= _FRONT else 0.15)


def _mentions(scene: Scene, kept: Sequence[tuple[CandidateRow, float, tuple[Reason, ...]]]) -> tuple[Mention, ...]:
    """Turn ranked codes of the note into mentions: each place with the codes it speaks for, best first."""
    by_place: dict[tuple[int, int], tuple[Place, dict[str, Candidate]]] = {}
    for row, probability, why in kept:
        for hit in _telling(row.hits):
            key = (hit.place.begin, hit.place.end)
            by_place.setdefault(key, (hit.place, {}))[1][row.code] = Candidate(row.code, round(probability, 4), why, hit.taught)
    result, most = [], _PER_STATEMENT if scene.is_statement else _PER_MENTION
    for begin, end in sorted(by_place):
        where, candidates = by_place[begin, end]
        best = tuple(sorted(candidates.values(), key=lambda c: (-c.score, c.code))[:most])
        line, words = scene.lines[where.sentence], scene.text[begin:end]
        result.append(Mention(begin, end, words, where.section, line, where.assertion, replace(where.attributes), best, where.cue))
    return tuple(result)
