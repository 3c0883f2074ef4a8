"""Who calls. Until clients prove who they are, only open mode answers, and every caller is its one client."""

from __future__ import annotations

from cds_service.config import Client, Settings
from cds_service.errors import NotAuthenticatedError


def calling_client(settings: Settings) -> Client:
    """Return the client of the current request; raises NotAuthenticatedError where nobody vouches for it."""
    if not settings.open:
        raise NotAuthenticatedError("The client is not authenticated.", "Register the client, or start the service with --open on a loopback address.")
    return settings.open_client
