"""Roles: what speaks of payment isn't for a clinician."""

from __future__ import annotations

import pytest

from smart_app.roles import speaks_of_payment


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
