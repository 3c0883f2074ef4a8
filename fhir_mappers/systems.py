"""URIs of the terminologies that clinical resources are coded in, and the short code lists that reading depends on."""

from __future__ import annotations

from fhir_mappers.record import Setting

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
NDC = "http://hl7.org/fhir/sid/ndc"
CPT = "http://www.ama-assn.org/go/cpt"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
UCUM = "http://unitsofmeasure.org"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONDITION_CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
CONDITION_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
CONDITION_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
OBSERVATION_VALUE = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
PROVENANCE_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
DATA_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
CLAIM_TYPE = "http://terminology.hl7.org/CodeSystem/claim-type"
DIAGNOSIS_TYPE = "http://terminology.hl7.org/CodeSystem/ex-diagnosistype"
INFORMATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/claiminformationcategory"
PRESENT_ON_ADMISSION = "https://www.nubc.org/CodeSystem/PresentOnAdmissionIndicator"
PRIORITY = "http://terminology.hl7.org/CodeSystem/processpriority"
RELATED_CLAIM = "http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship"

# What servers write instead of the URI: OIDs (with and without urn:oid:), older and misspelt URIs. Source of the OIDs: HL7 OID registry.
_ALIASES = {
    "2.16.840.1.113883.6.90": ICD10CM,
    "http://hl7.org/fhir/sid/icd-10": ICD10CM,  # used for ICD-10-CM by US servers; a code that ICD-10-CM lacks is found out later
    "http://www.icd10data.com/icd10cm": ICD10CM,
    "icd-10-cm": ICD10CM,
    "icd10cm": ICD10CM,
    "2.16.840.1.113883.6.4": ICD10PCS,
    "http://hl7.org/fhir/sid/icd-10-pcs": ICD10PCS,
    "http://www.icd10data.com/icd10pcs": ICD10PCS,
    "2.16.840.1.113883.6.103": ICD9CM,
    "2.16.840.1.113883.6.96": SNOMED,
    "http://www.snomed.org": SNOMED,
    "http://snomed.info/sct/731000124108": SNOMED,
    "2.16.840.1.113883.6.1": LOINC,
    "https://loinc.org": LOINC,
    "2.16.840.1.113883.6.88": RXNORM,
    "https://www.nlm.nih.gov/research/umls/rxnorm": RXNORM,
    "2.16.840.1.113883.6.69": NDC,
    "2.16.840.1.113883.6.12": CPT,
    "2.16.840.1.113883.6.285": HCPCS,
    "http://www.nlm.nih.gov/research/umls/hcpcs": HCPCS,
    "http://terminology.hl7.org/codesystem/hcpcs-all-codes": HCPCS,
    "https://www.cms.gov/medicare/coding/hcpcsreleasecodesets": HCPCS,
    "http://www.cms.gov/medicare/coding/hcpcsreleasecodesets": HCPCS,
    "http://hl7.org/fhir/sid/icd-10-us": ICD10CM,
    "2.16.840.1.113883.6.8": UCUM,
    "http://hl7.org/fhir/v3/actcode": ACT_CODE,
    "2.16.840.1.113883.5.4": ACT_CODE,
}


def canonical(uri: str) -> str:
    """Return the URI that this package uses for the code system that `uri` names; an unknown one comes back as it is."""
    plain = uri.strip().rstrip("/")
    return _ALIASES.get(plain.removeprefix("urn:oid:").lower(), plain)


# Encounter.class -> setting. Observation status is an outpatient service (Medicare Benefit Policy Manual, chapter 6, section 20.6;
# ICD-10-CM guidelines, section IV.A.2 "Observation stay").
ENCOUNTER_CLASSES: dict[str, Setting] = {
    "AMB": Setting.OUTPATIENT,
    "VR": Setting.OUTPATIENT,
    "HH": Setting.OUTPATIENT,
    "FLD": Setting.OUTPATIENT,
    "SS": Setting.OUTPATIENT,
    "OBSENC": Setting.OUTPATIENT,
    "PRENC": Setting.OUTPATIENT,
    "EMER": Setting.EMERGENCY,
    "IMP": Setting.INPATIENT,
    "ACUTE": Setting.INPATIENT,
    "NONAC": Setting.INPATIENT,
    # STU3 and v2 words that R4 servers still send
    "INPATIENT": Setting.INPATIENT,
    "OUTPATIENT": Setting.OUTPATIENT,
    "AMBULATORY": Setting.OUTPATIENT,
    "EMERGENCY": Setting.EMERGENCY,
    "VIRTUAL": Setting.OUTPATIENT,
    "HOME": Setting.OUTPATIENT,
    "FIELD": Setting.OUTPATIENT,
    "DAYTIME": Setting.OUTPATIENT,
}

# LOINC codes of vital signs (US Core vital signs profiles): they tell the category where a server leaves it out.
VITAL_SIGNS = frozenset(
    {
        "85353-1", "9279-1", "8867-4", "2708-6", "59408-5", "8310-5", "8302-2", "9843-4", "29463-7", "39156-5", "85354-9", "8480-6", "8462-4",
        "3150-6", "3151-8", "8289-1", "59576-9", "77606-2", "8306-3", "8287-5", "3141-9", "8277-6",
    }
)  # fmt: skip

# LOINC document types and categories (LP...: radiology, pathology) that are reports of a test, not a provider's diagnostic statement.
REPORT_TYPES = frozenset(
    {
        "18748-4", "11502-2", "11526-1", "60568-3", "11522-0", "18752-6", "18745-0", "11524-6", "28010-7", "24627-2", "30746-2", "36643-5", "37637-0",
        "LP29684-5", "LP7839-6", "47045-0", "18782-3", "11525-3", "18760-9", "26436-6", "27898-6", "60567-5", "22634-0", "22637-3", "33717-0", "34120-6",
        "68604-8",
    }
)  # fmt: skip

# LOINC document types that are notes of a clinician, also where a server sends them as DiagnosticReport (US Core, "Clinical Notes").
NOTE_TYPES = frozenset(
    {
        "11488-4", "11504-8", "11506-3", "18842-5", "28570-0", "34111-5", "34117-2", "51847-2", "34133-9", "34109-9", "34748-4", "34746-8", "34099-2",
        "34101-6", "34130-5", "34131-3", "59258-4", "34878-9", "57133-1", "68609-7",
    }
)  # fmt: skip
