"""Procedures and supplies: what was done for a patient and given to him, as codes.

Inpatients: ICD-10-PCS, built axis by axis inside the tables (`tables`, `building`) from what notes say was done (`phrases`, `parts`, `words`, `acts`,
`inpatient`). `coding` makes statements of a review of it.
"""

from cds_service.review.procedures.coding import Services
from cds_service.review.procedures.services import services

__all__ = ["Services", "services"]
