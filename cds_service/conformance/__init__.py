"""The CDS Hooks checklist, run line by line against any service."""

from cds_service.conformance.checklist import LINES, Level, Line, Skip, line
from cds_service.conformance.report import Result, Verdict, run
from cds_service.conformance.stage import Stage

__all__ = ["LINES", "Level", "Line", "Result", "Skip", "Stage", "Verdict", "line", "run"]
