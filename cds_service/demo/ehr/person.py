"""Who sits at the EHR: one of two users, kept in the signed session cookie."""

from __future__ import annotations

from flask import session

from cds_service.demo.ehr.site import CLINICIAN, USERS


def current_user() -> str:
    """Return the Practitioner id of the signed-in user; the clinician unless changed."""
    user = session.get("user")
    return user if user in USERS else CLINICIAN


def change_user(user: str) -> None:
    """Sign in as another of the demo's users; an unknown name changes nothing."""
    if user in USERS:
        session["user"] = user
