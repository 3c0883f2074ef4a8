"""Routes of the claim's draft: as a file for billing, and into the EHR on a person's word where it takes claims."""

from __future__ import annotations

import json

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from fhir_mappers.record import EncounterRecord
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

    @routes.post("/review/<chart_id>/claim")
    def claim(chart_id: str) -> Response | AnyResponse:
        """Write the draft into the EHR; with `again` also one that was refused."""
        session, issuer = open_chart(services, chart_id)
        check_form(session)
        actor = actor_of(session, issuer)
        _allowed(session, issuer)
        rights = Rights.of(services.launcher.scopes(session))
        if not rights.claims:
            raise AccessDenied("smart.no-claims", "The EHR gave no right to write claims.", "Download the draft instead.")
        document = document_of(services, session, issuer)
        place = place_of(issuer, document)
        record = _record(services, session, issuer)
        plan_claim(read_sheet(services, issuer, document, record), place, document, record, rights, services.outbox, actor)
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
