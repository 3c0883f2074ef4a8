"""Build what the engine looks up: the table of concepts, the hashed lexicon, and the vector index."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from onnx_models.lexicon import LONGEST, Source
from onnx_models.normalise import NORMAL_FORM, stem_hash, term_hash, tokens
from onnx_models.retrieval import SIDES, Concept, Concepts
from onnx_models.runtime import Vectors
from onnx_models.spelling import Speller
from onnx_models.training.terms import TabularList, Term

_SIDE_WORD = re.compile(r"\b(right|left|bilateral|unspecified)\b", re.I)
# Names that are ordinary words in a note; the encoder still finds what they mean in context.
_SLIPS = 2  # times that a misspelt word may stand in uncoded text
_TOO_COMMON = 0.35  # share of background documents that hold the name


def build_concepts(tabular: TabularList, uses: Mapping[str, int], us_uses: Mapping[str, int], taught: Collection[str] = ()) -> Concepts:
    """Group codes whose titles differ only in side.

    Args:
        tabular: the classification.
        uses: how many training cases were given each code.
        us_uses: how often US professional coders used each code.
        taught: codes that phrases taught the encoder.
    """

    def prior(codes: Iterable[str], counts: Mapping[str, int]) -> float:
        return round(math.log1p(sum(counts.get(c, 0) for c in {*codes} - {""})), 3)

    known = {*taught} - {""}
    groups: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for code, title in sorted(tabular.title.items()):
        sides = {w.lower() for w in _SIDE_WORD.findall(title)} - {"unspecified"}
        side = sides.pop() if len(sides) == 1 else "none"
        parent = code[:-1].rstrip(".") if side != "none" or "unspecified" in title.lower() else code
        # Word for word but for the side: "Other pneumonia, unspecified organism" isn't "Pneumonia, unspecified organism".
        words = " ".join(re.findall(r"[a-z0-9]+", _SIDE_WORD.sub(" ", title).lower()))
        members = groups[(parent, words)]
        # "Osteoarthritis of knee" and its leaf "Osteoarthritis of knee, unspecified" are one thing: the leaf is billable.
        if side not in members or code.startswith(members[side]):
            members[side] = code
    rows: list[Concept] = []
    for (parent, _), members in groups.items():
        neutral = members.get("none") or (parent if parent in tabular.title else next(iter(members.values())))
        right, left, both = (members.get(s, "") for s in SIDES[1:])
        codes = (neutral, right, left, both)
        rows.append(Concept(codes, prior(codes, uses), prior(codes, us_uses), not known.isdisjoint(codes)))
    # A parent that only stands for its sides is a concept of its own already; two that share it but differ in their sides
    # ("right upper eyelid", "right lower eyelid") stay two.
    seen: set[str] = set()
    unique = []
    for concept in sorted(rows, key=lambda c: (-sum(map(bool, c.codes)), c.codes)):
        fresh = set(concept.codes) - seen - {""}
        if fresh:
            seen |= set(concept.codes)
            unique.append(concept)
    return Concepts(tuple(unique))


def concept_of(code: str, concepts: Concepts, tabular: TabularList) -> int | None:
    """Return the concept (row) that stands for `code`; a heading is its unspecified leaf."""
    return concepts.row(tabular.default_leaf(code) if code in tabular.title else tabular.stem(code))


def build_titles(concepts: Concepts, tabular: TabularList) -> dict[str, np.ndarray]:
    """Return the arrays of `wording.Titles`: stems of each concept's title, weighted by how few titles hold them."""
    titles = [sorted({stem_hash(t.stem) for t in tokens(tabular.title[concepts[i].codes[0]])}) for i in range(len(concepts))]
    uses = Counter(h for title in titles for h in title)
    vocabulary = [h for h, _ in uses.most_common()]  # the commonest first: its weight stands for a word that no title knows
    number = {h: i for i, h in enumerate(vocabulary)}
    weight = [math.log(len(titles) / uses[h]) for h in vocabulary]
    return {
        "vocabulary": np.array(vocabulary, np.uint64),
        "weight": np.array(weight, np.float32),
        "first": np.cumsum([0, *map(len, titles)]).astype(np.int32),
        "stems": np.array([number[h] for title in titles for h in title], np.int32),
    }


def save_concepts(concepts: Concepts, path: Path) -> None:
    """Write the artefact that `Concepts.load` reads."""
    lines = ("\t".join((*concepts[i].codes, f"{concepts[i].prior:g}", f"{concepts[i].us_prior:g}", str(int(concepts[i].taught)))) for i in range(len(concepts)))
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def build_words(texts: Iterable[str], terms: Iterable[Term]) -> list[str]:
    """Return the known words, the commonest first: of names of codes, and those that uncoded text uses more than twice."""
    said: Counter[str] = Counter()
    for text in texts:
        said.update(re.findall(r"[a-z]{3,}", text.lower()))
    named = {w for t in terms if t.text.isascii() for w in re.findall(r"[a-z]{3,}", t.text.lower())}
    known = {w: n for w, n in said.items() if n > _SLIPS} | {w: said[w] for w in named}
    return sorted(known, key=lambda w: (-known[w], w))


def document_windows(text: str, speller: Speller | None = None) -> set[int]:
    """Return the hashes of all windows of up to `LONGEST` stems of a document, sentence ends ignored."""
    hashes = np.array([stem_hash(t.stem) for t in tokens(text, speller)], np.uint64)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(hashes, dtype=np.uint64)])
    return {int(h) for w in range(1, min(LONGEST, len(hashes)) + 1) for h in sums[w:] - sums[:-w]}


@dataclass(frozen=True, slots=True)
class Coded:
    """A coded training document, as the lexicon sees it."""

    windows: set[int]  # document_windows of its text
    evidence: tuple[Term, ...]
    is_note: bool  # a US note rather than a published case


def build_lexicon(
    terms: Iterable[Term],
    concepts: Concepts,
    tabular: TabularList,
    coded: Sequence[Coded],
    background: Sequence[set[int]],
    speller: Speller | None = None,
) -> dict[str, np.ndarray]:
    """Return the arrays of the lexicon.

    Args:
        terms: names of codes; those of source "evidence" are taken from `coded` instead.
        coded: coded training cases and notes: give `share`, `coded_rate` and `us_rate`.
        background: windows of uncoded documents (`document_windows`): gives `frequency`.
        speller: puts right the names that clinicians wrote.
    """
    entries: dict[int, dict[int, Source]] = defaultdict(lambda: defaultdict(lambda: Source(0)))
    for term in terms:
        row = concept_of(term.code, concepts, tabular)
        key, count = term_hash(term.text, speller)
        if row is not None and 0 < count <= LONGEST and _names(term.text):
            entries[key][row] |= Source[term.source.upper()]
    uses: dict[int, Counter[int]] = defaultdict(Counter)
    by_kind: tuple[dict[int, Counter[int]], ...] = (defaultdict(Counter), defaultdict(Counter))
    for document in coded:
        for key, row in {(term_hash(t.text, speller)[0], concepts.row(tabular.stem(t.code))) for t in document.evidence if _names(t.text)}:
            if row is not None:
                uses[key][row] += 1
                by_kind[document.is_note][key][row] += 1
                entries[key][row] |= Source.EVIDENCE
    seen: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
    for document in coded:
        seen[document.is_note].update(document.windows & entries.keys())

    def rate(kind: int, key: int, row: int) -> float:
        return (by_kind[kind][key][row] + 0.2) / (seen[kind][key] + 1.0) if seen[kind][key] else math.nan

    common: Counter[int] = Counter()
    for windows in background:
        common.update(windows & entries.keys())
    keys = np.array(sorted(k for k in entries if common[k] <= _TOO_COMMON * max(1, len(background)) or uses.get(k)), np.uint64)
    first, concept, sources, share = [0], [], [], []
    rates: tuple[list[float], list[float]] = ([], [])
    for key in (int(k) for k in keys):
        total = sum(uses[key].values()) if key in uses else 0
        for row, flags in entries[key].items():
            concept.append(row)
            sources.append(int(flags))
            share.append(uses[key][row] / total if total else 0.0)
            for kind in (0, 1):
                rates[kind].append(rate(kind, key, row))
        first.append(len(concept))
    scale = 1000 / max(1, len(background))
    return {
        "normal_form": np.array([NORMAL_FORM]),
        "keys": keys,
        "first": np.array(first, np.int32),
        "concept": np.array(concept, np.int32),
        "sources": np.array(sources, np.uint16),
        "share": np.array(share, np.float16),
        "coded_rate": np.array(rates[0], np.float16),
        "us_rate": np.array(rates[1], np.float16),
        "frequency": np.array([math.log10(1 + common[int(k)] * scale) for k in keys], np.float16),
    }


def _names(text: str) -> bool:
    """Tell whether a name holds a word: of "type 2" the normal form keeps the number only, and numbers name nothing."""
    return any(len(t.stem) > 1 and t.stem.isalpha() for t in tokens(text))


def build_vectors(concepts: Concepts, prototypes: Vectors, *, dimensions: int = 128) -> dict[str, np.ndarray]:
    """Return the arrays of the vector index: the prototype of each concept that notes of care may name.

    Args:
        concepts: the table of concepts.
        prototypes: (concepts, d).
        dimensions: of the index.
    """
    rows = [row for row in range(len(concepts)) if concepts[row].codes[0][0] not in "VY"]
    vectors = prototypes[rows]
    # Principal axes of the vectors themselves: a third of the size, the telling ones first.
    _, _, axes = np.linalg.svd(vectors[:: max(1, len(vectors) // 20_000)], full_matrices=False)
    projection = axes[:dimensions].T.astype(np.float32)
    low = vectors @ projection
    low /= np.linalg.norm(low, axis=1, keepdims=True)
    scale = 127 / np.abs(low).max(axis=1, keepdims=True)
    return {
        "projection": projection.astype(np.float16),
        "rows": np.round(low * scale).astype(np.int8),
        "concept": np.array(rows, np.int32),
    }
