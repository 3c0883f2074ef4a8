"""Coronary artery bypass: which graft goes to how many arteries.

Source: ICD-10-PCS Official Guidelines, B3.6b and B3.6c: the body part is the number of arteries bypassed to, the qualifier the vessel bypassed from, and each
kind of graft has a code of its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from cds_service.review.procedures.phrases import Phrases, words_of
from cds_service.review.procedures.tables import ProcedureTable

STEM = "021"  # Heart and Great Vessels, Bypass
_OPEN = "0"
_MOST = 4  # "four or more"
_GRAFT = re.compile(
    r"\b(?P<lima>LIMA|left internal (?:mammary|thoracic)(?: artery)?)\b|\b(?P<rima>RIMA|right internal (?:mammary|thoracic)(?: artery)?)\b"
    r"|\b(?P<vein>SVG|(?:reversed? )?(?:greater |great )?saphenous vein(?: grafts?)?|vein grafts?)\b|\b(?P<radial>radial artery(?: graft)?)\b",
    re.I,
)
_TO = re.compile(r"[\s(]*(?:(?:graft\w*|anastomos\w*|bypass\w*|sewn|harvested|taken|was|were|and|used)[\s,]+){0,4}(?:to|-+>?|\u2192)\s+(?:the\s+)?", re.I)
# device and qualifier: an artery left on its stem is no device and names where it comes from; a free graft comes from the aorta
_KINDS = {"lima": ("Z", "9"), "rima": ("Z", "8"), "vein": ("9", "W"), "radial": ("A", "W")}
_REACH = 90  # characters of a note in which a graft's arteries stand


def grafts_of(text: str, vessels: Phrases[str]) -> tuple[tuple[str, str], ...]:
    """Return the grafts that a note tells: kind, and coronary artery it goes to."""
    marks = list(_GRAFT.finditer(text))
    found: dict[tuple[str, str], None] = {}
    for at, mark in enumerate(marks):
        end = min(mark.end() + _REACH, marks[at + 1].start() if at + 1 < len(marks) else len(text))
        to = _TO.match(text, mark.end(), end)
        if to is None or mark.lastgroup is None:
            continue
        stretch = re.split(r"[.;\n]", text[to.end() : end])[0]
        for hit in vessels.find(words_of(stretch)):
            found.setdefault((mark.lastgroup, hit.value))
    return tuple(found)


def bypass_codes(grafts: tuple[tuple[str, str], ...], tables: Mapping[str, ProcedureTable]) -> tuple[str, ...]:
    """Return one code for each kind of graft, by the number of arteries; empty where the tables hold none of one."""
    table = tables.get(STEM)
    if table is None or not grafts:
        return ()
    arteries: dict[str, set[str]] = defaultdict(set)
    for kind, artery in grafts:
        arteries[kind].add(artery)
    codes = [table.built((str(min(len(to), _MOST) - 1), _OPEN, _KINDS[kind][0], _KINDS[kind][1])) for kind, to in arteries.items()]
    return tuple(c[0] for c in codes) if all(codes) else ()
