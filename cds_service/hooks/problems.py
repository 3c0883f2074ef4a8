"""Cards for a problem being added to the problem list: a more specific one that the notes support, or a question."""

from __future__ import annotations

from cds_service.hooks.card import Card, Topic
from cds_service.hooks.diagnoses import card_of, recorded_codes
from cds_service.hooks.gaps import gap_card
from cds_service.hooks.registry import Finding
from cds_service.hooks.request import Resource
from cds_service.review.model import CodeAssignment
from fhir_mappers.systems import ICD10CM, canonical

_LONGEST_TITLE = 200  # characters of a problem's name
# Plain names that the classification says more exactly in another category (tabular list; guidelines I.C.9.a, I.C.2.c, I.B.9).
_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "I10": ("I11", "I12", "I13"),
    "D64.9": ("D50", "D51", "D52", "D53", "D57", "D62", "D63"),
    "N19": ("N17", "N18"),
    "N28.9": ("N17", "N18"),
    "I51.9": ("I11", "I25", "I50"),
    "G62.9": ("E10.4", "E11.4", "E13.4", "G60", "G61"),
    "J98.4": ("J43", "J44", "J84"),
    "K76.9": ("K70", "K74", "K75"),
}


def problem_cards(finding: Finding) -> list[Card]:
    """Return up to two cards about the conditions being added."""
    added = _codes_added(finding)
    sources = finding.request.context.sources
    listed = recorded_codes(finding.record, "problem-list-item")
    better = [d for d in finding.review.diagnoses if d.billable and d.code not in listed and any(_is_sharper(d, code) for code in added)]
    questions = [q for q in finding.review.queries if q.family in ("specificity", "laterality", "acuity") and any(e.source in sources for e in q.indicators)]
    cards = [card_of(finding, better, topic=Topic.SPECIFICITY, category="problem-list-item") if better else None, gap_card(finding, questions)]
    return [c for c in cards if c is not None]


def _codes_added(finding: Finding) -> frozenset[str]:
    """Return the ICD-10-CM codes of the conditions being added; of one without such a code, what its words mean."""
    codes: set[str] = set()
    for resource in finding.request.context.resources:
        concept = resource.get("code")
        if isinstance(concept, dict):
            codes |= _icd10cm(concept) or _meant(finding, _words(concept))
    return frozenset(codes)


def _codings(concept: Resource) -> list[Resource]:
    codings = concept.get("coding")
    return [c for c in codings if isinstance(c, dict)] if isinstance(codings, list) else []


def _icd10cm(concept: Resource) -> set[str]:
    return {c["code"] for c in _codings(concept) if canonical(str(c.get("system", ""))) == ICD10CM and isinstance(c.get("code"), str)}


def _words(concept: Resource) -> str:
    """Return the concept's text or the first display: most problem lists are coded in SNOMED CT."""
    words = [concept.get("text"), *(c.get("display") for c in _codings(concept))]
    return next((w[:_LONGEST_TITLE] for w in words if isinstance(w, str) and w.strip()), "")


def _meant(finding: Finding, words: str) -> set[str]:
    """Return the code that the engine finds most likely for these words; none where it finds nothing."""
    found = [c for m in finding.read(words).mentions if m.assertion.is_asserted for c in m.candidates] if words else []
    return {max(found, key=lambda c: c.score).code} if found else set()


def _is_sharper(diagnosis: CodeAssignment, code: str) -> bool:
    """Tell whether the diagnosis says more of the same condition: another code of the same category, or a combination, where `code` is the vague one."""
    if diagnosis.code.startswith(_ELSEWHERE.get(code, ())):
        return True
    vague = code.endswith("9") or len(code) <= len(diagnosis.code) - 1
    return diagnosis.code != code and diagnosis.code[:3] == code[:3] and vague
