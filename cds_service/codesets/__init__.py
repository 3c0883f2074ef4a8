"""Code sets from official files: read, checked, kept in a data folder, and put at hand to the review and the engine.

`official` knows the files by name; `order`, `diagnoses`, `procedures` and `risk` read their layouts; `library` keeps releases; `at_hand` joins them with
what packages carry; `renewal` lets a running service follow.
"""

from cds_service.codesets.at_hand import AtHand, additions
from cds_service.codesets.library import Choices, Held, Library
from cds_service.codesets.renewal import Renewal

__all__ = ["AtHand", "Choices", "Held", "Library", "Renewal", "additions"]
