"""A small EHR for the demo: charts, hooks and cards, an authorisation server, and a FHIR endpoint that wants tokens."""

from cds_service.demo.ehr.app import create_ehr
from cds_service.demo.ehr.site import Site

__all__ = ["Site", "create_ehr"]
