"""Conventions of the classification: Excludes1, less specific siblings, manifestations.

Guidelines I.A.12.a, I.A.13, I.B.2, I.B.18; notes of the tabular list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from cds_service.review.case import Case
from cds_service.review.codeset import CodeSet
from cds_service.review.guidelines.support import GUIDELINES, best
from cds_service.review.rules import Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Line, Sheet
from cds_service.review.spans import coded_first, forbidden, forbidden_pairs
from cds_service.review.specificity import sides

_VAGUE = re.compile(r"\b(?:unspecified|nos|not otherwise specified|or unspecified|side|part|site|other|and|of|the|in|with|without|to|for|type)\b|[^a-z0-9]+")
_BOTH_SIDES = (  # osteoarthritis: the bilateral code is no sibling of the sides
    ("M16.11", "M16.12", "M16.0"),
    ("M17.11", "M17.12", "M17.0"),
    ("M17.31", "M17.32", "M17.2"),
    ("M18.11", "M18.12", "M18.0"),
)


@rule(
    "guideline.I.B.18",
    "The more specific code of one condition",
    f"{GUIDELINES}, I.B.2 and I.B.18",
    Phase.EXCLUSION,
)
def less_specific(sheet: Sheet, case: Case) -> Iterable[Change]:
    """A vaguer code of a condition that another line codes more specifically is not reported."""
    categories: dict[str, list[Line]] = {}
    for line in sheet:
        categories.setdefault(line.code[:3], []).append(line)
    for line in sheet:
        siblings = (other for other in categories[line.code[:3]] if vaguer(case.codes, line.code, other.code))
        finer = best((*siblings, *case.knowledge.vaguer.holders(line.code, sheet)))
        if finer:
            yield Withhold(line.code, f"less specific than {finer.code}", finer.code, "Right if no more is documented than this.")


@lru_cache(maxsize=65536)
def vaguer(codes: CodeSet, one: str, other: str) -> bool:
    """Tell whether `one` says, of the same category, nothing that `other` doesn't say more exactly."""
    if one == other or one[:3] != other[:3] or codes.title(other).lower().startswith("other"):
        return False
    first, second = codes.title(one).lower(), codes.title(other).lower()
    if "unspecified" not in first or (first.count("unspecified") <= second.count("unspecified") and len(codes.stem(one)) >= len(codes.stem(other))):
        return False
    return _content(first) <= _content(second)


def _content(title: str) -> frozenset[str]:
    return frozenset(w for w in _VAGUE.sub(" ", title).split() if w)


@rule(
    "convention.I.A.13",
    "A manifestation needs its etiology",
    f"{GUIDELINES}, I.A.13; tabular list, code first",
    Phase.EXCLUSION,
)
def manifestation(sheet: Sheet, case: Case) -> Iterable[Change]:
    """A code "in diseases classified elsewhere" is not reported without a code for the disease."""
    standing = {line.code: line for line in sheet}
    while alone := next((line for line in standing.values() if case.codes.is_manifestation(line.code) and not _has_etiology(line, standing, case)), None):
        standing.pop(alone.code)  # what it was the disease for may now be alone too
        yield Withhold(alone.code, "excluded by I.A.13 (no underlying disease is documented)")


def _has_etiology(line: Line, standing: Mapping[str, Line], case: Case) -> bool:
    """Tell whether a disease stands that a note names for a manifestation; or one that no note names, told in the same sentence."""
    named = coded_first(case.codes, line.code)
    others = [other for other in standing.values() if other.code != line.code]
    if any(other.code in named for other in others):
        return True
    places = _sentences(line, case)
    return any(is_etiology(case.codes, other.code, line.code) and places & _sentences(other, case) for other in others)


def _sentences(line: Line, case: Case) -> set[tuple[str, int]]:
    return {(e.source, at.begin) for e in line.evidence if (at := case.sentence(e))}


def is_etiology(codes: CodeSet, code: str, manifestation: str) -> bool:
    """Tell whether `code` may precede `manifestation`: a code first note names it, or no note names any code."""
    named = coded_first(codes, manifestation)
    if code in named:
        return True
    if codes.is_manifestation(code) or code[0] in "RSTVWXYZ":
        return False
    return any("such as" in note for e in codes.ancestors(manifestation) for note in e.code_first) or not named


@rule(
    "convention.I.A.12.a",
    "Excludes1",
    f"{GUIDELINES}, I.A.12.a; Excludes1 notes of the tabular list",
    Phase.EXCLUSION,
)
def excludes1(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Two codes that an Excludes1 note forbids together don't leave the review together."""
    ordered = sorted(sheet, key=lambda line: _standing(line, case.codes))
    lost: set[str] = set()
    for first, second in forbidden_pairs(case.codes, (line.code for line in ordered)):
        if first in lost or second in lost:
            continue
        one, other = sheet.lines[first], sheet.lines[second]
        keeper, loser = (other, one) if _yields_to(one, other, case.codes) else (one, other)
        lost.add(loser.code)
        reason = f"excluded by {keeper.code} (Excludes1)"
        yield Withhold(loser.code, reason, keeper.code, "Right if the two conditions are unrelated, and then beside it.")


def _yields_to(one: Line, other: Line, codes: CodeSet) -> bool:
    """Tell whether `one`, though it claims its place first, gives way: only the note at `one` names `other` as the code to use instead."""
    if other.code[0] in "RZ":
        return False
    return other.code in forbidden(codes, one.code) and one.code not in forbidden(codes, other.code)


def _standing(line: Line, codes: CodeSet) -> tuple[object, ...]:
    """Return the order in which lines claim their place: a diagnosis before a symptom, the specific before the unspecified."""
    title = codes.title(line.code).lower()
    return line.code[0] == "R", line.code[0] == "Z", "unspecified" in title, -line.confidence, line.code


@rule(
    "guideline.I.B.13",
    "Both sides",
    f"{GUIDELINES}, I.B.13",
    Phase.COMPANION,
    yields=tuple(bilateral for _, _, bilateral in _BOTH_SIDES),
)
def both_sides(sheet: Sheet, case: Case) -> Iterable[Change]:
    """The right and the left of one condition are one bilateral code where the classification has one."""
    for right, left, bilateral in (*_BOTH_SIDES, *_families(sheet, case.codes)):
        if right in sheet and left in sheet:
            text = "Both sides are documented, and one code says so."
            yield Exchange(right, bilateral, text, evidence=sheet.lines[left].evidence)
            yield Withhold(left, f"contained in {bilateral}")


def _families(sheet: Sheet, codes: CodeSet) -> Iterable[tuple[str, str, str]]:
    for line in sheet:
        family = sides(codes, line.code) if "right" in codes.title(line.code).lower() else {}
        if line.code == family.get("right") and "left" in family and codes.is_billable(family.get("bilateral", "")):
            yield line.code, family["left"], family["bilateral"]


RULES = (both_sides, less_specific, excludes1)
CLOSING = (manifestation,)  # after every rule that may take a disease away
