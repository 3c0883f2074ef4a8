"""The card of procedures, drugs and supplies that are documented and that the chart doesn't code yet."""

from __future__ import annotations

from cds_service.hooks.card import Card, Indicator, OverrideReason, Topic, uuid_of
from cds_service.hooks.registry import Finding
from cds_service.hooks.words import escaped, how_sure, quoted, shortened
from cds_service.review.model import CodeAssignment
from fhir_mappers import EncounterRecord, Note

MOST = 5  # codes of one card; the review shows all
_EXCERPTS = 2
OVERRIDE_REASONS = (
    OverrideReason("notperformed", "Not performed at this encounter"),
    OverrideReason("alreadycoded", "Already coded elsewhere"),
)


def procedure_card(finding: Finding) -> Card | None:
    """Return the card of documented procedures and supplies without a code in the chart; None where there is none.

    It informs only: no suggestion writes a procedure.
    """
    charted = _charted(finding.record)
    wanted = [a for a in (*finding.review.procedures, *finding.review.supplies) if (a.system, a.code) not in charted]
    if not wanted:
        return None
    notes = {n.source: n for n in finding.record.notes}
    blocks = [_block(at, one, notes) for at, one in enumerate(wanted[:MOST], 1)]
    if len(wanted) > MOST:
        blocks.append(f"{len(wanted) - MOST} more in the full review.")
    first = wanted[0]
    told = f"Documented, not coded in the chart: {first.code} {first.display}" if len(wanted) == 1 else _several(wanted, finding)
    return Card(
        uuid=uuid_of(finding.review.id, Topic.PROCEDURES),
        topic=Topic.PROCEDURES,
        summary=shortened(told),
        detail="\n\n".join(blocks),
        indicator=Indicator.INFO,
        override_reasons=OVERRIDE_REASONS,
    )


def _several(wanted: list[CodeAssignment], finding: Finding) -> str:
    supplies = sum(a in finding.review.supplies for a in wanted)
    what = [f"{len(wanted) - supplies} procedures"] if len(wanted) > supplies else []
    if supplies:
        what.append(f"{supplies} drugs or supplies")
    return f"Documented, not coded in the chart: {' and '.join(what)}"


def _charted(record: EncounterRecord) -> frozenset[tuple[str, str]]:
    concepts = (*(p.concept for p in record.procedures), *(o.concept for o in record.orders))
    return frozenset((c.system, c.code) for concept in concepts for c in concept.codings)


def _block(number: int, one: CodeAssignment, notes: dict[str, Note]) -> str:
    count = f", {one.units} {'unit' if one.units == 1 else 'units'}" if one.units is not None else ""
    lines = [f"{number}. **{escaped(one.code)}** {escaped(one.display)}{count} ({how_sure(one.confidence)})"]
    return "\n".join((*lines, *(f"   - {quoted(e, notes)}" for e in one.evidence[:_EXCERPTS])))
