"""Conventions and guidelines of ICD-10-CM as rules. `BOOK` is all of them; every rule enters here."""

from cds_service.review.guidelines import (
    circulatory,
    conventions,
    diabetes,
    drugs,
    encounters,
    events,
    extent,
    general,
    indexed,
    infections,
    injuries,
    kidney,
    linked,
    lists,
    mental,
    neoplasms,
    newborn,
    obstetrics,
    pain,
    precision,
    principal,
    respiratory,
    skin,
    status,
    symptoms,
    uncertainty,
)
from cds_service.review.rules import RuleBook

__all__ = ["BOOK"]

BOOK = RuleBook(
    (
        *precision.RULES,
        *indexed.RULES,
        *uncertainty.RULES,
        *general.RULES,
        *newborn.RULES,
        *diabetes.RULES,
        *kidney.RULES,
        *events.RULES,
        *circulatory.RULES,
        *lists.RULES,
        *respiratory.RULES,
        *infections.RULES,
        *neoplasms.RULES,
        *mental.RULES,
        *linked.RULES,
        *obstetrics.RULES,
        *injuries.RULES,
        *drugs.RULES,
        *skin.RULES,
        *pain.RULES,
        *status.RULES,
        *symptoms.RULES,
        *conventions.RULES,
        *extent.RULES,
        *encounters.RULES,
        *principal.RULES,
    )
)
