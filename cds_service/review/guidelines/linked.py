"""Linked conditions: two conditions that the classification joins by "with" or "in" are coded as related, unless the documentation says otherwise.

Guideline I.A.15. The pairs are those of code titles ("Diverticulosis ... with bleeding") and, where the customer imported the alphabetic index, its subterms
"with". Families with rules of their own (diabetes, hypertension, coronary disease, lung disease) and those for which another guideline wants the link
documented (sepsis, substance use) are left to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from cds_service.review.case import Case
from cds_service.review.codeset import CodeSet
from cds_service.review.guidelines.support import GUIDELINES, beside, evidence, least, together
from cds_service.review.rules import Change, Exchange, Phase, Withhold, rule
from cds_service.review.sheet import Line, Sheet
from cds_service.review.spans import coded_after, coded_also, coded_first

Link = tuple[tuple[str, ...], str]  # codes of the other condition, and the code that joins both

_BLEEDING = ("K92.0", "K92.1", "K92.2")
_LOWER_BLEEDING = (*_BLEEDING, "K62.5")
_URINATION = ("N39.4", "R33.8", "R33.9", "R35.0", "R35.1", "R39.11", "R39.12", "R39.14", "R39.15", "R39.16")
_BLOCKED = ("K56.60",)
_OF_COLITIS = ((_LOWER_BLEEDING, "1"), (_BLOCKED, "2"), (("K60.3", "K60.4", "K60.5", "K63.2"), "3"), (("K61", "K63.0"), "4"))
# Code of one condition, codes of the other, and the code whose title joins them.
TITLES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("D64.9", ("N18",), "D63.1"),
    *((f"K2{site}.{plain}", _BLEEDING, f"K2{site}.{bled}") for site in "5678" for plain, bled in (("9", "4"), ("7", "4"), ("3", "0"))),
    *((f"K29.{kind}0", _BLEEDING, f"K29.{kind}1") for kind in "03456789"),
    ("K20.90", _BLEEDING, "K20.91"),
    ("K21.9", ("K20.9",), "K21.00"),
    ("K21.00", _BLEEDING, "K21.01"),
    ("K31.819", _BLEEDING, "K31.811"),
    ("I85.00", _BLEEDING, "I85.01"),
    ("I85.10", _BLEEDING, "I85.11"),
    ("K55.20", _LOWER_BLEEDING, "K55.21"),
    *((f"K57.{site}{plain}", _LOWER_BLEEDING, f"K57.{site}{bled}") for site in "1359" for plain, bled in (("0", "1"), ("2", "3"))),
    *((f"K50.{site}0", other, f"K50.{site}1{last}") for site in "0189" for other, last in _OF_COLITIS),
    *((f"K51.{site}0", other, f"K51.{site}1{last}") for site in "023589" for other, last in _OF_COLITIS),
    ("K40.90", _BLOCKED, "K40.30"),
    ("K42.9", _BLOCKED, "K42.0"),
    ("K43.9", _BLOCKED, "K43.6"),
    ("K44.9", _BLOCKED, "K44.0"),
    ("K80.20", ("K81.0",), "K80.00"),
    ("K80.20", ("K81.1",), "K80.10"),
    ("K80.20", ("K81.2",), "K80.12"),
    ("K80.50", ("K83.09",), "K80.30"),
    ("K70.10", ("R18.8",), "K70.11"),
    ("K70.30", ("R18.8",), "K70.31"),
    ("K71.50", ("R18.8",), "K71.51"),
    *((f"N30.{kind}0", ("R31",), f"N30.{kind}1") for kind in "0123489"),
    ("N40.0", _URINATION, "N40.1"),
    *((f"J96.{kind}0", ("R09.02",), f"J96.{kind}1") for kind in "0129"),
    ("F01.50", ("R45.1",), "F01.511"),
    ("F02.80", ("R45.1",), "F02.811"),
    ("F03.90", ("R45.1",), "F03.911"),
)
_OWN_RULES = ("A40", "A41", "E08", "E09", "E10", "E11", "E13", "F1", "I1", "I20", "I25", "J44", "J45", "O", "R65", "Z")
_BLED_OUT = (*_LOWER_BLEEDING, "D50", "D62", "R58")  # an anaemia beside bleeding: the provider is asked for its cause
_JOINS = re.compile(r"(?:(?:in|associated with|due to)\b[^,]*\bwith\b|with|in)\b[)\s]*(?:\(due to\)\s*)?(?:\(with\)\s*)?(?P<rest>.*)", re.I)
_ASIDE = re.compile(r"\s*\([^()]*\)")


@rule(
    "convention.I.A.15",
    "Conditions that the classification links",
    f"{GUIDELINES}, I.A.15; code titles, and subterms \"with\" and \"in\" of the Alphabetic Index",
    Phase.COMBINATION,
    yields=tuple(dict.fromkeys(joined for _, _, joined in TITLES)),
)
def linked(sheet: Sheet, case: Case) -> Iterable[Change]:
    """Two documented conditions that a title or the index joins by "with" or "in" are one code, unless said to be unrelated or of another cause."""
    links = _links(case.codes)
    for base in sheet:
        for others, code in links.get(base.code, ()):
            partners = [line for line in sheet.under(*others) if line.code != base.code]
            if partners and case.codes.is_billable(code) and _may_link(base, partners, others, sheet, case):
                text = "The classification presumes that they are related, and nothing says otherwise."
                yield Exchange(base.code, code, text, least(base, *partners), evidence(*partners))
                yield from (Withhold(p.code, f"contained in {code}") for p in partners if not _stays(p.code, code, case.codes))
                break


def _may_link(base: Line, partners: Sequence[Line], others: tuple[str, ...], sheet: Sheet, case: Case) -> bool:
    """Tell whether nothing stands against a link: no other cause, no other condition that the same partner may belong to."""
    if base.code == "D64.9" and sheet.has(*_BLED_OUT):
        return False
    links = _links(case.codes)
    rivals = [line for line in sheet if line is not base and any(set(named) & set(others) for named, _ in links.get(line.code, ()))]
    return not rivals and not any(_otherwise(base, partner, case) for partner in partners)


def _otherwise(base: Line, partner: Line, case: Case) -> bool:
    """Tell whether the documentation calls two conditions unrelated, or gives one of them another cause."""
    if any(beside(case.said("not_related"), line.evidence, before=60, after=60) for line in (base, partner)):
        return True
    sentences = [{case.sentence(e) for e in line.evidence} - {None} for line in (base, partner)]
    together_said = sentences[0] & sentences[1]
    effect = base if base.code == "D64.9" else partner
    caused = together(case, "due_to", effect.evidence)
    return any(case.sentence(e) not in together_said for e in caused)


def _stays(code: str, joined: str, codes: CodeSet) -> bool:
    """Tell whether a note asks for the other condition's own code beside the code that joins both."""
    return any(code in spans for spans in (coded_first(codes, joined), coded_after(codes, joined), coded_also(codes, joined)))


@lru_cache(maxsize=8)
def _links(codes: CodeSet) -> Mapping[str, tuple[Link, ...]]:
    """Return what a release joins, by the code of one condition."""
    found: dict[str, dict[Link, None]] = {}
    for base, others, joined in TITLES:
        found.setdefault(base, {})[others, joined] = None
    for base, other, joined in _of_index(codes):
        if not any(other.startswith(named) for named, _ in found.get(base, ())):
            found.setdefault(base, {})[(other,), joined] = None
    return {base: tuple(links) for base, links in found.items()}


def _of_index(codes: CodeSet) -> Iterator[tuple[str, str, str]]:
    """Yield what an imported index joins: the code of the term above "with", that of the condition named below it by its title, and the code given there."""
    by_name = {name.lower(): code for code, names in codes.names.items() for name in names}
    by_title = {_plain(entry.title): code for code, entry in sorted(codes.entries.items(), reverse=True)} if by_name else {}
    for joined, names in sorted(codes.names.items()):
        for parts in (name.split(", ") for name in names if codes.is_billable(joined)):
            for at in range(1, len(parts)):
                joins = _JOINS.fullmatch(parts[at])
                other = by_title.get(_plain(" ".join((joins["rest"], *parts[at + 1 :])))) if joins else None
                base = by_name.get(", ".join(parts[:at]).lower())
                if base and other and base != joined and not base.startswith(_OWN_RULES) and not joined.startswith(other):
                    yield base, other, joined


def _plain(words: str) -> str:
    return " ".join(_ASIDE.sub("", words).lower().split())


RULES = (linked,)
