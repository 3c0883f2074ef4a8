"""Extension: codes of later releases become candidates by description, without training.

A release that comes after the artefacts adds codes and names. `extended` gives a coder that knows them too: each new code is a concept of its own, or the
side of one; its names enter the lexicon by the normal form, and the search by the encoder's vectors. Everything is made in memory from what the coder holds
already; the artefacts and the ranker stay as they are. The coder knows no dates: which codes are in force, its caller decides.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from statistics import median_low

import numpy as np

from onnx_models.coder import NoteCoder
from onnx_models.lexicon import LONGEST, Entry, Lexicon, Match, Source
from onnx_models.normalise import Token, stem_hash, term_hash, tokens
from onnx_models.retrieval import SIDES, Concept, Concepts, VectorIndex
from onnx_models.runtime import Vectors
from onnx_models.wording import Overlap, Titles

_SIDE = re.compile(r"\b(right|left|bilateral)\b", re.I)
_NO_SIDE = re.compile(r"\bunspecified\b", re.I)
Additions = Sequence[tuple[str, Sequence[str]]]


def extended(coder: NoteCoder, additions: Additions) -> NoteCoder:
    """Return a coder that also knows additional codes and names.

    Args:
        coder: the coder to start from; it stays as it is. One that is extended already is left by its extension first.
        additions: (code, names) with the title first; a known code gets further names, a new one becomes a candidate.
    """
    added = [(code, tuple(dict.fromkeys(n.strip() for n in names if n.strip()))) for code, names in additions]
    added = [(code, names) for code, names in added if names]
    coder = coder.__dict__.get("origin", coder)
    if not added:
        return coder
    concepts, titles = _concepts(coder.concepts, added)
    named = [(_row(concepts, code), name) for code, names in added for name in names]
    digest = hashlib.sha256(json.dumps(added).encode()).hexdigest()[:12]
    # `copy` keeps whatever else the coder holds: only what knows codes is put in its place.
    result = object.__new__(type(coder))
    result.__dict__.update(coder.__dict__)
    result.__dict__["origin"] = coder
    result.model = replace(coder.model, version=f"{coder.model.version}+{digest}")
    result.concepts = concepts
    result.titles = ExtendedTitles(coder.titles, len(coder.concepts), titles)
    result.lexicon = ExtendedLexicon(coder.lexicon, named, {_row(concepts, code): names[0] for code, names in added})
    result.index = ExtendedIndex(coder.index, [row for row, _ in named], coder.index.project(coder.encoder.encode([n for _, n in named])))
    return result


def _row(concepts: Concepts, code: str) -> int:
    row = concepts.row(code)
    if row is None:
        raise KeyError(code)
    return row


def _concepts(base: Concepts, added: Additions) -> tuple[Concepts, list[str]]:
    """Return the table with a concept for each new code, codes that differ only in side together, and the titles of the new concepts."""
    groups: dict[tuple[str, int], dict[str, tuple[str, str]]] = defaultdict(dict)
    for code, names in added:
        if base.row(code) is None:
            side = _SIDE.search(names[0])
            bare = _NO_SIDE.sub(" ", _SIDE.sub(" ", names[0]))
            key = (code[:-1], term_hash(bare)[0]) if len(code) > 3 else (code, 0)
            groups[key].setdefault(side[1].lower() if side else "none", (code, names[0]))
    alone = [(code, names[0]) for code, names in added if base.row(code) is None]
    rows = [base[i] for i in range(len(base))]
    titles: list[str] = []
    priors = _Priors(rows)
    placed: set[str] = set()
    for sides in groups.values():
        codes = tuple(sides.get(s, ("", ""))[0] for s in SIDES)
        if any(codes[1:]):
            first = codes[0] or next(filter(None, codes))
            rows.append(Concept((first, codes[1], codes[2], codes[3]), *priors.near(first)))
            titles.append(_SIDE.sub(" ", next(iter(sides.values()))[1]))
            placed.update(filter(None, codes))
    for code, title in alone:
        if code not in placed:
            rows.append(Concept((code, "", "", ""), *priors.near(code)))
            titles.append(title)
    return Concepts(tuple(rows)), titles


class _Priors:
    """How often codes like a new one are used: the median of the nearest heading that has codes."""

    def __init__(self, rows: Iterable[Concept]) -> None:
        self._of: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for concept in rows:
            code = concept.codes[0]
            for length in range(3, len(code) + 1):
                self._of[code[:length]].append((concept.prior, concept.us_prior))

    def near(self, code: str) -> tuple[float, float]:
        """Return prior and US prior for a new code."""
        for length in range(len(code) - 1, 2, -1):
            if found := self._of.get(code[:length]):
                return median_low(p for p, _ in found), median_low(u for _, u in found)
        return 0.0, 0.0


class ExtendedLexicon(Lexicon):
    """A lexicon with further names. A name that both know means the codes of both."""

    def __init__(self, base: Lexicon, named: Iterable[tuple[int, str]], titles: dict[int, str]) -> None:
        self._base = base
        self._added: dict[int, dict[int, Source]] = defaultdict(dict)
        for row, name in named:
            key, stems = term_hash(name)
            if 0 < stems <= LONGEST:
                source = Source.TITLE if titles.get(row) == name else Source.INCLUSION
                self._added[key][row] = self._added[key].get(row, Source(0)) | source

    def __len__(self) -> int:
        return len(self._base) + len(self._added)

    def entries(self, row: int) -> tuple[Entry, ...]:
        """Return the codes of the name in `row`: of the base first, then of the further names in order."""
        if row < len(self._base):
            return self._base.entries(row)
        return self._new(list(self._added)[row - len(self._base)])

    def find(self, stream: Sequence[tuple[Token, int]]) -> list[Match]:
        """Return every name in a stream of (token, index of its sentence); a name never crosses a sentence."""
        by_place = {(m.begin, m.end, m.stems): m for m in self._base.find(stream)}
        for match in self._found(stream):
            key = (match.begin, match.end, match.stems)
            known = by_place.get(key)
            if known is not None:
                rows = {e.concept for e in known.entries}
                match = replace(known, entries=(*known.entries, *(e for e in match.entries if e.concept not in rows)))
            by_place[key] = match
        return list(by_place.values())

    def _found(self, stream: Sequence[tuple[Token, int]]) -> Iterator[Match]:
        hashes = [stem_hash(t.stem) for t, _ in stream]
        for first in range(len(stream)):
            total = 0
            for last in range(first, min(first + LONGEST, len(stream))):
                if stream[last][1] != stream[first][1]:
                    break
                total = (total + hashes[last]) & 0xFFFF_FFFF_FFFF_FFFF
                if total in self._added:
                    yield Match(stream[first][0].begin, stream[last][0].end, last - first + 1, stream[first][1], 0.0, self._new(total))

    def _new(self, key: int) -> tuple[Entry, ...]:
        return tuple(Entry(row, source, 0.0, float("nan"), float("nan")) for row, source in self._added[key].items())


class ExtendedIndex(VectorIndex):
    """An index with further names."""

    def __init__(self, base: VectorIndex, rows: Sequence[int], vectors: Vectors) -> None:
        self._base = base
        self._added = np.asarray(rows, np.int64)
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self._base) + len(self._added)

    def project(self, vectors: Vectors) -> Vectors:
        """Return unit vectors in the space of the index: (n, d) -> (n, k)."""
        return self._base.project(vectors)

    def nearest(self, queries: Vectors, k: int, *, taught: bool) -> list[list[tuple[int, float]]]:
        """Return for each projected query the `k` nearest concepts of one shelf as (row of the concept, cosine), best first."""
        if taught:
            return self._base.nearest(queries, k, taught=True)
        scores = queries @ self._vectors.T
        wide = min(len(self._added), 2 * k)  # names to look at, since several may name one concept
        nearest = np.argpartition(-scores, wide - 1, axis=1)[:, :wide]
        result = []
        for found, own, columns in zip(self._base.nearest(queries, k, taught=False), scores, nearest, strict=True):
            best = dict(found)
            for at in map(int, columns):
                row = int(self._added[at])
                best[row] = max(best.get(row, -1.0), float(own[at]))
            result.append(sorted(best.items(), key=lambda item: (-item[1], item[0]))[:k])
        return result


class ExtendedTitles(Titles):
    """Titles with those of new concepts. A stem that only they hold has a number below -1, which the base takes for unknown."""

    def __init__(self, base: Titles, count: int, titles: Sequence[str]) -> None:
        self._base = base
        self._count = count
        self._new: dict[int, int] = {}  # hash -> number
        self._rows: list[tuple[int, ...]] = []
        self._known_weight = base._weight
        self._rarest = max(self._known_weight)  # what no earlier title holds is as rare as anything
        for title in titles:
            stems = []
            for token, number in ((t, base.words([t])[0]) for t in tokens(title)):
                stems.append(number if number >= 0 else self._new.setdefault(stem_hash(token.stem), -2 - len(self._new)))
            self._rows.append(tuple(dict.fromkeys(stems)))

    def words(self, tokens: Iterable[Token]) -> list[int]:
        """Return the numbers of the stems of tokens; -1 for a stem that no title holds."""
        listed = list(tokens)
        return [n if n >= 0 else self._new.get(stem_hash(t.stem), -1) for t, n in zip(listed, self._base.words(listed), strict=True)]

    def overlap(self, concept: int, span: Sequence[int], sentence: set[int], note: set[int]) -> Overlap:
        """Compare the title of `concept` (row) with the stems of a span, of its sentence and of the note."""
        if concept < self._count:
            return self._base.overlap(concept, span, sentence, note)
        title = self._rows[concept - self._count]
        total = sum(map(self._weight_of, title)) or 1.0
        inside = set(span)
        known = sum(map(self._weight_of, inside - {-1})) + sum(s == -1 for s in span) * self._known_weight[0]
        shared = sum(self._weight_of(s) for s in title if s in inside)
        return Overlap(
            shared / total,
            sum(self._weight_of(s) for s in title if s in sentence) / total,
            sum(self._weight_of(s) for s in title if s in note) / total,
            shared / known if known else 0.0,
        )

    def _weight_of(self, number: int) -> float:
        return self._known_weight[number] if number >= 0 else self._rarest
