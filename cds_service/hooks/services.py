"""The built-in CDS services. They enter by the same door as any other."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from cds_service.hooks.card import Card, Indicator
from cds_service.hooks.coverage import unread_card
from cds_service.hooks.diagnoses import diagnosis_card
from cds_service.hooks.gaps import gap_card
from cds_service.hooks.orders import order_card
from cds_service.hooks.problems import problem_cards
from cds_service.hooks.procedures import procedure_card
from cds_service.hooks.registry import Finding, Registry, Service
from cds_service.hooks.template import Template

_USAGE = (
    "Send the notes with the prefetch, or fhirServer and fhirAuthorization with read access to them. Suggestions are for review by a "
    "clinician or coder; nothing is written without a person's decision. English notes of US care."
)

_PATIENT = Template("Patient/{{context.patientId}}")
_ENCOUNTER = Template("Encounter/{{context.encounterId}}")


def _of_patient(resource_type: str, more: str = "") -> Template:
    return Template(f"{resource_type}?patient={{{{context.patientId}}}}{more}")


_CHART = {
    "patient": _PATIENT,
    "encounter": _ENCOUNTER,
    "notes": _of_patient("DocumentReference", "&status=current&_sort=-date&_count=50"),
    "conditions": _of_patient("Condition", "&_count=200"),
    "laboratory": _of_patient("Observation", "&category=laboratory&_sort=-date&_count=200"),
    "vitals": _of_patient("Observation", "&category=vital-signs&_sort=-date&_count=50"),
    "medications": _of_patient("MedicationRequest", "&_count=100"),
    "reports": _of_patient("DiagnosticReport", "&_sort=-date&_count=50"),
    "procedures": _of_patient("Procedure", "&_sort=-date&_count=50"),
    "orders": _of_patient("ServiceRequest", "&_count=100"),
    "allergies": _of_patient("AllergyIntolerance", "&_count=50"),
}
# Where a visit is read as a whole, documents that an EHR keeps in two more forms count as notes too, and drugs
# given are coded for outpatients. Not every EHR serves them.
_VISIT = {
    **_CHART,
    "compositions": _of_patient("Composition", "&_sort=-date&_count=50"),
    "impressions": _of_patient("ClinicalImpression", "&_sort=-date&_count=50"),
    "administrations": _of_patient("MedicationAdministration", "&_sort=-effective-time&_count=100"),
}
_ORDERING = {**_CHART, "coverages": _of_patient("Coverage", "&status=active")}


def _on_opening(finding: Finding) -> Sequence[Card]:
    return _present(diagnosis_card(finding), gap_card(finding), procedure_card(finding)) or _present(unread_card(finding))


def _at_start(finding: Finding) -> Sequence[Card]:
    # Nothing of this encounter is documented yet: what earlier notes leave open can be settled, but no diagnosis is proposed.
    return _present(gap_card(finding))


def _at_discharge(finding: Finding) -> Sequence[Card]:
    # The record closes: an open question weighs more than one more code.
    cards = _present(gap_card(finding, indicator=Indicator.WARNING), diagnosis_card(finding), procedure_card(finding))
    return cards or _present(unread_card(finding))


def _on_order(finding: Finding) -> Sequence[Card]:
    return _present(order_card(finding))


def _present(*cards: Card | None) -> list[Card]:
    return [c for c in cards if c is not None]


BUILT_IN = (
    Service(
        "coding-review",
        "patient-view",
        "1.0",
        "Coding review",
        "Suggests visit diagnoses that the notes support, with the words that support them, and asks about gaps in the documentation.",
        _USAGE,
        MappingProxyType(_VISIT),
        frozenset({"patient", "notes"}),
        _on_opening,
    ),
    Service(
        "coding-review-start",
        "encounter-start",
        "1.0",
        "Open questions at the start of a visit",
        "Asks about gaps in the documentation of earlier visits that this one can settle.",
        _USAGE,
        MappingProxyType(_VISIT),
        frozenset({"patient", "notes"}),
        _at_start,
    ),
    Service(
        "coding-review-discharge",
        "encounter-discharge",
        "1.0",
        "Coding review at discharge",
        "Asks about gaps in the documentation before the encounter closes, and suggests diagnoses that the notes support.",
        _USAGE,
        MappingProxyType(_VISIT),
        frozenset({"patient", "encounter", "notes"}),
        _at_discharge,
    ),
    Service(
        "order-claim-check",
        "order-sign",
        "1.1",
        "Check of an order against the documentation",
        "Tells, before signing, where the documented reasons don't support an order.",
        _USAGE,
        MappingProxyType(_ORDERING),
        frozenset({"patient"}),
        _on_order,
    ),
    Service(
        "problem-specificity",
        "problem-list-item-create",
        "1.0",
        "More specific problem",
        "Offers the more specific problem where the notes say more than the one being added.",
        _USAGE,
        MappingProxyType(_CHART),
        frozenset({"patient", "notes"}),
        problem_cards,
    ),
)


def built_in_registry() -> Registry:
    """Return a registry of the built-in services."""
    return Registry(BUILT_IN)
