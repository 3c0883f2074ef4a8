"""Denials: the customer's own remittances (X12 835), and the score that they teach. Nothing is learned from anybody else's claims.

`remittance` reads the files, `matching` joins paid and denied claims with the reviews of their encounters, `training` fits, `shelf` keeps the result.
"""

from cds_service.denials.matching import Example, Matched, claim_encounters, matched
from cds_service.denials.remittance import Adjustment, RemittanceError, RemittedClaim, remitted_claims
from cds_service.denials.shelf import DenialShelf

__all__ = [
    "Adjustment",
    "DenialShelf",
    "Example",
    "Matched",
    "RemittanceError",
    "RemittedClaim",
    "claim_encounters",
    "matched",
    "remitted_claims",
]
