"""What the audit is told of the app beside what follows from its tables: who opened a chart, what was shown, what was refused.

A page that can't be audited isn't shown: the event is kept before the answer leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response, g, request
from sqlalchemy import Engine

from cds_service.audit import Event, Kind, Outcome, tell
from cds_service.store import writing
from smart_app.errors import AccessDenied, SmartError
from smart_app.session import ChartSession
from smart_app.settings import Issuer

# The review itself is audited by the service, which makes or shows it; the others tell nothing of a patient.
_TOLD_ELSEWHERE = frozenset({"smart.review", "smart.opening"})
_OF_THE_CHART = frozenset({"smart.summary", "smart.download", "smart.history", "smart.claim_file"})  # other pages tell of many patients


@dataclass(frozen=True, slots=True)
class Visit:
    """The open chart that a request is for."""

    session: ChartSession
    issuer: Issuer


def entered(session: ChartSession, issuer: Issuer) -> None:
    """Remember whose chart the request is for."""
    g.visit = Visit(session, issuer)


def tell_opened(engine: Engine, session: ChartSession, issuer: Issuer) -> None:
    """Tell that a launch has opened a chart."""
    _tell(engine, Visit(session, issuer), Kind.OPEN, _encounter(session), details={"issuer": issuer.iss})


def tell_closed(engine: Engine, session: ChartSession, issuer: Issuer) -> None:
    """Tell that a person has closed a chart."""
    _tell(engine, Visit(session, issuer), Kind.CLOSE, _encounter(session))


def tell_shown(engine: Engine, response: Response) -> None:
    """Tell what an answer has shown; each page is told of, except where the service tells or nothing of a patient is on it."""
    visit, endpoint = g.get("visit"), request.endpoint or ""
    if visit is None or request.method != "GET" or response.status_code != 200 or endpoint in _TOLD_ELSEWHERE:
        return
    page = endpoint.removeprefix("smart.")
    if endpoint in _OF_THE_CHART:
        form = {"form": str(given)} if (given := (request.view_args or {}).get("form")) else {}
        _tell(engine, visit, Kind.READ, f"Review/{visit.session.review_id}", details={"page": page} | form)
    else:
        _tell(engine, visit, Kind.READ, f"Page/{page}", of_many=True)


def tell_refused(engine: Engine, error: SmartError) -> None:
    """Tell that a person was refused what their role, their launch or their form doesn't allow."""
    visit = g.get("visit")
    if visit is not None and isinstance(error, AccessDenied):
        page = (request.endpoint or "").removeprefix("smart.")
        _tell(engine, visit, Kind.REFUSAL, _encounter(visit.session), Outcome.SERIOUS_FAILURE, details={"page": page, "reason": error.code})


def _tell(
    engine: Engine,
    visit: Visit,
    kind: Kind,
    subject: str,
    outcome: Outcome = Outcome.SUCCESS,
    *,
    details: Mapping[str, str] | None = None,
    of_many: bool = False,
) -> None:
    session, issuer = visit.session, visit.issuer
    patient = None if of_many else session.context.patient
    event = Event(kind, issuer.tenant, "smart", session.user or None, patient, subject, outcome, details or {})
    with writing(engine).begin() as connection:
        tell(connection, event)


def _encounter(session: ChartSession) -> str:
    context = session.context
    return f"Encounter/{context.encounter}" if context.encounter else f"Patient/{context.patient}"
