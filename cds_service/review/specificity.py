"""Leaf choice: the code that is as specific as the documentation and never more specific.

Conventions I.A.4-6 (placeholder, 7th character) and guidelines I.B.2, I.B.13 (laterality), I.B.18 (unspecified codes) of the
ICD-10-CM Official Guidelines.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from cds_service.review.codeset import CodeSet
from onnx_models.reading import Attributes

_INITIAL = {"initial": "A", "subsequent": "D", "sequela": "S"}
_STEPS = 5  # no code is further than five characters below its category

# How titles of the tabular list word an attribute. Titles that are alike once these words are out form one family.
_WORDING: dict[str, re.Pattern[str]] = {
    "laterality": re.compile(r",?\s*\b(?:right|left|unspecified)\b(?: (?:side|ear|eye)\b)?|,?\s*\bbilateral\b", re.I),
    "stage": re.compile(r",?\s*\b(?:unspecified )?stage(?: (?:[1-5][ab]?|unspecified))?\b(?: \((?:mild|moderate|severe)\))?|,?\s*\bunspecified\b", re.I),
    "severity": re.compile(r",?\s*\b(?:mild|moderate|severe|unspecified)\b(?: degree| severity)?", re.I),
}
_SIDES = ("right", "left", "bilateral")

# What a title says beyond its parent's, and how far that goes beyond silent documentation.
_BEYOND: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"\bunspecified\b|\bnot otherwise specified\b|\bnot specified as\b"), 4),
    (re.compile(r"\bwithout\b|\buncomplicated\b|\bnot intractable\b"), 2),
    (re.compile(r"\bwith(?! or without\b)\b(?! unspecified)"), -4),
    (re.compile(r"\bwith unspecified complications?\b|\bin remission\b|\bin diseases classified elsewhere\b|\bdue to\b"), -6),
    (re.compile(r"^other\b(?! and unspecified)|\bother specified\b|\bnot elsewhere classified\b"), -5),
    (re.compile(r"\b(?:right|left|bilateral|male)\b"), -3),
    (re.compile(r"(?<!not )\bintractable\b"), -3),
    (re.compile(r"(?<!not specified as )\b(?:acute|chronic|mild|moderate|severe|recurrent|secondary|congenital|first|second|third)\b"), -2),
)


@lru_cache(maxsize=16384)
def side_of(title: str) -> str | None:
    """Return the side that a title names: "left", "right", "bilateral", "unspecified", or None."""
    lowered = title.lower()
    named = {w for w in _SIDES if w in lowered and re.search(rf"\b{w}\b", lowered)}
    if len(named) == 1:
        return named.pop()
    return "unspecified" if not named and "unspecified" in lowered else None


@lru_cache(maxsize=32768)
def _bare(title: str, attribute: str) -> str:
    return re.sub(r"[\s,]+", " ", _WORDING[attribute].sub(" ", title.lower())).strip()


@lru_cache(maxsize=8192)
def sides(codes: CodeSet, code: str) -> dict[str, str]:
    """Return the codes that differ from `code` (or its stem) in side only, by side; empty where sides don't matter."""
    stem = codes.stem(code)
    parent = codes.entries[stem].parent if stem else None
    if not parent:
        return {}
    bare = _bare(codes.entries[stem].title, "laterality")
    family: dict[str, str] = {}
    for sibling in codes.children(parent):
        side = side_of(codes.entries[sibling].title)
        if side and _bare(codes.entries[sibling].title, "laterality") == bare:
            family.setdefault(side, sibling)
    return family if {"right", "left"} & family.keys() else {}


@lru_cache(maxsize=8192)
def _refined(codes: CodeSet, code: str, attribute: str, value: str) -> str:
    """Return the code that says `value` where `code` leaves that attribute unspecified; `code` where there is none."""
    title = codes.entries[code].title
    if "unspecified" not in title.lower():
        return code
    bare, wanted = _bare(title, attribute), re.compile(rf"\b{'stage ' if attribute == 'stage' else ''}{re.escape(value)}\b", re.I)
    if wanted.search(title):
        return code
    for other in below(codes, code[:3]):
        if wanted.search(codes.entries[other].title) and _bare(codes.entries[other].title, attribute) == bare:
            return other
    return code


def below(codes: CodeSet, code: str) -> Iterator[str]:
    """Yield the codes below `code`, at any depth, in order."""
    for child in codes.children(code):
        yield child
        yield from below(codes, child)


def leaves(codes: CodeSet, code: str, attributes: Attributes, words: str = "") -> tuple[str, ...]:
    """Return the billable codes that `code` stands for, given what the documentation says.

    Args:
        codes: the release in force.
        code: a code of any depth, complete or not.
        attributes: what the words around the mention say.
        words: the mention and its sentence in lower case, for choices of the 7th character ("open fracture").

    Returns:
        One code; two where both sides are meant and no bilateral code exists (guideline I.B.13); none where `code` doesn't exist.
    """
    stem = codes.stem(code)
    if not stem or (stem != code and not codes.is_billable(code)):
        return ()
    at = _descended(codes, stem, attributes)
    for attribute, value in (("stage", attributes.stage), ("severity", attributes.severity)):
        at = _descended(codes, _refined(codes, at, attribute, value), attributes) if value else at
    suffix = code[-1] if stem != code else None
    complete = (_complete(codes, sided, attributes, words, suffix) for sided in _sided(codes, at, attributes.laterality))
    return tuple(c for c in complete if c)


def _descended(codes: CodeSet, code: str, attributes: Attributes) -> str:
    """Return the code without children that the documentation reaches from `code`."""
    for _ in range(_STEPS):
        if not codes.children(code):
            break
        code = _child(codes, code, attributes)
    return code


def _sided(codes: CodeSet, code: str, side: str | None) -> Iterator[str]:
    family = sides(codes, code) if side else {}
    if side is None or not family or side_of(codes.entries[code].title) not in (None, "unspecified"):
        yield code
    elif side in family:
        yield family[side]
    elif side == "bilateral" and {"right", "left"} <= family.keys():
        yield family["right"]
        yield family["left"]
    else:
        yield code


@lru_cache(maxsize=8192)
def _child(codes: CodeSet, parent: str, attributes: Attributes) -> str:
    """Return the code directly below `parent` that the documentation reaches: what it says, else what goes least beyond it."""
    return max(codes.children(parent), key=lambda c: (_fit(codes, parent, c, attributes), -len(codes.entries[c].title), [-ord(x) for x in c]))


def _fit(codes: CodeSet, parent: str, code: str, attributes: Attributes) -> int:
    entry, above = codes.entries[code], codes.entries[parent].title.lower()
    title = entry.title.lower()
    said = (
        bool(attributes.laterality) and side_of(title) == attributes.laterality,
        bool(attributes.stage) and re.search(rf"\b(?:stage|grade) {attributes.stage}\b|\b(?:stage|grade) {(attributes.stage or '0')[0]} ", title),
        bool(attributes.acuity) and re.match(rf"{attributes.acuity}\b", title),
        bool(attributes.severity) and re.search(rf"\b{attributes.severity}\b", title),
    )
    fit = 12 * sum(map(bool, said))
    fit += sum(weight for pattern, weight in _BEYOND if pattern.search(title) and not (weight < 0 and pattern.search(above)))
    bare = _bare(above, "severity")
    if any(_bare(term.lower().removesuffix(" nos"), "severity") == bare for term in entry.inclusion if term.endswith("NOS")):
        fit += 8  # the classification itself says where the bare name goes
    return fit + (code[-1] == "9")


def _complete(codes: CodeSet, code: str, attributes: Attributes, words: str, suffix: str | None) -> str | None:
    """Return `code` with its placeholder and 7th character, or None where it can't be made billable."""
    if codes.is_billable(code):
        return code
    offered = [c for c, _ in codes.seventh(code)]
    letter = suffix if suffix in offered else _seventh(offered, attributes, words)
    if letter is None:
        return None
    padded = code.replace(".", "").ljust(6, "X")
    whole = f"{padded[:3]}.{padded[3:]}{letter}"
    return whole if codes.is_billable(whole) else None


def _seventh(offered: Collection[str], attributes: Attributes, words: str) -> str | None:
    """Return the 7th character: active treatment and closed fracture unless documented otherwise (I.A.5, I.C.19.a, I.C.19.c)."""
    wanted = _INITIAL.get(attributes.episode or "initial", "A")
    if wanted == "A" and "B" in offered and re.search(r"\b(?:open|compound)\b(?! reduction)", words):
        wanted = "B"
    for letter in (wanted, "A", "0"):
        if letter in offered:
            return letter
    return None
