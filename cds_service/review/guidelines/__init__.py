"""Conventions and guidelines of ICD-10-CM as rules. `BOOK` is all of them; every rule enters here."""

from cds_service.review.guidelines import (
    circulatory,
    conventions,
    diabetes,
    infections,
    injuries,
    kidney,
    lists,
    mental,
    neoplasms,
    obstetrics,
    respiratory,
    status,
    symptoms,
    uncertainty,
)
from cds_service.review.rules import RuleBook

__all__ = ["BOOK"]

BOOK = RuleBook(
    (
        *uncertainty.RULES,
        *diabetes.RULES,
        *kidney.RULES,
        *circulatory.RULES,
        *lists.RULES,
        *respiratory.RULES,
        *infections.RULES,
        *neoplasms.RULES,
        *mental.RULES,
        *obstetrics.RULES,
        *injuries.RULES,
        *status.RULES,
        *symptoms.RULES,
        *conventions.RULES,
    )
)
