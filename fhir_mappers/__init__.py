"""FHIR in and out: resources to an encounter record, decisions to resources. Knows no model and no Flask."""

from fhir_mappers.client import FhirClient
from fhir_mappers.errors import BadResource, DeadlineExceeded, FhirError, ServerError, ServerRefused, ServerUnavailable, WrongPatient
from fhir_mappers.gathering import Fetched, fetch_attachments, fetch_encounter
from fhir_mappers.reader import read_bundle, read_resources, warm_up
from fhir_mappers.record import EncounterRecord, Note, Skipped

__all__ = [
    "BadResource",
    "DeadlineExceeded",
    "EncounterRecord",
    "Fetched",
    "FhirClient",
    "FhirError",
    "Note",
    "ServerError",
    "ServerRefused",
    "ServerUnavailable",
    "Skipped",
    "WrongPatient",
    "fetch_attachments",
    "fetch_encounter",
    "read_bundle",
    "read_resources",
    "warm_up",
]
