"""Roles: what speaks of payment isn't for a clinician."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smart_app.context import LaunchContext
from smart_app.identity import Person
from smart_app.roles import Role, role_of, speaks_of_payment
from smart_app.session import ChartSession
from smart_app.settings import Issuer


@pytest.mark.parametrize(
    "text",
    ["CMS-HCC V28 37", "MS-DRG 291", "an MCC beside it", "risk adjustment", "Risk-adjusted", "denials of this payer", "reimbursement", "payment"],
)
def test_payment_is_recognised(text: str) -> None:
    """HCC, DRG, CC/MCC, risk adjustment, reimbursement, payment, denial."""
    assert speaks_of_payment(text)


@pytest.mark.parametrize("text", ["The patient denied chest pain.", "ICD-10-CM Guidelines I.C.4.a", "hccs", "5 cc of lidocaine", "drug", "adjust the dose"])
def test_clinical_words_are_not(text: str) -> None:
    """Clinical words that look like it stay."""
    assert not speaks_of_payment(text)


@pytest.mark.parametrize(
    ("user", "role", "decides", "asks", "answers", "pays"),
    [
        ("Practitioner/1", Role.CLINICIAN, True, False, True, False),
        ("Practitioner/2", Role.CODER, True, True, False, True),
        ("Practitioner/3", Role.CDI, True, True, False, True),
        ("Practitioner/4", Role.AUDITOR, False, False, False, True),
        ("https://ehr.example.org/r4/Practitioner/5", Role.CODER, True, True, False, True),
    ],
)
def test_the_settings_name_the_role(user: str, role: Role, decides: bool, asks: bool, answers: bool, pays: bool) -> None:
    """Roles from fhirUser and configuration; who is named for two gets the narrower one; clinicians see nothing of payment."""
    issuer = Issuer(
        "https://ehr.example.org/r4",
        "m",
        coders=frozenset({"Practitioner/2", "Practitioner/4", "https://ehr.example.org/r4/Practitioner/5"}),
        cdi=frozenset({"Practitioner/3"}),
        auditors=frozenset({"Practitioner/4"}),
    )
    chart = ChartSession(issuer.iss, LaunchContext("p", "e", ""), "t", 0.0, None, Person(user, "s"), "c", 0.0)
    found = role_of(chart, issuer)
    assert (found, found.decides, found.asks, found.answers, found.sees_payment) == (role, decides, asks, answers, pays)
    assert role_of(replace(chart, person=None), issuer) is Role.CLINICIAN
