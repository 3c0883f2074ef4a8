"""Routes of the drafts for billing: the claim as a file, and claim and charges into the EHR on a person's word where it takes them."""

from __future__ import annotations

import json
from collections.abc import Callable

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from fhir_mappers.record import EncounterRecord
from smart_app.charge_draft import plan_charges
from smart_app.charts import fetch
from smart_app.claim_draft import draft, plan_claim
from smart_app.door import actor_of, check_form, document_of, open_chart, place_of, wants_json
from smart_app.errors import AccessDenied, SessionLost, SmartError
from smart_app.history import Actor
from smart_app.roles import role_of
from smart_app.services import Services
from smart_app.session import ChartSession
from smart_app.settings import Issuer
from smart_app.sheet import told_sheet
from smart_app.summary_views import read_sheet, send
from smart_app.writeback import Rights


def add_claim(routes: Blueprint, services: Services) -> None:
    """Add the routes."""
    _add_drafting(routes, services)

    @routes.get("/review/<chart_id>/claim.json")
    def claim_file(chart_id: str) -> Response:
        """The draft as a FHIR Claim, also where the EHR takes none."""
        session, issuer = open_chart(services, chart_id)
        _allowed(session, issuer)
        document = document_of(services, session, issuer)
        record = _record(services, session, issuer)
        person = Actor(session.user, session.person.name, role_of(session, issuer)) if session.person else None
        body = draft(read_sheet(services, issuer, document, record), place_of(issuer, document), document, record, person)
        headers = {"Content-Disposition": 'attachment; filename="claim-draft.json"'}
        return Response(json.dumps(body, ensure_ascii=False, indent=1), content_type="application/fhir+json", headers=headers)


def _add_drafting(routes: Blueprint, services: Services) -> None:
    @routes.post("/review/<chart_id>/claim")
    def claim(chart_id: str) -> Response | AnyResponse:
        """Write the claim's draft into the EHR; with `again` also one that was refused."""
        return draft_of(chart_id, plan_claim, lambda rights: rights.claims, "claims")

    @routes.post("/review/<chart_id>/charges")
    def charges(chart_id: str) -> Response | AnyResponse:
        """Write drafts of the charges into the EHR; with `again` also what was refused."""
        return draft_of(chart_id, plan_charges, lambda rights: rights.charges, "charges")

    def draft_of(chart_id: str, plan: Callable[..., None], allowed: Callable[[Rights], bool], what: str) -> Response | AnyResponse:
        session, issuer = open_chart(services, chart_id)
        check_form(session)
        actor = actor_of(session, issuer)
        _allowed(session, issuer)
        rights = Rights.of(services.launcher.scopes(session))
        if not allowed(rights):
            raise AccessDenied(f"smart.no-{what}", f"The EHR gave no right to write {what}.", "Download the claim's draft instead.")
        document = document_of(services, session, issuer)
        place = place_of(issuer, document)
        record = _record(services, session, issuer)
        plan(read_sheet(services, issuer, document, record), place, document, record, rights, services.outbox, actor)
        alive = send(services, session, issuer, document, place, again="again" in request.form)
        if not alive and not wants_json():
            raise SessionLost("smart.expired", "The EHR's permission ended while writing. What isn't through is kept.", "Open Marginalia again from the chart.")
        if wants_json():
            return jsonify(told_sheet(read_sheet(services, issuer, document, record), payment=True) | {"ended": not alive})
        return redirect(url_for("smart.review", chart_id=chart_id, _anchor="summary"), 303)


def _allowed(session: ChartSession, issuer: Issuer) -> None:
    if not role_of(session, issuer).sees_payment:
        raise AccessDenied("smart.claim-role", "Claims are for coders and CDI specialists.", "Ask one of them.")


def _record(services: Services, session: ChartSession, issuer: Issuer) -> EncounterRecord | None:
    try:
        return fetch(session, issuer, services.to_chart(issuer), timeout_s=services.settings.timeout_s)[0]
    except SmartError:
        return None  # then who pays, and when it was, is for billing to fill in as well
