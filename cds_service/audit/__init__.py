"""The audit: who was answered, who read, decided, wrote and configured, in a chain that can't be changed unseen."""

from cds_service.audit.chain import Checkpoint, Link, Verdict
from cds_service.audit.event import Event, Kind, Outcome
from cds_service.audit.fhir import to_audit_event
from cds_service.audit.signing import AuditKey
from cds_service.audit.trail import AuditTrail
from cds_service.audit.watch import audited, tell

__all__ = ["AuditKey", "AuditTrail", "Checkpoint", "Event", "Kind", "Link", "Outcome", "Verdict", "audited", "tell", "to_audit_event"]
