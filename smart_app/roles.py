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
    CDI = "CDI"  # clinical documentation integrity specialist
    AUDITOR = "auditor"

    @property
    def sees_payment(self) -> bool:
        """True where risk adjustment and claim edits may be shown."""
        return self is not Role.CLINICIAN

    @property
    def decides(self) -> bool:
        """True where the role may decide, arrange and write; an auditor reads."""
        return self is not Role.AUDITOR

    @property
    def asks(self) -> bool:
        """True where the role sends queries to clinicians."""
        return self in (Role.CODER, Role.CDI)

    @property
    def answers(self) -> bool:
        """True where the role may answer a query: only who treats can say what was meant."""
        return self is Role.CLINICIAN

    @property
    def sees_worklist(self) -> bool:
        """True where encounters of other patients are listed."""
        return self is not Role.CLINICIAN

    def may_read(self, *texts: str) -> bool:
        """Return True unless the texts speak of payment and the role doesn't see it."""
        return self.sees_payment or not any(speaks_of_payment(text) for text in texts)


def role_of(chart: ChartSession, issuer: Issuer) -> Role:
    """Return the role of the person of a chart as the settings name it; who isn't named is a clinician."""
    names = _names(chart, issuer)
    named = ((Role.AUDITOR, issuer.auditors), (Role.CDI, issuer.cdi), (Role.CODER, issuer.coders))  # who is named twice gets the narrower role
    return next((role for role, people in named if names & people), Role.CLINICIAN)


def owns_pilot(chart: ChartSession, issuer: Issuer) -> bool:
    """Return True for who is named to see the pilot's figures, whatever else their role."""
    return bool(_names(chart, issuer) & issuer.pilot_owners)


def _names(chart: ChartSession, issuer: Issuer) -> set[str]:
    """Return the references by which the settings can name the person of a chart; none where the EHR doesn't say who it is."""
    fhir_user = chart.person.fhir_user if chart.person else ""
    return {fhir_user, f"{issuer.iss}/{fhir_user}"} if fhir_user else set()


def speaks_of_payment(text: str) -> bool:
    """Return True if `text` is about payment and so isn't for a clinician's eyes."""
    return bool(_PAYMENT.search(text))
