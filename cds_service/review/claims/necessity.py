"""Necessity: whether a diagnosis of the claim is one for which a coverage policy pays the service.

Source: local coverage determinations and their billing articles, as CMS's Medicare Coverage Database offers them for download.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from cds_service.review.claims.services import Service
from cds_service.review.codeset import ICD10CM
from cds_service.review.model import ClaimFinding


@dataclass(frozen=True, slots=True)
class CoveragePolicy:
    """One version of a billing article."""

    id: str  # "A57204"
    version: str
    title: str
    effective_from: date | None
    effective_to: date | None
    services: frozenset[str]  # HCPCS and CPT codes
    covered: frozenset[str]  # diagnosis codes that support them; empty: the policy lists none
    excluded: frozenset[str]  # diagnosis codes that never do

    def in_force(self, on: date) -> bool:
        """Tell whether the policy applies on a date of service."""
        return (self.effective_from is None or self.effective_from <= on) and (self.effective_to is None or on <= self.effective_to)


def necessity_findings(
    services: Sequence[Service], diagnoses: Sequence[str], policies: Mapping[str, tuple[CoveragePolicy, ...]]
) -> tuple[ClaimFinding, ...]:
    """Return the services that no diagnosis supports.

    Args:
        services: procedures done and draft orders; an order that names reasons is judged by them alone.
        diagnoses: codes of the claim, for services that name none.
        policies: by service code.
    """
    asked = ((service, policy) for service in services for policy in policies.get(service.code, ()) if policy.in_force(service.day))
    return tuple(finding for service, policy in asked for finding in _judged(service, diagnoses, policy))


def _judged(service: Service, diagnoses: Sequence[str], policy: CoveragePolicy) -> Iterator[ClaimFinding]:
    own = tuple(code for reason in service.reasons if (code := reason.code_in(ICD10CM)))
    given = own or tuple(diagnoses)
    orders = (service.source,) if service.is_order else ()
    table = f"Coverage article {policy.id}: {policy.title}"
    period = (policy.effective_from, policy.effective_to)
    refused = [code for code in given if code in policy.excluded]
    if refused and len(refused) == len(given):
        text = f"{policy.id} doesn't cover {service.code} for {', '.join(refused)}."
        remedy = "Code the covered condition if the record documents one; else have the patient sign an advance notice (ABN) before the service."
        yield ClaimFinding("coverage.excluded", (service.code, *refused), table, policy.version, text, remedy, "critical", orders, *period)
    elif policy.covered and not any(code in policy.covered for code in given):
        supporting = [code for code in diagnoses if code in policy.covered]
        text = f"{policy.id} lists no diagnosis given for {service.code} as supporting it."
        remedy = (
            f"The record also supports {', '.join(supporting[:3])}, which the policy covers: give it as the indication if it is the reason."
            if supporting
            else "Give the covered condition if the record documents one; else have the patient sign an advance notice (ABN) before the service."
        )
        yield ClaimFinding("coverage.not-listed", (service.code, *given), table, policy.version, text, remedy, "warning", orders, *period)
