"""CDS Hooks: services, hook calls, prefetch, cards and feedback. Knows no Flask."""

from cds_service.hooks.card import Card, pruned
from cds_service.hooks.coverage import coverage_extension, with_coverage
from cds_service.hooks.feedback import read_feedback
from cds_service.hooks.prefetch import complete
from cds_service.hooks.profile import Place, dressed
from cds_service.hooks.registry import Finding, Registry, Service
from cds_service.hooks.request import HookRequest, read_request
from cds_service.hooks.services import built_in_registry
from cds_service.hooks.template import Template

__all__ = [
    "Card",
    "Finding",
    "HookRequest",
    "Place",
    "Registry",
    "Service",
    "Template",
    "built_in_registry",
    "complete",
    "coverage_extension",
    "dressed",
    "pruned",
    "read_feedback",
    "read_request",
    "with_coverage",
]
