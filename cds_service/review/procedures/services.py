"""Which code system names what was done: the setting decides."""

from __future__ import annotations

from cds_service.review.case import Case
from cds_service.review.codeset import CodeSet
from cds_service.review.model import CodeSetUsed
from cds_service.review.procedures.coding import Services, inpatient_services
from cds_service.review.procedures.outpatient import outpatient_procedures
from cds_service.review.procedures.supplies import supplies
from fhir_mappers.systems import CPT, HCPCS


def services(case: Case) -> Services:
    """Return procedures and supplies of a case: ICD-10-PCS for inpatients, else CPT and HCPCS Level II (45 CFR 162.1002)."""
    if case.inpatient:
        return inpatient_services(case)
    cpt, hcpcs = (_in_force(case, system) for system in (CPT, HCPCS))
    releases = tuple(r for r in (cpt, hcpcs) if r is not None)
    if not releases:
        return Services()
    procedures, left = outpatient_procedures(case, releases)
    given = supplies(case, hcpcs) if hcpcs else None
    coded = (*procedures, *(given.coded if given else ()))
    used = tuple(CodeSetUsed(r.system, r.version, r.effective_from, r.effective_to) for r in releases if any(a.system == r.system for a in coded))
    return Services(procedures, given.coded if given else (), (*left, *(given.not_coded if given else ())), (), used)


def _in_force(case: Case, system: str) -> CodeSet | None:
    """Return the release of a day, of those that hold codes until the end of it."""
    return next((r for r in reversed(case.knowledge.code_sets.of(system)) if r.in_force(case.on)), None)
