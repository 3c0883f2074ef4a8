"""Who calls: the gate of the app is asked before anything of the body is read (J1)."""

from __future__ import annotations

from typing import cast

from flask import current_app, g, request

from cds_service.access import Gate
from cds_service.config import Client, Settings
from cds_service.outgoing import Outgoing

GATE = "marginalia.gate"
OUTGOING = "marginalia.outgoing"
_SCOPES = {"POST": "review.create", "GET": "review.read", "HEAD": "review.read"}


def calling_client(settings: Settings) -> Client:  # noqa: ARG001 - the gate was made with the settings
    """Return the client of the current request: by JWT under /cds-services, by access token or key under /api/v1.

    Raises:
        NotAuthenticatedError: nobody vouches for the caller.
    """
    gate = cast(Gate, current_app.extensions[GATE])
    authorization = request.headers.get("Authorization")
    if request.blueprint == "api":
        client = gate.api_client(authorization, _SCOPES.get(request.method, "review.create"))
    else:
        client = gate.hook_client(authorization, request.path.rstrip("/"))
    g.tenant = client.tenant
    return client


def outgoing() -> Outgoing:
    """Return the door to other servers."""
    return cast(Outgoing, current_app.extensions[OUTGOING])
