"""The card of suggested diagnoses: what the notes support and the visit's list doesn't hold yet."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.hooks.card import Card, Indicator, NewCondition, OverrideReason, Suggestion, Topic, uuid_of
from cds_service.hooks.registry import Finding
from cds_service.hooks.words import escaped, how_sure, quoted, shortened
from cds_service.review.model import CodeAssignment, CodingReview, Evidence, EvidenceKind, Role
from fhir_mappers import EncounterRecord, Note
from fhir_mappers.systems import ICD10CM

MOST = 5  # suggestions of one card; the review shows all
_EXCERPTS = 2
OVERRIDE_REASONS = (
    OverrideReason("notsupported", "Not supported by the record"),
    OverrideReason("alreadydocumented", "Already on the chart in other words"),
    OverrideReason("notaddressed", "Not addressed at this visit"),
)


def diagnosis_card(finding: Finding) -> Card | None:
    """Return the card of diagnoses that the notes support and the visit's list lacks, the surest first; None where there is none.

    Where the call names no encounter there is no visit's list, and the problem list takes its place.
    """
    category = "encounter-diagnosis" if finding.request.context.encounter_id else "problem-list-item"
    listed = recorded_codes(finding.record, category)
    wanted = [d for d in finding.review.diagnoses if d.billable and d.code not in listed]
    wanted.sort(key=lambda d: (d.role is not Role.PRINCIPAL, -d.confidence))
    return card_of(finding, wanted, topic=Topic.DIAGNOSES, category=category) if wanted else None


def card_of(finding: Finding, wanted: Sequence[CodeAssignment], *, topic: Topic, category: str) -> Card:
    """Return a card that suggests these diagnoses, in the order given."""
    review = finding.review
    shown = wanted[:MOST]
    notes = {n.source: n for n in finding.record.notes}
    blocks = [_block(at, d, notes) for at, d in enumerate(shown, 1)]
    if len(wanted) > MOST:
        blocks.append(f"{len(wanted) - MOST} more in the full review.")
    return Card(
        uuid=uuid_of(review.id, topic),
        topic=topic,
        summary=_summary(wanted, topic, category),
        detail="\n\n".join(blocks),
        indicator=Indicator.INFO,
        suggestions=tuple(_suggestion(review, topic, d, category) for d in shown),
        override_reasons=OVERRIDE_REASONS,
    )


def recorded_codes(record: EncounterRecord, category: str) -> frozenset[str]:
    """Return the ICD-10-CM codes that a list of the chart already holds; ruled-out and mistaken entries don't count."""
    return frozenset(
        code
        for p in record.problems
        if p.category == category and p.verification_status not in ("refuted", "entered-in-error") and (code := p.concept.code_in(ICD10CM))
    )


def _summary(wanted: Sequence[CodeAssignment], topic: Topic, category: str) -> str:
    first, number = wanted[0], len(wanted)
    if topic is Topic.SPECIFICITY:
        return shortened(f"The notes say more: {first.code} {first.display}" if number == 1 else f"The notes support {number} more specific problems")
    where = "the visit's list" if category == "encounter-diagnosis" else "the problem list"
    return shortened(f"In the notes, not on {where}: {first.code} {first.display}" if number == 1 else f"{number} diagnoses in the notes are not on {where}")


def _block(number: int, diagnosis: CodeAssignment, notes: dict[str, Note]) -> str:
    lines = [f"{number}. **{escaped(diagnosis.code)}** {escaped(diagnosis.display)} ({how_sure(diagnosis.confidence)})"]
    lines += [f"   - {words}" for words in _excerpts(diagnosis.evidence, notes)]
    return "\n".join(lines)


def _excerpts(evidence: Sequence[Evidence], notes: dict[str, Note]) -> list[str]:
    """Return a few excerpts, in the review's order but notes before values, and no sentence twice."""
    ordered = sorted(evidence, key=lambda e: e.kind is not EvidenceKind.NOTE)
    chosen: dict[str, Evidence] = {}
    for piece in ordered:
        chosen.setdefault(_sentence_of(piece, notes), piece)
    return [quoted(e, notes) for e in list(chosen.values())[:_EXCERPTS]]


def _sentence_of(evidence: Evidence, notes: dict[str, Note]) -> str:
    """Return the sentence that a card would show for this evidence, whichever of its words are meant."""
    return quoted(evidence, notes).replace("**", "").lower()


def _suggestion(review: CodingReview, topic: Topic, diagnosis: CodeAssignment, category: str) -> Suggestion:
    version = next((s.version for s in review.code_sets if s.system == diagnosis.system), None)
    evidence = tuple(dict.fromkeys(e.source for e in diagnosis.evidence))
    new = NewCondition(diagnosis.code, diagnosis.display, category, version, evidence)
    return Suggestion(uuid_of(review.id, topic, diagnosis.code), shortened(f"{diagnosis.code} {diagnosis.display}"), new)
