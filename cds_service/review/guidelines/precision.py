"""Precision: what the words of a diagnosis, or the rest of the record, say more exactly than the code that was proposed.

Guidelines I.B.2 (level of detail), I.B.8 (acute), I.B.13 (laterality, also from the documentation of others), I.B.18.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from cds_service.review.case import Case
from cds_service.review.codeset import CodeSet
from cds_service.review.guidelines.support import GUIDELINES
from cds_service.review.model import Evidence
from cds_service.review.rules import Change, Exchange, Phase, rule
from cds_service.review.sheet import Line, Sheet
from cds_service.review.specificity import below, side_of, sides

_SITES = ("knee", "hip", "shoulder", "elbow", "wrist", "ankle", "foot", "hand", "thigh", "forearm", "breast", "kidney", "ureter", "femur", "tibia", "fibula",
          "humerus", "radius", "ulna", "clavicle", "eye", "ear", "testis", "ovary", "heel", "calf", "groin", "carpal")  # fmt: skip
_ELSEWHERE = ("family", "past_surgical", "allergies", "social")  # where a side says nothing of what is treated now
_SIDE = re.compile(r"\b(?:(?P<left>left|lt)|(?P<right>right|rt)|(?P<both>both|bilateral))\b", re.I)
_NEAR = 40  # characters beside a mention that belong to it, up to the next comma
_VAGUE = frozenset({"unspecified", "of", "the", "and", "or", "with", "without", "in", "to", "part", "side", "site", "type", "other", "for"})
_OPPOSITE = (  # what a word says, what the title then must not say, and how the title says it
    (re.compile(r"\bextra-?\s?articular\b"), "intraarticular", "extraarticular"),
    (re.compile(r"\bintra-?\s?articular\b"), "extraarticular", "intraarticular"),
    (re.compile(r"\b(?:non-?displaced|undisplaced|minimally displaced)\b"), "displaced", "nondisplaced"),
    (re.compile(r"(?<!non)(?<!non-)(?<!un)(?<!minimally )\bdisplaced\b"), "nondisplaced", "displaced"),
)


@rule(
    "guideline.I.B.13.record",
    "Side named elsewhere in the record",
    f"{GUIDELINES}, I.B.13: the side may be taken from the record",
    Phase.STATUS,
)
def side_of_the_record(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Where a diagnosis names no side, and the notes speak of one side of that site only, it is that side."""
    for line in sheet:
        title = case.codes.title(line.code).lower()
        site = next((s for s in _SITES if s in title), None) if side_of(title) == "unspecified" else None
        family = sides(case.codes, line.code) if site else {}
        if not family:
            continue
        said = [e for e in case.said(f"side_{site}") if e.section not in _ELSEWHERE]
        named = {side for e in said if (side := _named(e))}
        if len(named) == 1 and (code := _with_side(family, named.pop(), line.code, case.codes)):
            yield Exchange(line.code, code, "The record names one side of this site only.", evidence=tuple(said[:1]))


def _named(words: Evidence) -> str | None:
    found = _SIDE.search(words.text)
    return None if found is None else "bilateral" if found["both"] else "left" if found["left"] else "right"


def _with_side(family: dict[str, str], side: str, code: str, codes: CodeSet) -> str | None:
    stem = family.get(side)
    whole = stem + code[len(codes.stem(code)) :] if stem else None
    return whole if whole and codes.is_billable(whole) else None


@rule(
    "guideline.I.B.2.words",
    "The sibling that the words name",
    f"{GUIDELINES}, I.B.2 and I.B.18",
    Phase.STATUS,
)
def named_sibling(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An unspecified code gives way to its sibling where the words of the diagnosis hold everything that the sibling's title adds."""
    for line in sheet:
        if "unspecified" in case.codes.title(line.code).lower():
            stem = case.codes.stem(line.code)
            added = _added(case.codes, stem)
            words = _words(line, case) if added else frozenset()
            fitting = sorted(((len(more), code) for code, more in added if more <= words), reverse=True)
            if fitting and (len(fitting) == 1 or fitting[0][0] > fitting[1][0]):
                code = fitting[0][1] + line.code[len(stem) :]
                if case.codes.is_billable(code):
                    yield Exchange(line.code, code, "The words of the diagnosis name it.")


@lru_cache(maxsize=8192)
def _added(codes: CodeSet, stem: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return the siblings of a code that say more than it, each with the words that its title adds."""
    parent = codes.entries[stem].parent if stem in codes.entries else None
    if not parent:
        return ()
    own = _content(codes.entries[stem].title)
    siblings = ((s, _content(codes.entries[s].title)) for s in codes.children(parent) if s != stem)
    return tuple((s, more - own) for s, more in siblings if more - own and own - more <= _VAGUE)


def _content(title: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", title.lower())) - _VAGUE


def _words(line: Line, case: Case) -> frozenset[str]:
    """Return the words of a diagnosis: its mentions, and what stands beside them up to the next comma."""
    found: set[str] = set()
    for evidence in line.evidence:
        found.update(re.findall(r"[a-z0-9]+", _phrase(evidence, case)))
    return frozenset(found | ({"unilateral"} if len(found & {"left", "right"}) == 1 else set()))


def _phrase(evidence: Evidence, case: Case) -> str:
    sentence, begin, end = case.sentence(evidence), evidence.begin, evidence.end
    if sentence is None or begin is None or end is None:
        return evidence.text.lower()
    text = case.text(evidence.source)
    before = re.split(r"[,;:.]|\band\b|\bor\b", text[max(sentence.begin, begin - _NEAR) : begin])[-1]
    after = re.split(r"[,;.]|\band\b|\bor\b", text[end : min(sentence.end, end + _NEAR)])[0]
    return f"{before}{text[begin:end]}{after}".lower()


@rule(
    "guideline.I.B.2.opposite",
    "A title that says the opposite of the words",
    f"{GUIDELINES}, I.B.2",
    Phase.STATUS,
    needs=("S", "M84"),
)
def opposite(sheet: Sheet, case: Case) -> Iterable[Change]:
    """"Extra-articular" is never coded by a title that says "intraarticular", "nondisplaced" never by one that says "displaced"."""
    for line in sheet.under("S", "M84"):
        title = case.codes.title(line.code).lower()
        phrase = " ".join(_phrase(e, case) for e in line.evidence)
        for said, wrong, right in _OPPOSITE:
            if re.search(rf"\b{wrong}\b", title) and said.search(phrase) and not re.search(rf"\b{wrong}\b", said.sub("", phrase)):
                stem = case.codes.stem(line.code)
                code = _titled(case.codes, stem, re.sub(rf"\b{wrong}\b", right, case.codes.entries[stem].title.lower()))
                whole = code + line.code[len(stem) :] if code else ""
                if case.codes.is_billable(whole):
                    yield Exchange(line.code, whole, f"The documentation says {right}.")
                break


@lru_cache(maxsize=4096)
def _titled(codes: CodeSet, stem: str, title: str) -> str | None:
    return next((c for c in (stem[:3], *below(codes, stem[:3])) if codes.entries[c].title.lower() == title), None)


@rule(
    "guideline.I.B.8.acute",
    "An acute condition by its acute code",
    f"{GUIDELINES}, I.B.2 and I.B.8",
    Phase.STATUS,
)
def acute(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Where the words say acute and the proposed code says neither acute nor chronic, the acute code among the readings of the same words is reported."""
    for line in sheet:
        title = case.codes.title(line.code).lower()
        if line.attributes.acuity != "acute" or "acute" in title or "chronic" in title:
            continue
        for other in line.alternatives:
            if other.code[:3] == line.code[:3] and other.display.lower().startswith("acute") and _content(title) - _content(other.display) <= {"nos"}:
                yield Exchange(line.code, other.code, "The documentation says acute.", alternative="Right if it is not acute.")
                break


RULES = (opposite, named_sibling, side_of_the_record, acute)
