"""The CDS Hooks checklist, run line by line against any service."""

import cds_service.conformance.authentication
import cds_service.conformance.cards
import cds_service.conformance.errors
import cds_service.conformance.hook_requests
import cds_service.conformance.prefetch
import cds_service.conformance.transport  # noqa: F401 - importing these modules registers their lines
from cds_service.conformance.checklist import CDS_HOOKS, LINES, Checklist, Level, Line, Result, Skip, Verdict, line
from cds_service.conformance.stage import Stage

run = CDS_HOOKS.run

__all__ = ["LINES", "Checklist", "Level", "Line", "Result", "Skip", "Stage", "Verdict", "line", "run"]
