"""Structured resources -> problems, medications, orders, procedures, allergies, devices and coverage.

Each function reads one resource and raises `BadResource` where it says too little to be used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_mappers import elements
from fhir_mappers.chart import Chart, Entry
from fhir_mappers.errors import BadResource
from fhir_mappers.record import Allergy, Concept, Coverage, Device, Medication, Order, Patient, Problem, ProcedureDone

_MEDICATION_KINDS = {
    "MedicationRequest": "request",
    "MedicationOrder": "request",  # DSTU2 name
    "MedicationStatement": "statement",
    "MedicationUsage": "statement",  # R5 ballot name
    "MedicationAdministration": "administration",
}


def _named(found: Concept | None, element: str) -> Concept:
    if found is None:
        raise BadResource(f"It has no {element}.", "Send a code or a text.")
    return found


def patient(entry: Entry, chart: Chart) -> Patient:
    """Patient -> who is treated."""
    resource = entry.resource
    deceased = resource.get("deceasedBoolean") is True or isinstance(resource.get("deceasedDateTime"), str)
    return Patient(
        id=elements.text(resource, "id") or entry.source,
        birth_date=chart.day(resource.get("birthDate"), entry.source, "birthDate"),
        gender=(elements.text(resource, "gender") or "").lower() or None,
        deceased=deceased,
    )


def problem(entry: Entry, chart: Chart) -> Problem:
    """Condition -> problem-list item or encounter diagnosis. Without a category, an item that names an encounter is a diagnosis of it."""
    resource, source = entry.resource, entry.source
    categories = {c.code.lower() for found in elements.concepts(resource, "category") for c in found.codings}
    categories |= {found.text.lower() for found in elements.concepts(resource, "category") if found.text}
    diagnosis = any("encounter" in c and "diagnos" in c for c in categories) or "diagnosis" in categories
    if not categories:
        diagnosis = bool(encounter_references(resource))
    return Problem(
        source=source,
        concept=_named(elements.concept(resource.get("code")), "code"),
        category="encounter-diagnosis" if diagnosis else "problem-list-item",
        clinical_status=elements.code(resource, "clinicalStatus"),
        verification_status=elements.code(resource, "verificationStatus"),
        onset=chart.day(resource.get("onsetDateTime") or elements.child(resource, "onsetPeriod").get("start"), source, "onset"),
        recorded=chart.day(resource.get("recordedDate") or resource.get("assertedDate") or resource.get("dateRecorded"), source, "recordedDate"),
        body_sites=elements.concepts(resource, "bodySite"),
    )


def medication(entry: Entry, chart: Chart) -> Medication:
    """MedicationRequest, MedicationStatement, MedicationAdministration -> a drug, named by code or by the Medication it refers to."""
    resource, source = entry.resource, entry.source
    found = _medication_concept(resource, chart)
    dosages = [*elements.children(resource, "dosageInstruction"), *elements.children(resource, "dosage")]
    given = elements.child(resource, "dosage")
    dose, route = elements.child(given, "dose"), elements.concept(given.get("route"))
    dated = resource.get("authoredOn") or resource.get("dateWritten")
    return Medication(
        source=source,
        concept=_named(found, "medicationCodeableConcept, and its medicationReference leads to no medication in the input"),
        status=elements.code(resource, "status"),
        kind=_MEDICATION_KINDS[entry.type],
        date=chart.moment(dated, source, "authoredOn") if dated else chart.first_moment(source, resource, "effective"),
        dosage="; ".join(t for d in dosages if (t := elements.text(d, "text") or elements.text(d, "patientInstruction"))) or None,
        reasons=chart.reasons(resource),
        dose=elements.number(dose.get("value")),
        dose_unit=elements.text(dose, "code") or elements.text(dose, "unit"),
        route=(route.label or None) if route else None,
    )


def _medication_concept(resource: Mapping[str, Any], chart: Chart) -> Concept | None:
    coded = elements.concept(resource.get("medicationCodeableConcept"))
    if coded:
        return coded
    named = elements.child(resource, "medicationReference")
    if not named and (r5 := elements.child(resource, "medication")):  # R5: CodeableReference
        if concept := elements.concept(r5.get("concept")):
            return concept
        named = elements.child(r5, "reference")
    target = chart.resolve(elements.text(named, "reference"), resource)
    return (elements.concept(target.get("code")) if target else None) or elements.concept(named.get("display"))


def order(entry: Entry, chart: Chart) -> Order:
    """ServiceRequest, DeviceRequest -> an order; a draft keeps its status."""
    resource, source = entry.resource, entry.source
    found = elements.concept(resource.get("code")) or elements.concept(resource.get("codeCodeableConcept"))
    if found is None:
        named = elements.child(resource, "codeReference")
        target = chart.resolve(elements.text(named, "reference"), resource)
        found = (elements.concept(target.get("type")) if target else None) or elements.concept(named.get("display"))
    quantity = elements.child(resource, "quantityQuantity").get("value")
    parameters = (elements.child(p, "valueQuantity").get("value") for p in elements.children(resource, "parameter"))
    return Order(
        source=source,
        concept=_named(found, "code"),
        status=elements.code(resource, "status"),
        intent=elements.code(resource, "intent"),
        date=chart.moment(resource.get("authoredOn"), source, "authoredOn"),
        reasons=chart.reasons(resource),
        quantity=next((n for v in (quantity, *parameters) if (n := elements.number(v)) is not None), None),
    )


def procedure(entry: Entry, chart: Chart) -> ProcedureDone:
    """Procedure -> a procedure performed; one not done is refused."""
    resource, source = entry.resource, entry.source
    status = elements.code(resource, "status")
    if status == "not-done" or resource.get("notDone") is True:
        raise BadResource("The procedure was not done.", "Nothing to do: it is left out of coding.")
    performed = chart.first_moment(source, resource, "performed") or chart.first_moment(source, resource, "occurrence")
    return ProcedureDone(source, _named(elements.concept(resource.get("code")), "code"), status, performed, elements.concepts(resource, "bodySite"))


def allergy(entry: Entry, _chart: Chart) -> Allergy:
    """AllergyIntolerance -> an allergy, named by its code or by the substance of its first reaction."""
    resource = entry.resource
    reacted = next((c for r in elements.children(resource, "reaction") if (c := elements.concept(r.get("substance")))), None)
    found = elements.concept(resource.get("code")) or elements.concept(resource.get("substance")) or reacted
    return Allergy(entry.source, _named(found, "code"), elements.code(resource, "clinicalStatus"))


def device(entry: Entry, _chart: Chart) -> Device:
    """Device -> a device of the patient, named by its type, its name or its model."""
    resource = entry.resource
    names = (elements.text(n, "name") for n in elements.children(resource, "deviceName"))
    words = next((n for n in (*names, elements.text(resource, "modelNumber"), elements.text(resource, "model")) if n), None)
    return Device(entry.source, _named(elements.concept(resource.get("type")) or elements.concept(words), "type or name"))


def coverage(entry: Entry, chart: Chart) -> Coverage:
    """Coverage -> who pays."""
    resource = entry.resource
    payers = [*elements.children(resource, "payor"), *elements.children(resource, "insurer")]
    payer = next((elements.text(p, "display") for p in payers if elements.text(p, "display")), None)
    for named in payers:
        target = chart.resolve(elements.text(named, "reference"), resource)
        payer = payer or (elements.text(target, "name") if target else None)
    return Coverage(entry.source, payer, elements.concept(resource.get("type")))


def encounter_references(resource: Mapping[str, Any]) -> list[str]:
    """Return the references to encounters of a resource: R4 `encounter`, STU3 and R5 `context`, R4 DocumentReference `context.encounter`."""
    contexts = list(elements.children(resource, "context"))
    named = [*elements.children(resource, "encounter"), *contexts, *(e for c in contexts for e in elements.children(c, "encounter"))]
    return [ref for item in named if (ref := elements.text(item, "reference"))]
