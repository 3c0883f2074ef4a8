"""Roles: what a person sees and may do.

A clinician never sees payment: no HCC, no DRG, no CC/MCC, no denial (AHIMA/ACDIS, "Guidelines for Achieving a Compliant
Query Practice", 2022). What a role may not see is left out of the page itself, not hidden by style.
"""

from __future__ import annotations

import re
from enum import StrEnum

from smart_app.session import ChartSession
from smart_app.settings import Issuer

_PAYMENT = re.compile(
    r"\b(?:HCCs?|MS-?DRGs?|DRGs?|CC/MCC|MCCs?|CMS-HCC|RxHCC|RAF|(?i:risk[- ]adjust\w*|reimburs\w*|payments?|payers?|denials?|denied claims?|revenue))\b"
)


class Role(StrEnum):
    """Who looks at the page."""

    CLINICIAN = "clinician"
    CODER = "coder"

    @property
    def sees_payment(self) -> bool:
        """True where risk adjustment and claim edits may be shown."""
        return self is Role.CODER

    def may_read(self, *texts: str) -> bool:
        """Return True unless the texts speak of payment and the role doesn't see it."""
        return self.sees_payment or not any(speaks_of_payment(text) for text in texts)


def role_of(chart: ChartSession, issuer: Issuer) -> Role:
    """Return the role of the person of a chart: a coder where the settings name them, else a clinician."""
    fhir_user = chart.person.fhir_user if chart.person else ""
    if not fhir_user:
        return Role.CLINICIAN
    names = {fhir_user, f"{issuer.iss}/{fhir_user}"}
    return Role.CODER if names & issuer.coders else Role.CLINICIAN


def speaks_of_payment(text: str) -> bool:
    """Return True if `text` is about payment and so isn't for a clinician's eyes."""
    return bool(_PAYMENT.search(text))
