"""Lists of abbreviations ("DM2, htn, ckd IIIa"): systemic chronic diseases that an abbreviation names outright.

Guidelines III (other diagnoses) and IV.J (coexisting conditions); Coding Clinic 3Q 2007: chronic systemic diseases are reported where they are
documented. The engine spreads its confidence over the combinations that such a list may mean, so that the plain parts may fall below the threshold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service.review.case import LEADING, Case
from cds_service.review.guidelines.support import GUIDELINES, LISTED, WORDING, spoken
from cds_service.review.model import Evidence
from cds_service.review.rules import Add, Change, Phase, rule
from cds_service.review.sheet import Sheet

_DIABETES = ("E08", "E09", "E10", "E11", "E13", "O24", "P70")
# Wording of the table -> code, and the codes beside which the abbreviation says nothing more.
_ABBREVIATIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("abbreviated_hypertension", "I10", ("I10", "I11", "I12", "I13", "I15", "I16", "I1A", "O10", "O11", "O13", "O14")),
    ("abbreviated_diabetes_1", "E10.9", _DIABETES),
    ("abbreviated_diabetes", "E11.9", _DIABETES),
    ("abbreviated_kidney_disease", "N18.9", ("N18",)),
    ("abbreviated_heart_failure", "I50.9", ("I50", "I11.0", "I13.0", "I13.2", "I09.81")),
    ("abbreviated_lung_disease", "J44.9", ("J43", "J44")),
    ("abbreviated_coronary_disease", "I25.10", ("I25.1", "I25.7", "I25.81")),
    ("abbreviated_fibrillation", "I48.91", ("I48",)),
)
_BEFORE = re.compile(r"(?:^|[,;:/&+()\n\u2022*-]|\d[.)]|\b(?:and|with|w/|of|has))\s*$", re.I)
_AFTER = re.compile(r"\s*(?:$|[,;:/&+().\n-]|and\b|with\b|w/|stage\b|g?[1-5][ab]?\b|i{1,3}[ab]?\b|iv\b)", re.I)


@rule(
    "index.abbreviations",
    "Chronic diseases in a list of abbreviations",
    f"{GUIDELINES}, III and IV.J; Alphabetic Index, Hypertension; Diabetes; Disease, kidney, chronic; Disease, lung, obstructive; Failure, heart",
    Phase.STATUS,
    yields=tuple(code for _, code, _ in _ABBREVIATIONS),
)
def abbreviations(sheet: Sheet, case: Case) -> Iterable[Change]:
    """An abbreviation is coded by name where it is an item of a conclusion, or stands in a list with another."""
    found = {cue: tuple(e for e in spoken(case, cue) if _is_item(e, case)) for cue, _, _ in _ABBREVIATIONS}
    places = {(cue, _line(e, case)) for cue, said in found.items() for e in said}
    for cue, code, family in _ABBREVIATIONS:
        said = tuple(e for e in found[cue] if e.section in LEADING or any(c != cue and line == _line(e, case) for c, line in places))
        taken = {c for c, _, alike in _ABBREVIATIONS if alike == family and c != cue and found[c]} if cue == "abbreviated_diabetes" else ()
        if said and not taken and not sheet.has(*family):
            concluded = any(e.section in LEADING for e in said)
            yield Add(code, WORDING if concluded else LISTED, said, "The abbreviation names the disease.", telling=said)


def _is_item(found: Evidence, case: Case) -> bool:
    text = case.text(found.source)
    return bool(_BEFORE.search(text[max(0, (found.begin or 0) - 6) : found.begin]) and _AFTER.match(text[found.end or 0 :]))


def _line(found: Evidence, case: Case) -> tuple[str, int]:
    """Return note and beginning of the sentence in which words stand."""
    sentence = case.sentence(found)
    return found.source, sentence.begin if sentence else -1


RULES = (abbreviations,)
