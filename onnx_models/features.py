"""From found names and nearest concepts to one feature row for each candidate code of a note.

The ranker judges a code for the note as a whole: how it was named, how often, where, and how it was asserted. Every row also
keeps the places that gave it, so that an accepted code can show them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from onnx_models.lexicon import Entry, Source
from onnx_models.reading import Assertion, Attributes, Certainty, Experiencer, Polarity, Temporality
from onnx_models.wording import Overlap

_SOURCES = (
    Source.TITLE, Source.INCLUSION, Source.INDEX, Source.ONTOLOGY, Source.PROPAGATED, Source.ABBREVIATION, Source.EVIDENCE, Source.PHRASE, Source.NEOPLASM,
)  # fmt: skip
_SECTIONS = {
    "assess": ("assessment_plan",),
    "diagnosis": ("diagnosis", "impression"),
    "plan": ("plan", "instructions"),
    "complaint": ("chief_complaint",),
    "story": ("hpi", "hospital_course", "preamble"),
    "past": ("past_medical", "problem_list", "past_surgical", "obstetric"),
    "review": ("ros",),
    "exam": ("exam", "vitals"),
    "tests": ("labs", "imaging", "findings"),
    "before": ("admission_diagnosis", "preop_diagnosis", "indication"),
}
_WHOLE = 0.9  # coverage from which a place is its sentence
_GROUP_OF = {kind: group for group, kinds in _SECTIONS.items() for kind in kinds}

NAMES: tuple[str, ...] = (
    "lex_stems", "lex_share", "lex_coded_rate", "lex_us_rate", "lex_frequency", "lex_ambiguity", "lex_count", "lex_open_count", "lex_letters",
    *(f"lex_{str(s.name).lower()}" for s in _SOURCES),
    "dense_best", "dense_rank", "dense_margin", "dense_share", "dense_lead", "dense_count",
    "dense_whole", "dense_whole_rank", "dense_whole_margin", "dense_whole_share", "dense_whole_lead", "dense_taught",
    "n_asserted", "n_negated", "n_possible", "n_historical", "n_family", "n_hypothetical", "asserted_share", "first_asserted",
    *(f"sec_{g}" for g in _SECTIONS), "sec_other", "n_sections", "position_first", "position_last",
    "heading", "planned", "coverage", "story_and_assess", "chance", "chances",
    "title_in_span", "title_in_sentence", "title_in_note", "span_in_title", "all_in_title",
    "prior", "us_prior", "chapter", "is_symptom", "is_status", "code_length",
    "finer_rival", "category_rivals", "category_best", "side_given", "sided", "held_by", "disease_nearby",
    "note_tokens", "note_candidates",
)  # fmt: skip
_AT = {name: i for i, name in enumerate(NAMES)}

# What a candidate looks like beside the others, once each has a first probability.
RIVAL_NAMES: tuple[str, ...] = ("first", "place_in_note", "below_best", "rival_here", "wider_rival_here", "rival_in_sentence", "rival_in_category", "mass")

# What a coder would call the groups of features; rationale speaks in these.
GROUPS: dict[str, tuple[str, ...]] = {
    "dictionary": tuple(n for n in NAMES if n.startswith("lex_")),
    "embedding": tuple(n for n in NAMES if n.startswith("dense_")),
    "assertion": ("n_asserted", "n_negated", "n_possible", "n_historical", "n_family", "n_hypothetical", "asserted_share", "first_asserted"),
    "section": (
        *(n for n in NAMES if n.startswith("sec_")), "n_sections", "position_first", "position_last", "heading", "planned", "coverage", "story_and_assess",
        "chance", "chances",
    ),
    "wording": ("title_in_span", "title_in_sentence", "title_in_note", "span_in_title", "all_in_title"),
    "experience": ("prior", "us_prior", "chapter", "is_symptom", "is_status", "code_length"),
    "rivals": ("finer_rival", "category_rivals", "category_best", "side_given", "sided", "held_by", "disease_nearby"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A span of the note that may name a condition."""

    begin: int
    end: int
    sentence: int
    section: str
    assertion: Assertion
    attributes: Attributes
    cue: str | None
    heading: bool = False  # names the problem at the head of an item of the assessment
    planned: bool = False  # an order, a drug or a plan stands right behind it
    coverage: float = 0.0  # part of its sentence's letters that it covers


_NONE = Overlap(0.0, 0.0, 0.0, 0.0)


@dataclass(slots=True)
class Hit:
    """One reason to think of a code at a place: a name of the lexicon, or nearness in the encoder's space."""

    place: Place
    concept: int
    code: str
    sided: bool
    taught: bool  # its concept, by phrases
    prior: float
    us_prior: float
    entry: Entry | None = None  # lexicon
    stems: int = 0
    rivals: int = 0  # codes that this name may mean
    frequency: float = 0.0
    covered: bool = False  # inside a longer name
    cosine: float = 0.0  # encoder
    rank: int = 0  # 1 is nearest; 0 where the hit is the lexicon's
    margin: float = 0.0  # cosine less the best cosine of the same phrase and shelf
    share: float = 0.0  # of the softmax over the nearest concepts of its shelf
    lead: float = 0.0  # cosine less the best cosine of the other shelf
    overlap: Overlap = _NONE
    chance: float = 0.0  # that its phrase names something to code


@dataclass(slots=True)
class CandidateRow:
    """A candidate code of the note with its hits and features."""

    code: str
    hits: list[Hit] = field(default_factory=list)
    features: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(len(NAMES), np.float32))

    @property
    def places(self) -> frozenset[tuple[int, int, int]]:
        """Return the (begin, end, sentence) of the hits."""
        return frozenset((h.place.begin, h.place.end, h.place.sentence) for h in self.hits)


def candidate_rows(hits: Sequence[Hit], length: int) -> list[CandidateRow]:
    """Return a row for each code among `hits`, in order of code.

    Args:
        hits: all hits of the note.
        length: tokens of the note.
    """
    by_code: dict[str, CandidateRow] = {}
    for hit in hits:
        by_code.setdefault(hit.code, CandidateRow(hit.code)).hits.append(hit)
    category: dict[str, list[CandidateRow]] = defaultdict(list)
    for row in by_code.values():
        category[row.code[:3]].append(row)
    last = max((h.place.end for h in hits), default=1)
    for row in by_code.values():
        _fill(row, last)
        row.features[_AT["note_tokens"]] = math.log1p(length)
        row.features[_AT["note_candidates"]] = math.log1p(len(by_code))
    _relate(list(by_code.values()))
    for rows in category.values():
        strength = [r.features[_AT["lex_stems"]] + r.features[_AT["dense_best"]] for r in rows]
        for row, own in zip(rows, strength, strict=True):
            row.features[_AT["category_rivals"]] = len(rows) - 1
            row.features[_AT["category_best"]] = float(own >= max(strength))
            row.features[_AT["finer_rival"]] = float(any(s > own and len(r.code) >= len(row.code) for r, s in zip(rows, strength, strict=True)))
    return [by_code[c] for c in sorted(by_code)]


def rival_features(codes: Sequence[str], places: Sequence[frozenset[tuple[int, int, int]]], first: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return how each candidate stands beside the others: (n, len(RIVAL_NAMES)).

    Args:
        codes: the candidates.
        places: for each, the (begin, end, sentence) of its hits.
        first: for each, its probability by the first trees, (n,).
    """
    n = len(codes)
    odds = np.log(np.clip(first, 1e-5, 1 - 1e-5) / np.clip(1 - first, 1e-5, 1))
    table = np.zeros((n, len(RIVAL_NAMES)), np.float32)
    if not n:
        return table
    order = np.argsort(-first, kind="stable")
    table[order, 1] = np.log1p(np.arange(n))
    table[:, 0], table[:, 2], table[:, 7] = odds, odds - odds.max(), np.log1p(first.sum())
    by_sentence: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for row, own in enumerate(places):
        for begin, end, sentence in own:
            by_sentence[sentence].append((begin, end, row))
    here, wider, around = (np.zeros(n, np.float32) for _ in range(3))
    for hits in by_sentence.values():
        for begin, end, row in hits:
            for other_begin, other_end, other in hits:
                if other == row:
                    continue
                p = first[other]
                around[row] = max(around[row], p)
                if other_begin < end and begin < other_end:
                    here[row] = max(here[row], p)
                    if other_end - other_begin > end - begin:
                        wider[row] = max(wider[row], p)
    best: dict[str, list[float]] = defaultdict(list)
    for code, p in zip(codes, first, strict=True):
        best[code[:3]].append(float(p))
    top = {category: sorted(values, reverse=True)[:2] for category, values in best.items()}
    for row, code in enumerate(codes):
        pair = top[code[:3]]
        table[row, 6] = pair[0] if pair[0] != float(first[row]) else (pair[1] if len(pair) > 1 else 0.0)
    table[:, 3], table[:, 4], table[:, 5] = here, wider, around
    return table


def _relate(rows: Sequence[CandidateRow]) -> None:
    """Fill the features that compare a candidate with what stands around it."""
    diseases: set[int] = set()  # sentences that assert a disease by a known name
    widest: dict[int, int] = {}  # sentence -> stems of the longest name in it
    for row in rows:
        for hit in row.hits:
            if hit.entry is not None and hit.place.assertion.is_asserted and not hit.covered:
                widest[hit.place.sentence] = max(widest.get(hit.place.sentence, 0), hit.stems)
                if row.code[0] not in "RZVWXY":
                    diseases.add(hit.place.sentence)
    for row in rows:
        own = {h.place.sentence for h in row.hits}
        stems = max((h.stems for h in row.hits), default=0)
        row.features[_AT["held_by"]] = max((widest.get(s, 0) for s in own), default=0) - stems
        row.features[_AT["disease_nearby"]] = len(own & diseases) / len(own)


def _fill(row: CandidateRow, last: int) -> None:
    f = row.features

    def put(name: str, value: float) -> None:
        f[_AT[name]] = value

    names = [h for h in row.hits if h.entry is not None]
    near = [h for h in row.hits if h.entry is None]
    if names:
        entries = [h.entry for h in names if h.entry is not None]
        rates = [e.coded_rate for e in entries if not math.isnan(e.coded_rate)]
        us_rates = [e.us_rate for e in entries if not math.isnan(e.us_rate)]
        put("lex_stems", max(h.stems for h in names))
        put("lex_share", max(e.share for e in entries))
        put("lex_coded_rate", max(rates, default=-1.0))
        put("lex_us_rate", max(us_rates, default=-1.0))
        put("lex_frequency", min(h.frequency for h in names))
        put("lex_ambiguity", min(h.rivals for h in names))
        put("lex_count", len({h.place.begin for h in names}))
        put("lex_open_count", len({h.place.begin for h in names if not h.covered}))
        put("lex_letters", max(h.place.end - h.place.begin for h in names))
        flags = Source(0)
        for e in entries:
            flags |= e.sources
        for source in _SOURCES:
            put(f"lex_{str(source.name).lower()}", float(source in flags))
    else:
        put("lex_coded_rate", -2.0)
        put("lex_us_rate", -2.0)
        put("lex_ambiguity", 9.0)
    put("dense_best", max((h.cosine for h in near), default=0.0))
    put("dense_rank", min((h.rank for h in near), default=9))
    put("dense_margin", max((h.margin for h in near), default=-1.0))
    put("dense_share", max((h.share for h in near), default=0.0))
    put("dense_lead", max((h.lead for h in near), default=-1.0))
    put("dense_count", len(near))
    put("dense_taught", float(any(h.taught for h in row.hits)))
    whole = [h for h in near if h.place.coverage >= _WHOLE]
    put("dense_whole", max((h.cosine for h in whole), default=0.0))
    put("dense_whole_rank", min((h.rank for h in whole), default=15))
    put("dense_whole_margin", max((h.margin for h in whole), default=-1.0))
    put("dense_whole_share", max((h.share for h in whole), default=0.0))
    put("dense_whole_lead", max((h.lead for h in whole), default=-1.0))
    places = {(h.place.begin, h.place.end): h.place for h in row.hits}
    ordered = [places[k] for k in sorted(places)]
    asserted = [p for p in ordered if p.assertion.is_asserted]
    put("n_asserted", len(asserted))
    put("n_negated", sum(p.assertion.polarity is Polarity.NEGATED for p in ordered))
    put("n_possible", sum(p.assertion.certainty is Certainty.POSSIBLE for p in ordered))
    put("n_historical", sum(p.assertion.temporality is Temporality.HISTORICAL for p in ordered))
    put("n_family", sum(p.assertion.experiencer is not Experiencer.PATIENT for p in ordered))
    put("n_hypothetical", sum(p.assertion.certainty is Certainty.HYPOTHETICAL for p in ordered))
    put("asserted_share", len(asserted) / len(ordered))
    put("first_asserted", float(ordered[0].assertion.is_asserted))
    for place in asserted or ordered:
        put(f"sec_{_GROUP_OF.get(place.section, 'other')}", f[_AT[f"sec_{_GROUP_OF.get(place.section, 'other')}"]] + 1)
    put("n_sections", len({p.section for p in ordered}))
    put("position_first", ordered[0].begin / last)
    put("position_last", ordered[-1].begin / last)
    put("heading", sum(p.heading for p in asserted))
    put("planned", sum(p.planned for p in asserted))
    put("coverage", max((p.coverage for p in asserted), default=0.0))
    overlaps = [h.overlap for h in row.hits if h.place.assertion.is_asserted] or [h.overlap for h in row.hits]
    put("title_in_span", max(o.title_in_span for o in overlaps))
    put("title_in_sentence", max(o.title_in_sentence for o in overlaps))
    put("title_in_note", max(o.title_in_note for o in overlaps))
    put("span_in_title", max(o.span_in_title for o in overlaps))
    put("all_in_title", max(o.span_in_title * o.title_in_span for o in overlaps))
    chance = {h.place.sentence: h.chance for h in sorted(row.hits, key=lambda h: h.chance) if h.place.assertion.is_asserted}
    put("chance", max(chance.values(), default=0.0))
    put("chances", sum(chance.values()))
    groups = {_GROUP_OF.get(p.section) for p in asserted}
    put("story_and_assess", float("story" in groups or "complaint" in groups) + 2 * float("assess" in groups or "diagnosis" in groups))
    put("prior", max(h.prior for h in row.hits))
    put("us_prior", max(h.us_prior for h in row.hits))
    put("chapter", (ord(row.code[0]) - 65) * 36 + int(row.code[1], 36))
    put("is_symptom", float(row.code[0] == "R"))
    put("is_status", float(row.code[0] == "Z"))
    put("code_length", len(row.code))
    put("side_given", float(any(p.attributes.laterality for p in ordered)))
    put("sided", float(any(h.sided for h in row.hits)))
