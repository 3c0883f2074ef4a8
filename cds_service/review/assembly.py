"""Assembly: from the settled sheet to the published value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from cds_service.review.case import Case
from cds_service.review.edits import PayerView
from cds_service.review.model import (
    CodeAssignment,
    CodeSetUsed,
    CodingReview,
    DocumentationQuery,
    HccCategory,
    ModelUsed,
    NotCoded,
    ReviewCoverage,
    Role,
    SkippedNote,
)
from cds_service.review.procedures import Services
from cds_service.review.quotation import quoted
from cds_service.review.risk import in_force
from cds_service.review.sequencing import may_be_first
from cds_service.review.sheet import Line
from cds_service.review.snomed import left_open

_NAMED = 5  # problems that a warning names


def assembled(
    case: Case,
    lines: Sequence[Line],
    left_out: Sequence[NotCoded],
    queries: Sequence[DocumentationQuery],
    payer: PayerView,
    services: Services,
    *,
    id: str,
    created: datetime,
    model: ModelUsed,
    skipped: Sequence[SkippedNote] = (),
    timing_ms: Sequence[tuple[str, float]] = (),
) -> CodingReview:
    """Return the review of a case whose codes are settled and in order."""
    codes = case.codes
    model_of_risk = in_force(case.knowledge.risk, case.on)
    categories = model_of_risk.among([line.code for line in lines]) if model_of_risk else {}
    return CodingReview(
        id=id,
        created=created,
        patient=f"Patient/{case.record.patient.id}",
        encounter=f"Encounter/{case.record.encounter_id}" if case.record.encounter_id else None,
        setting=case.record.setting.value,
        code_sets=(CodeSetUsed(codes.system, codes.version, codes.effective_from, codes.effective_to), *services.code_sets),
        model=model,
        diagnoses=tuple(_assignment(case, line, categories.get(line.code, ()), payer, first=at == 0) for at, line in enumerate(lines)),
        procedures=services.procedures,
        supplies=services.supplies,
        not_coded=_unique((*left_out, *services.not_coded), {line.code for line in lines}),
        queries=tuple(sorted((*queries, *services.queries), key=lambda q: (q.priority, q.id))),
        claim_findings=payer.findings,
        denial_risk=payer.risk,
        grouping=payer.grouping,
        coverage=ReviewCoverage(tuple(n.source for n in case.notes), tuple(skipped), (*_warnings(case), *services.warnings)),
        timing_ms=tuple(timing_ms),
    )


def _assignment(case: Case, line: Line, categories: tuple[HccCategory, ...], payer: PayerView, *, first: bool) -> CodeAssignment:
    codes = case.codes
    return CodeAssignment(
        code=line.code,
        system=codes.system,
        display=codes.title(line.code),
        confidence=round(line.confidence, 4),
        role=Role.PRINCIPAL if first and may_be_first(line.code, codes) else Role.SECONDARY,
        billable=codes.is_billable(line.code),
        evidence=quoted(line),
        rationale=line.rationale,
        alternatives=line.alternatives,
        attributes=line.attributes,
        hcc=categories,
        meat=payer.support.get(line.code, ()),
        complication=payer.complications.get(line.code),
        present_on_admission=line.admission,
    )


def _unique(left_out: Iterable[NotCoded], coded: set[str]) -> tuple[NotCoded, ...]:
    """Return each code and reason once, in order of code; what is coded after all isn't listed as denied or doubted elsewhere."""
    found: dict[tuple[str, str], NotCoded] = {}
    for finding in left_out:
        if finding.code not in coded:
            found.setdefault((finding.code, finding.reason), finding)
    return tuple(found[k] for k in sorted(found))


def _warnings(case: Case) -> Iterable[str]:
    left = list(left_open(case.record, case.knowledge.maps, case.codes, case.on))
    if left:
        named = "; ".join(f"{p.source}: {', '.join(found.advice) or 'not in the map'}" for p, found in left[:_NAMED])
        yield f"{len(left)} problems in SNOMED CT have no complete code by the map. {named}"
    after = case.codes.superseded_after
    if after and case.on > after:
        yield f"The date of service {case.on} is after {after}, the last day of release {case.codes.version}: a newer release is due."
