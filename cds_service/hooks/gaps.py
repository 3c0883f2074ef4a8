"""The card of documentation questions: compliant queries (AHIMA/ACDIS 2022), shown as they are and led nowhere."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from cds_service.asking import LATER
from cds_service.hooks.card import Card, Indicator, OverrideReason, Topic, uuid_of
from cds_service.hooks.registry import Finding
from cds_service.hooks.words import escaped, quoted, shortened, speaks_of_payment
from cds_service.review.model import DocumentationQuery
from fhir_mappers import Note

_LOG = logging.getLogger(__name__)
MOST = 3  # questions of one card; the review shows all
_INDICATORS = 4
OVERRIDE_REASONS = (
    OverrideReason("alreadydocumented", "Already answered in the record"),
    OverrideReason("notrelevant", "Not clinically relevant"),
    OverrideReason(LATER, "Will be answered later"),
)


def gap_card(finding: Finding, queries: Sequence[DocumentationQuery] | None = None, *, indicator: Indicator = Indicator.INFO) -> Card | None:
    """Return the card of documentation questions (of the review, unless given), by priority; None where there is none.

    What was answered, dismissed or asked a short while ago isn't put again.
    """
    compliant = [q for q in (finding.review.queries if queries is None else queries) if _is_compliant(q)]
    ranked = sorted(finding.asking.open(compliant), key=lambda q: q.priority)
    if not ranked:
        return None
    notes = {n.source: n for n in finding.record.notes}
    blocks = [_block(q, notes) for q in ranked[:MOST]]
    if len(ranked) > MOST:
        blocks.append(f"{len(ranked) - MOST} more in the full review.")
    if quiet := len(compliant) - len(ranked):
        blocks.append(f"Not put again: {quiet} answered, dismissed or asked before. The full review shows {'it' if quiet == 1 else 'them'}.")
    return Card(
        uuid=uuid_of(finding.review.id, Topic.GAPS),
        topic=Topic.GAPS,
        summary=shortened(f"{_count(len(ranked))}: {ranked[0].title}"),
        detail="\n\n".join(blocks),
        indicator=indicator,
        override_reasons=OVERRIDE_REASONS,
        queries=tuple(q.id for q in ranked[:MOST]),
    )


def _is_compliant(query: DocumentationQuery) -> bool:
    """Hold back a query whose own words touch payment (rule 6). That is a defect of the rule, so the log names it."""
    if any(speaks_of_payment(words) for words in (query.title, query.question, *query.options)):
        _LOG.error("query held back: it speaks of payment", extra={"fields": {"rule": query.rule}})
        return False
    return True


def _count(number: int) -> str:
    return "Documentation question" if number == 1 else f"{number} documentation questions, first"


def _block(query: DocumentationQuery, notes: dict[str, Note]) -> str:
    lines = [f"**{escaped(query.title)}**", "", escaped(query.question), ""]
    lines += [f"- {quoted(e, notes)}" for e in query.indicators[:_INDICATORS]]
    lines += ["", f"Possible answers: {'; '.join(escaped(o) for o in query.options)}."]
    return "\n".join(lines)
