"""The SMART App Launch checklist, run line by line against any app whose server does the launch, by a simulated EHR and a simulated browser."""

import cds_service.smart_conformance.launching
import cds_service.smart_conformance.safety
import cds_service.smart_conformance.tokens  # noqa: F401 - importing these modules registers their lines
from cds_service.smart_conformance.checklist import SMART
from cds_service.smart_conformance.ehr import ISSUERS, Case, SmartEhr
from cds_service.smart_conformance.stage import Stage

__all__ = ["ISSUERS", "SMART", "Case", "SmartEhr", "Stage"]
