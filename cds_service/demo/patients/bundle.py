"""A patient's folder as a FHIR R4 transaction Bundle of PUT requests with fixed ids, so that loading twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cds_service.demo.patients.documents import documents
from cds_service.demo.patients.folder import ChartFolder, catalogue, clinic
from cds_service.demo.patients.results import observations

Resource = dict[str, Any]

SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_CODE_SYSTEMS = {
    "loinc": "http://loinc.org",
    "snomed": SNOMED,
    "hcpcs": "http://terminology.hl7.org/CodeSystem/HCPCS-all-codes",
    "icd10": ICD10CM,
    "rxnorm": RXNORM,
}
_CLASSES = {"AMB": "ambulatory", "IMP": "inpatient encounter", "EMER": "emergency"}


def clinic_bundle() -> Resource:
    """Return the transaction with the organisation, the payers and the practitioners."""
    shared = clinic()
    organization = shared["organization"]
    resources: list[Resource] = [{"resourceType": "Organization", "id": organization["id"], "active": True, "name": organization["name"]}]
    resources += [{"resourceType": "Organization", "id": f"payer-{key}", "active": True, "name": payer["name"]} for key, payer in shared["payers"].items()]
    resources += [
        {
            "resourceType": "Practitioner",
            "id": key,
            "active": True,
            "name": [{"text": person["name"], "family": person["family"], "given": [person["given"]]}],
            "qualification": [{"code": {"text": person["role"]}}],
        }
        for key, person in shared["practitioners"].items()
    ]
    return _transaction(resources)


def patient_bundle(folder: ChartFolder) -> Resource:
    """Return the transaction with everything of one patient."""
    return _transaction(_resources(folder))


def _transaction(resources: Iterable[Resource]) -> Resource:
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in resources],
    }


def _resources(folder: ChartFolder) -> Iterator[Resource]:
    chart = folder.chart()
    yield _patient(folder.slug, chart)
    yield _encounter(folder.slug, chart["encounter"], encounter_id(folder.slug), "in-progress")
    for visit in chart.get("earlier", []):
        yield _encounter(folder.slug, visit, encounter_id(folder.slug, visit["id"]), "finished")
    yield _coverage(folder.slug, chart)
    for build in (_conditions, _allergies, observations, _medications, _orders, _procedures, _devices):
        yield from build(folder.slug, chart)
    yield from documents(folder, chart)


def _patient(slug: str, chart: Resource) -> Resource:
    person = chart["patient"]
    return {
        "resourceType": "Patient",
        "id": slug,
        "meta": {"tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST", "display": "test health data"}]},
        "identifier": [{"system": "urn:oid:1.2.3.4.5.1", "value": person["mrn"]}],
        "active": True,
        "name": [{"use": "official", "text": f"{person['given']} {person['family']}", "family": person["family"], "given": [person["given"]]}],
        "gender": person["gender"],
        "birthDate": person["birthDate"],
        "managingOrganization": {"reference": f"Organization/{clinic()['organization']['id']}"},
    }


def _encounter(slug: str, visit: Resource, identity: str, status: str) -> Resource:
    resource: Resource = {
        "resourceType": "Encounter",
        "id": identity,
        "status": status,
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": visit["class"], "display": _CLASSES[visit["class"]]},
        "type": [{"text": visit["title"]}],
        "subject": {"reference": f"Patient/{slug}"},
        "participant": [{"individual": practitioner(visit["attending"])}],
        "period": {"start": visit["start"]} | ({"end": visit["end"]} if "end" in visit else {}),
        "reasonCode": [{"text": visit["reason"]}],
        "serviceProvider": {"reference": f"Organization/{clinic()['organization']['id']}"},
    }
    if "disposition" in visit:
        resource["hospitalization"] = {"dischargeDisposition": {"text": visit["disposition"]}}
    return resource


def _coverage(slug: str, chart: Resource) -> Resource:
    payer = clinic()["payers"][chart["payer"]]
    code, display = payer["type"]
    return {
        "resourceType": "Coverage",
        "id": f"{slug}-coverage",
        "status": "active",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code, "display": display}]},
        "subscriberId": f"{chart['patient']['mrn']}-S",
        "beneficiary": {"reference": f"Patient/{slug}"},
        "payor": [{"reference": f"Organization/payer-{chart['payer']}", "display": payer["name"]}],
    }


def _conditions(slug: str, chart: Resource) -> Iterator[Resource]:
    for number, problem in enumerate(chart.get("problems", []), 1):
        coding = [{"system": SNOMED, "code": problem["snomed"], "display": problem["name"]}] if "snomed" in problem else []
        coding += [{"system": ICD10CM, "code": problem["icd10"]}] if "icd10" in problem else []
        code = ({"coding": coding} if coding else {}) | {"text": problem["name"]}
        dates = {name: problem[key] for name, key in (("onsetDateTime", "onset"), ("recordedDate", "recorded")) if key in problem}
        yield _condition(slug, f"{slug}-problem-{number}", "problem-list-item", code, problem.get("status", "active")) | dates
    for visit in chart.get("earlier", []):
        for number, (code, name) in enumerate(visit.get("diagnoses", []), 1):
            concept = {"coding": [{"system": ICD10CM, "code": code, "display": name}], "text": name}
            place = {"encounter": {"reference": f"Encounter/{encounter_id(slug, visit['id'])}"}, "recordedDate": visit["start"]}
            yield _condition(slug, f"{slug}-{visit['id']}-diagnosis-{number}", "encounter-diagnosis", concept, "active") | place


def _condition(slug: str, identity: str, category: str, code: Resource, status: str) -> Resource:
    return {
        "resourceType": "Condition",
        "id": identity,
        "clinicalStatus": _coded("http://terminology.hl7.org/CodeSystem/condition-clinical", status),
        "verificationStatus": _coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
        "category": [_coded("http://terminology.hl7.org/CodeSystem/condition-category", category)],
        "code": code,
        "subject": {"reference": f"Patient/{slug}"},
    }


def _allergies(slug: str, chart: Resource) -> Iterator[Resource]:
    for number, allergy in enumerate(chart.get("allergies", []), 1):
        yield {
            "resourceType": "AllergyIntolerance",
            "id": f"{slug}-allergy-{number}",
            "clinicalStatus": _coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active"),
            "verificationStatus": _coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "confirmed"),
            "code": {"text": allergy["name"]},
            "patient": {"reference": f"Patient/{slug}"},
            "reaction": [{"manifestation": [{"text": allergy["reaction"]}]}],
        }


def _medications(slug: str, chart: Resource) -> Iterator[Resource]:
    for number, (drug, sig, since) in enumerate(chart.get("medications", []), 1):
        yield {
            "resourceType": "MedicationRequest",
            "id": f"{slug}-medication-{number}",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": catalogue()["drugs"][drug], "display": drug}], "text": f"{drug} {sig}"},
            "subject": {"reference": f"Patient/{slug}"},
            "authoredOn": since,
            "requester": practitioner(chart["encounter"]["attending"]),
            "dosageInstruction": [{"text": sig}],
        }


def _orders(slug: str, chart: Resource) -> Iterator[Resource]:
    visit = chart["encounter"]
    for number, order in enumerate(chart.get("orders", []), 1):
        concept: Resource = {"text": order["name"]}
        if "code" in order:
            system, code = order["code"]
            concept["coding"] = [{"system": _CODE_SYSTEMS[system], "code": code, "display": order["name"]}]
        device = order.get("kind") == "device"
        yield {
            "resourceType": "DeviceRequest" if device else "ServiceRequest",
            "id": f"{slug}-order-{number}",
            "status": order.get("status", "draft"),
            "intent": "order",
            ("codeCodeableConcept" if device else "code"): concept,
            "subject": {"reference": f"Patient/{slug}"},
            "encounter": {"reference": f"Encounter/{encounter_id(slug)}"},
            "authoredOn": order.get("date", visit["start"]),
            "requester": practitioner(visit["attending"]),
        } | ({"reasonCode": [_reason(reason) for reason in order["reasons"]]} if "reasons" in order else {})


def _procedures(slug: str, chart: Resource) -> Iterator[Resource]:
    for number, procedure in enumerate(chart.get("procedures", []), 1):
        yield {
            "resourceType": "Procedure",
            "id": f"{slug}-procedure-{number}",
            "status": "completed",
            "code": {"text": procedure["name"]},
            "subject": {"reference": f"Patient/{slug}"},
            "performedDateTime": procedure["date"],
        } | ({"bodySite": [{"text": procedure["site"]}]} if "site" in procedure else {})


def _devices(slug: str, chart: Resource) -> Iterator[Resource]:
    for number, name in enumerate(chart.get("devices", []), 1):
        identity = {"resourceType": "Device", "id": f"{slug}-device-{number}", "status": "active"}
        yield identity | {"type": {"text": name}, "patient": {"reference": f"Patient/{slug}"}}


def _reason(reason: list[str]) -> Resource:
    code, text = reason
    return {"coding": [{"system": ICD10CM, "code": code}], "text": text}


def _coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def encounter_id(slug: str, earlier: str | None = None) -> str:
    """Return the id of a patient's encounter of today, or of an earlier one by its key in the chart."""
    return f"{slug}-{earlier or 'encounter'}"


def practitioner(key: str) -> Resource:
    """Return a reference to a practitioner of the clinic, with the name to show."""
    return {"reference": f"Practitioner/{key}", "display": clinic()["practitioners"][key]["name"]}
