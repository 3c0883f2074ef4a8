"""The linter of queries: what the law of compliant queries forbids, found before a question reaches anybody.

Source: AHIMA/ACDIS, Guidelines for Achieving a Compliant Query Practice (2022 update).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cds_service.review.gaps.language import CLOSING, GapRule
from cds_service.review.model import DocumentationQuery, EvidenceKind

_MONEY = re.compile(
    r"\b(?:HCCs?|(?:MS-?)?DRGs?|CC|MCC|RAF|risk[- ]adjust\w*|reimburs\w*|payments?|payers?|paid|revenue|billing|billable|bill|denials?|denied|"
    r"quality (?:score|metric)s?|severity of illness|risk of mortality|SOI|ROM|CMI|case[- ]mix|capture|upcod\w*|optimi[sz]\w*|financ\w*|audit\w*|"
    r"insur\w*|medicare)\b",
    re.I,
)
_LEADING = re.compile(
    r"\b(?:please (?:document|add|confirm|agree)|should be|would you agree|do you agree|you (?:should|must)|consider (?:documenting|adding)|"
    r"meets? (?:the )?criteria|consistent with|indicat(?:es|ive of)|suggest(?:s|ive of)?|clearly|obvious\w*|most likely|we believe|it appears that)\b",
    re.I,
)
_MARKED = re.compile(r"recommended|preferred|suggested|default|most likely|\*|\u2713|\[x\]", re.I)
_YES_NO = frozenset({"yes", "no"})
_YES_NO_FAMILIES = frozenset({"poa", "linkage", "validation", "conflict"})
_MOST_OPTIONS = 9


def faults(query: GapRule | DocumentationQuery) -> tuple[str, ...]:
    """Return what is wrong with a rule or a question, in words; empty where nothing is."""
    options = query.all_options if isinstance(query, GapRule) else query.options
    found = [*_text_faults(query.title, query.question, options), *_option_faults(query.family, options)]
    if isinstance(query, DocumentationQuery):
        found += _indicator_faults(query)
    return tuple(found)


def _text_faults(title: str, question: str, options: tuple[str, ...]) -> Iterator[str]:
    for name, text in (("title", title), ("question", question), *(("option", o) for o in options)):
        if money := _MONEY.search(text):
            yield f"the {name} mentions {money.group()!r}: a query never speaks of payment or scores"
        if (leading := _LEADING.search(text)) and name != "option":
            yield f"the {name} leads: {leading.group()!r}"
    for option in _clinical(options):
        for name, text in (("title", title), ("question", question)):
            if len(option) > 3 and option.lower() in text.lower() and option.lower() not in _YES_NO:
                yield f"the {name} holds the option {option!r}"
    if "{" in question.replace("{condition}", ""):
        yield "the question has an unknown place holder"
    if not question.rstrip().endswith("?"):
        yield "the question is no question"


def _option_faults(family: str, options: tuple[str, ...]) -> Iterator[str]:
    clinical = _clinical(options)
    if tuple(options[-2:]) != CLOSING:
        yield f"the options must end with {CLOSING[0]!r} and {CLOSING[1]!r}"
    if len(clinical) < 2:
        yield "at least two clinical options are needed: one option leads"
    if len(options) > _MOST_OPTIONS:
        yield f"more than {_MOST_OPTIONS} options"
    if len(set(options)) != len(options):
        yield "an option comes twice"
    if any(_MARKED.search(o) for o in clinical):
        yield "an option is marked before the others"
    if _YES_NO & {o.lower() for o in clinical} and family not in _YES_NO_FAMILIES:
        yield f"yes/no is not allowed for {family}"


def _indicator_faults(query: DocumentationQuery) -> Iterator[str]:
    if not query.indicators:
        yield "no indicator of the patient is shown"
    for indicator in query.indicators:
        if not indicator.source or not indicator.text:
            yield "an indicator has no source or no words"
        if indicator.kind is EvidenceKind.NOTE and indicator.begin is None:
            yield "an indicator from a note has no place in it"


def _clinical(options: Iterable[str]) -> list[str]:
    return [o for o in options if o not in CLOSING]
