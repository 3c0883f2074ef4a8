"""Documentation gaps: what a documentation specialist would ask, as compliant questions.

Rules are data (`tables/gaps/*.toml`); `language` gives their types, `finding` applies them, `linter` holds them to the law of
queries (AHIMA/ACDIS, Guidelines for Achieving a Compliant Query Practice, 2022).
"""

from cds_service.review.gaps.finding import queries
from cds_service.review.gaps.language import GapRule, gap_rules
from cds_service.review.gaps.linter import faults

__all__ = ["GapRule", "faults", "gap_rules", "queries"]
