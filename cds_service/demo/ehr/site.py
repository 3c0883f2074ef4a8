"""Where the parts of the demo stand, and who is registered with whom."""

from __future__ import annotations

from dataclasses import dataclass

NAME = "Northfield Demo EHR"
CLIENT_ID = "marginalia-demo"
CDS_CLIENT_ID = "marginalia-cds"  # subject of the tokens that go out with hook calls
CLINICIAN = "mockwell"
CODER = "ledger"
SECOND_CODER = "mirror"
AUDITOR = "scruple"
USERS = (CLINICIAN, CODER, SECOND_CODER, AUDITOR)


@dataclass(frozen=True, slots=True)
class Site:
    """Base URLs, all without a trailing slash. `fhir_upstream` is the FHIR server itself, which only the EHR knows."""

    ehr_url: str
    fhir_upstream: str
    service_url: str

    @property
    def fhir_url(self) -> str:
        """The FHIR base URL that the EHR gives to apps and services (`iss`, `fhirServer`)."""
        return f"{self.ehr_url}/fhir"

    @property
    def launch_url(self) -> str:
        """The app's registered launch URL."""
        return f"{self.service_url}/smart/launch"

    @property
    def redirect_url(self) -> str:
        """The app's registered redirect URL."""
        return f"{self.service_url}/smart/callback"
