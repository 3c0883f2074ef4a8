"""The demo's own error."""

from __future__ import annotations

from cds_service.errors import MarginaliaError


class DemoError(MarginaliaError):
    """A part of the demo can't start or refused what it was given."""

    code = "demo"
