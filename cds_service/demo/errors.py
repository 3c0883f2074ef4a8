"""The demo's own error."""

from __future__ import annotations

from cds_service.errors import MarginaliaError


class DemoError(MarginaliaError):
    """A part of the demo can't start, or refused what it was given. `status` is the HTTP status of a server's refusal."""

    code = "demo"

    def __init__(self, message: str, remedy: str, *, status: int | None = None) -> None:
        super().__init__(message, remedy)
        self.status = status
