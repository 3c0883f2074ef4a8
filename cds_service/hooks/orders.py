"""The card of an order being signed: what stands against it, in the words of the clinic."""

from __future__ import annotations

import re

from cds_service.hooks.card import Card, Indicator, OverrideReason, Topic, uuid_of
from cds_service.hooks.registry import Finding
from cds_service.hooks.words import escaped, shortened, speaks_of_payment
from cds_service.review.model import ClaimFinding

MOST = 3
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
OVERRIDE_REASONS = (
    OverrideReason("indicated", "Indicated for a reason not yet documented"),
    OverrideReason("willdocument", "The reason will be documented"),
)


def order_card(finding: Finding) -> Card | None:
    """Return the card of findings on the orders being signed, the most severe first; None where nothing stands against them."""
    findings = sorted((f for f in finding.review.claim_findings if _concerns_orders(f, finding)), key=lambda f: f.severity != "critical")
    if not findings:
        return None
    which = "these orders" if len({source for f in findings for source in f.orders}) > 1 else "this order"
    first = _clinical(findings[0].explanation) or "the documented reasons don't cover it yet"
    blocks = [_block(f) for f in findings[:MOST]]
    if len(findings) > MOST:
        blocks.append(f"{len(findings) - MOST} more in the full review.")
    return Card(
        uuid=uuid_of(finding.review.id, Topic.ORDERS),
        topic=Topic.ORDERS,
        summary=shortened(f"Check this order: {first}" if len(findings) == 1 else f"{len(findings)} points on {which}, first: {first}"),
        detail="\n\n".join(blocks),
        indicator=Indicator.WARNING,
        override_reasons=OVERRIDE_REASONS,
    )


def _concerns_orders(finding: ClaimFinding, found: Finding) -> bool:
    """Tell whether a finding is about an order being signed, or names it or a diagnosis given as its reason; other drafts of the chart don't count."""
    signed = found.request.context.sources
    if finding.orders:
        return not signed.isdisjoint(finding.orders)
    named = set(finding.codes)
    orders = [o for o in found.record.orders if o.source in signed]
    return any(c.code in named for o in orders for concept in (o.concept, *o.reasons) for c in concept.codings)


def _clinical(text: str) -> str:
    """Return the sentences that a clinician's card may hold: those that don't speak of payment."""
    return " ".join(s for s in _SENTENCE.split(text.strip()) if s and not speaks_of_payment(s))


def _block(finding: ClaimFinding) -> str:
    explanation = escaped(_clinical(finding.explanation) or "The documented reasons don’t cover it yet.")
    lines = [f"**{escaped(', '.join(finding.codes))}**: {explanation}" if finding.codes else explanation]
    remedy = _clinical(finding.remedy)
    if remedy:
        lines += ["", escaped(remedy)]
    lines += ["", f"Source: {escaped(finding.table)}, {escaped(finding.version)}."]
    return "\n".join(lines)
