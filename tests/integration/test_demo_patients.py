"""The demo's patients are what the demo promises: valid FHIR R4, realistic, synthetic, and the cases that the review must tell apart."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from cds_service.demo.patients import ChartFolder, chart_folders, clinic_bundle, patient_bundle

FOLDERS = chart_folders()


def resources(folder: ChartFolder) -> list[dict[str, Any]]:
    """Return all resources of a patient's transaction."""
    return [entry["resource"] for entry in patient_bundle(folder)["entry"]]


def folder(slug: str) -> ChartFolder:
    """Return one patient's folder."""
    return next(f for f in FOLDERS if f.slug == slug)


@pytest.mark.parametrize("bundle", [clinic_bundle(), *map(patient_bundle, FOLDERS)], ids=["clinic", *(f.slug for f in FOLDERS)])
def test_every_resource_is_valid_r4(bundle: dict[str, Any]) -> None:
    """Each resource, and the transaction itself, passes the R4B models of fhir.resources."""
    get_fhir_model_class("Bundle").model_validate(bundle)
    for entry in bundle["entry"]:
        get_fhir_model_class(entry["resource"]["resourceType"]).model_validate(entry["resource"])


def test_ids_are_unique_and_legal() -> None:
    """Ids are 1 to 64 characters of A-Z, a-z, 0-9, '-' and '.', and no resource overwrites another."""
    seen = [f"{r['resourceType']}/{r['id']}" for f in FOLDERS for r in resources(f)]
    assert len(seen) == len(set(seen))
    assert [s for s in seen if not re.fullmatch(r"[A-Za-z]+/[A-Za-z0-9.-]{1,64}", s)] == []


def test_every_reference_leads_somewhere() -> None:
    """A reference names a resource of the same patient or of the shared clinic."""
    shared = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in clinic_bundle()["entry"]}
    for f in FOLDERS:
        own = {f"{r['resourceType']}/{r['id']}" for r in resources(f)}
        named = set(re.findall(r"'(?:reference|url)': '([A-Z][A-Za-z]+/[A-Za-z0-9.-]+)'", repr(resources(f))))
        assert named - own - shared == set(), f.slug


def test_at_least_twelve_patients_of_the_promised_fields() -> None:
    """Twelve patients or more; every file in a folder belongs to its chart."""
    assert len(FOLDERS) >= 12
    for f in FOLDERS:
        chart = f.chart()
        listed = {n["file"] for n in chart.get("notes", []) + chart.get("reports", [])} | {"chart.json"}
        assert {p.name for p in f.path.iterdir()} == listed, f.slug


@pytest.mark.parametrize("slug", ["dorothea-fictiva", "nora-mockingham", "ignacio-specimen"])
def test_discharge_summaries_have_a_realistic_length(slug: str) -> None:
    """A discharge summary has 800 to 1,500 words."""
    assert 800 <= len(folder(slug).content("discharge-summary.txt").split()) <= 1500


def test_formats_and_kinds_of_documents_are_all_there() -> None:
    """Plain text, HTML, RTF, C-CDA and PDF; inline, through a Binary, as Composition, ClinicalImpression and DiagnosticReport."""
    all_resources = [r for f in FOLDERS for r in resources(f)]
    types = {c["attachment"]["contentType"].split(";")[0] for r in all_resources if r["resourceType"] == "DocumentReference" for c in r["content"]}
    assert types == {"text/plain", "text/html", "application/rtf", "application/xml", "application/pdf"}
    assert {"Binary", "Composition", "ClinicalImpression", "DiagnosticReport"} <= {r["resourceType"] for r in all_resources}
    assert any("transcript" in r["type"]["text"].lower() for r in all_resources if r["resourceType"] == "DocumentReference")


def test_poor_control_on_insulin_stands_beside_documented_diabetes() -> None:
    """The phrase is in a note of a patient whose problem list documents type 2 diabetes."""
    f = folder("bertrand-sampleton")
    assert "Poor glycemic control, on insulin" in f.content("endocrinology.txt").decode()
    assert any(c.get("icd10", "").startswith("E11") for c in f.chart()["problems"])


def test_high_sugar_stands_without_diabetes() -> None:
    """No problem, medication or diagnosis of diabetes in the chart with uncontrolled sugar levels."""
    f = folder("carmen-exampleby")
    assert "Long-standing uncontrolled sugar levels" in f.content("new-patient.txt").decode()
    assert not any(c.get("icd10", "")[:3] in {"E08", "E09", "E10", "E11", "E13"} for c in f.chart()["problems"])
    assert not any(drug.startswith(("insulin", "metformin")) for drug, _, _ in f.chart()["medications"])


@pytest.mark.parametrize(
    ("slug", "file", "phrase"),
    [
        ("amalia-testwood", "visit-note.txt", "denies chest pain"),
        ("amalia-testwood", "visit-note.txt", "Mother had breast cancer"),
        ("kofi-demoson", "emergency.txt", "Rule out PE"),
    ],
)
def test_phrases_that_are_no_diagnosis_are_there(slug: str, file: str, phrase: str) -> None:
    """Denied, family and ruled-out words are in a note, so that a demo shows that they are left out."""
    assert phrase in folder(slug).content(file).decode()


def test_results_carry_flags_from_their_reference_range() -> None:
    """A value above the range is H, below L; sex decides the range of hemoglobin."""
    flags = {
        (r["subject"]["reference"], r["code"]["coding"][0]["code"], r["valueQuantity"]["value"]): r["interpretation"][0]["coding"][0]["code"]
        for f in FOLDERS
        for r in resources(f)
        if r["resourceType"] == "Observation" and "interpretation" in r
    }
    assert flags["Patient/bertrand-sampleton", "4548-4", 10.2] == "H"
    assert flags["Patient/bertrand-sampleton", "718-7", 12.4] == "L"
    assert flags["Patient/amalia-testwood", "718-7", 13.4] == "N"


def test_inline_content_is_the_file_byte_for_byte() -> None:
    """The attachment of a note decodes to the bytes of its file."""
    f = folder("edgar-mockridge")
    document = next(r for r in resources(f) if r["id"] == "edgar-mockridge-visit-note")
    assert base64.b64decode(document["content"][0]["attachment"]["data"]) == f.content("visit-note.html")
