"""Cards for a problem being added to the problem list: a more specific one that the notes support, or a question."""

from __future__ import annotations

from cds_service.hooks.card import Card, Topic
from cds_service.hooks.diagnoses import card_of
from cds_service.hooks.gaps import gap_card
from cds_service.hooks.registry import Finding
from cds_service.review.model import CodeAssignment
from fhir_mappers.systems import ICD10CM, canonical


def problem_cards(finding: Finding) -> list[Card]:
    """Return up to two cards about the conditions being added."""
    added = _codes_added(finding)
    sources = {f"Condition/{r.get('id')}" for r in finding.request.context.resources if r.get("id")}
    better = [d for d in finding.review.diagnoses if d.billable and any(_is_sharper(d, code) for code in added)]
    questions = [q for q in finding.review.queries if q.family in ("specificity", "laterality", "acuity") and any(e.source in sources for e in q.indicators)]
    cards = [card_of(finding, better, topic=Topic.SPECIFICITY, category="problem-list-item") if better else None, gap_card(finding, questions)]
    return [c for c in cards if c is not None]


def _codes_added(finding: Finding) -> frozenset[str]:
    codes: set[str] = set()
    for resource in finding.request.context.resources:
        concept = resource.get("code")
        codings = concept.get("coding") if isinstance(concept, dict) else None
        for coding in codings if isinstance(codings, list) else []:
            if isinstance(coding, dict) and canonical(str(coding.get("system", ""))) == ICD10CM and isinstance(coding.get("code"), str):
                codes.add(coding["code"])
    return frozenset(codes)


def _is_sharper(diagnosis: CodeAssignment, code: str) -> bool:
    """Tell whether the diagnosis says more of the same condition: another code of the same category, where `code` is the vague one."""
    vague = code.endswith("9") or len(code) <= len(diagnosis.code) - 1
    return diagnosis.code != code and diagnosis.code[:3] == code[:3] and vague
