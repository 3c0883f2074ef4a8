"""Who may call: EHRs by signed tokens (JWT), coding systems by access tokens or keys. Nothing else is decided here.

The tables of this package (`schema`) are declared on the store's base; their step is in `store/migrations/versions`.
"""

from cds_service.access.api_keys import ApiKeys, KeyRecord
from cds_service.access.gate import Gate
from cds_service.access.key_sets import KeySets
from cds_service.access.tokens import AccessTokens, Refused
from cds_service.access.verification import Verifier

__all__ = ["AccessTokens", "ApiKeys", "Gate", "KeyRecord", "KeySets", "Refused", "Verifier"]
