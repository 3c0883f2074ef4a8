"""Matching: decisions of payers on claims, and what the review found on the same encounters."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from cds_service.denials.remittance import RemittanceError, RemittedClaim
from cds_service.review.claims.learned import features_of

__all__ = ["Example", "Matched", "claim_encounters", "matched"]


@dataclass(frozen=True, slots=True)
class Example:
    """One claim: what the score looks at, and what the payer decided first."""

    features: frozenset[str]
    denied: bool
    reasons: tuple[str, ...]
    day: date | None


@dataclass(frozen=True, slots=True)
class Matched:
    """Claims that belong to a review, and how many don't."""

    examples: tuple[Example, ...]
    claims: int  # in the remittances, each once
    without_review: int

    @property
    def denied(self) -> int:
        """How many of the examples were denied."""
        return sum(e.denied for e in self.examples)

    @property
    def reasons(self) -> Counter[str]:
        """How many denied claims carried each reason."""
        return Counter(reason for e in self.examples if e.denied for reason in e.reasons)


def matched(claims: Iterable[RemittedClaim], reviews: Mapping[str, Mapping[str, Any]], encounters: Mapping[str, str] | None = None) -> Matched:
    """Join claims with reviews.

    Args:
        claims: of all remittances.
        reviews: the newest review of each encounter, in published form, by id of the encounter.
        encounters: id of the encounter by claim number; None: the claim number is the id of the encounter.
    """
    first: dict[str, RemittedClaim] = {}
    for claim in sorted(claims, key=lambda c: (c.day or date.max, c.claim)):  # a corrected claim is paid later: what was sent first counts
        if claim.is_decision:
            first.setdefault(claim.claim, claim)
    examples = []
    for number in sorted(first):
        review = reviews.get(number if encounters is None else encounters.get(number, ""))
        if review is not None:
            edits = (finding["edit"] for finding in review["claimFindings"])
            claim = first[number]
            examples.append(Example(features_of(edits, review["setting"]), claim.is_denied, claim.denial_reasons, claim.day))
    return Matched(tuple(examples), len(first), len(first) - len(examples))


def claim_encounters(path: Path) -> dict[str, str]:
    """Read a CSV table with the columns `claim` and `encounter`. Raises RemittanceError with file and line where it is damaged."""
    remedy = "Give a CSV file with the columns claim and encounter, one claim a line."
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _encounters(csv.reader(file), path.name, remedy)
    except OSError as error:
        raise RemittanceError(f"{path.name} can't be read ({error.strerror}).", remedy) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise RemittanceError(f"{path.name} is no CSV table in UTF-8 ({error}).", remedy) from error


def _encounters(rows: Iterable[Sequence[str]], name: str, remedy: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line, cells in enumerate(rows, 1):
        cells = [c.strip() for c in cells]
        if line == 1:
            if cells != ["claim", "encounter"]:
                raise RemittanceError(f"{name}, line 1: the columns are {', '.join(cells) or 'missing'}.", remedy)
        elif any(cells):
            if len(cells) != 2 or not all(cells):
                raise RemittanceError(f"{name}, line {line}: a claim and an encounter are expected.", remedy)
            if found.setdefault(cells[0], cells[1]) != cells[1]:
                raise RemittanceError(f"{name}, line {line}: claim {cells[0]} belongs to two encounters.", remedy)
    return found
