"""The demo's synthetic patients: readable notes beside one compact chart file each, assembled to FHIR R4."""

from cds_service.demo.patients.bundle import clinic_bundle, patient_bundle
from cds_service.demo.patients.folder import ChartFolder, chart_folders

__all__ = ["ChartFolder", "chart_folders", "clinic_bundle", "patient_bundle"]
