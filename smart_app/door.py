"""What every route of an open chart does first: whose chart it is, whether the form is its own, and how a failure is told."""

from __future__ import annotations

import hmac

from flask import Response, g, jsonify, make_response, render_template, request

from smart_app.audit import entered
from smart_app.charts import Document
from smart_app.errors import AccessDenied, DecisionRefused
from smart_app.history import Actor, Place
from smart_app.roles import role_of
from smart_app.second_reading import Second
from smart_app.services import Services
from smart_app.session import ChartSession
from smart_app.settings import Issuer

# What a second reader may open: nothing on these tells of the first reading.
_BLIND = frozenset(
    f"smart.{name}"
    for name in ("review", "opening", "close", "decide", "codes", "worklist", "assign", "second", "second_move", "pilot", "pilot_csv", "pilot_json")
)


def open_chart(services: Services, chart_id: str) -> tuple[ChartSession, Issuer]:
    """Return the open chart of this browser and its EHR; raises SessionLost."""
    session = services.launcher.find(chart_id, services.cookie.read(request))
    issuer = services.settings.issuer(session.iss)
    g.frame_ancestors = issuer.frame_ancestors
    entered(session, issuer)
    if request.endpoint not in _BLIND and second_of(services, session, issuer).blind:
        message = "This encounter waits for a second reading, so what the first coder decided isn't shown to you."
        raise AccessDenied("smart.blind", message, "Do the second reading, or wait until it is done.")
    return session, issuer


def second_of(services: Services, session: ChartSession, issuer: Issuer) -> Second:
    """Return the second reading of the chart's encounter as its person meets it."""
    role = role_of(session, issuer)
    if not role.sees_worklist:
        return Second()
    context = session.context
    place = Place(issuer.tenant, f"Patient/{context.patient}", f"Encounter/{context.encounter}" if context.encounter else None)
    if context.encounter is None and session.review_id:
        place = place_of(issuer, document_of(services, session, issuer))  # the newest review may be of one of the encounters
    return services.seconds.of(place, session.user, role, issuer.second_share)


def check_form(session: ChartSession) -> None:
    """Raise AccessDenied unless the form comes from the chart's own page."""
    if not hmac.compare_digest(request.form.get("csrf", ""), session.csrf):
        raise AccessDenied("smart.form", "This form doesn't come from the chart's own page.", "Load the page again.")


def actor_of(session: ChartSession, issuer: Issuer) -> Actor:
    """Return who acts; raises AccessDenied where nobody is named, or the role only reads."""
    if session.person is None:
        raise AccessDenied("smart.no-person", "The EHR didn't say who you are, so nothing can be recorded.", "Ask for the scopes openid and fhirUser.")
    role = role_of(session, issuer)
    if not role.decides:
        raise AccessDenied("smart.reads-only", f"As {role} you can read everything here, but not decide.", "Ask an administrator for another role.")
    return Actor(session.user, session.person.name, role)


def document_of(services: Services, session: ChartSession, issuer: Issuer) -> Document:
    """Return the review that the chart shows; raises DecisionRefused where none is open."""
    if session.review_id is None:
        raise DecisionRefused("smart.no-review", "No review is open.", "Load the page again.")
    return services.reviewer.store.get(issuer.tenant, session.review_id)


def place_of(issuer: Issuer, document: Document) -> Place:
    """Return whose encounter a review is of."""
    return Place(issuer.tenant, document["patient"], document.get("encounter"))


def wants_json() -> bool:
    """Return True where a script asks, not a form."""
    return request.accept_mimetypes.best_match(("text/html", "application/json")) == "application/json"


def failure(code: str, message: str, remedy: str, status: int) -> Response:
    """Return an error as a page, or as JSON where a script asks."""
    if wants_json():
        response = jsonify({"error": {"code": code, "message": message, "remedy": remedy}})
    else:
        response = make_response(render_template("smart/error.html", code=code, message=message, remedy=remedy, status=status))
    response.status_code = status
    return response
