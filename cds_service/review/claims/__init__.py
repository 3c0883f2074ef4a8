"""Claims: what a payer's tables say of a claim before it leaves. For the coder only; no card and no question shows it.

`grouping` gives the MS-DRG, `services` the edits on procedures, `necessity` the coverage policies, `reasons` the reason codes of a denial;
`files` reads the official files that a customer supplies, `learned` applies what the customer's own remittances taught.
"""

from cds_service.review.claims.files import ClaimTables, claim_tables
from cds_service.review.claims.grouping import Grouper, grouped
from cds_service.review.claims.learned import LearnedDenials, features_of
from cds_service.review.claims.necessity import CoveragePolicy, necessity_findings
from cds_service.review.claims.reasons import DenialReasons
from cds_service.review.claims.services import ProcedurePair, Service, UnitLimit, service_findings, services_of

__all__ = [
    "ClaimTables",
    "CoveragePolicy",
    "DenialReasons",
    "Grouper",
    "LearnedDenials",
    "ProcedurePair",
    "Service",
    "UnitLimit",
    "claim_tables",
    "features_of",
    "grouped",
    "necessity_findings",
    "service_findings",
    "services_of",
]
