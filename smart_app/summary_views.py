"""Routes of the coding summary: order and indicators, writing to the EHR, export, history."""

from __future__ import annotations

import re

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from fhir_mappers.record import EncounterRecord
from smart_app.arrangement import POA
from smart_app.charts import Document, fetch_diagnoses
from smart_app.delivery import FhirWriter
from smart_app.door import actor_of, check_form, document_of, open_chart, place_of, wants_json
from smart_app.errors import AccessDenied, DecisionRefused, SessionLost
from smart_app.export import summary_csv, summary_json
from smart_app.forms import release_of
from smart_app.history import Place
from smart_app.messages import messages_of
from smart_app.roles import role_of
from smart_app.services import Services
from smart_app.session import ChartSession
from smart_app.settings import Issuer
from smart_app.sheet import Sheet, build_sheet, told_sheet
from smart_app.story import read_story
from smart_app.writeback import Rights, deliver, plan

_MOVES = {"up": -1, "down": 1}
_FORMS = {"csv": (summary_csv, "text/csv; charset=utf-8"), "json": (summary_json, "application/json")}


def add_summary(routes: Blueprint, services: Services) -> None:
    """Add the routes."""
    _add_reading(routes, services)
    _add_changing(routes, services)


def read_sheet(services: Services, issuer: Issuer, document: Document, record: EncounterRecord | None) -> Sheet:
    """Return the summary of a review's encounter; `record` is the chart as it is now, None where it isn't at hand."""
    place = place_of(issuer, document)
    standing = services.decisions.standing(place)
    release = release_of(services.knowledge, document)
    return build_sheet(document, standing, services.arrangements.latest(place), services.outbox.items(place), record, release)


def _now(services: Services, session: ChartSession, issuer: Issuer, document: Document) -> Sheet:
    return read_sheet(services, issuer, document, fetch_diagnoses(session, issuer, services.to_chart(issuer), timeout_s=services.settings.timeout_s))


def _told(services: Services, session: ChartSession, issuer: Issuer, document: Document) -> dict[str, object]:
    return told_sheet(_now(services, session, issuer, document), payment=role_of(session, issuer).sees_payment)


def _add_reading(routes: Blueprint, services: Services) -> None:
    @routes.get("/review/<chart_id>/summary")
    def summary(chart_id: str) -> Response:
        """The summary as it is now, for the page's script."""
        session, issuer = open_chart(services, chart_id)
        return jsonify(_told(services, session, issuer, document_of(services, session, issuer)))

    @routes.get("/review/<chart_id>/summary.<any(csv, json):form>")
    def download(chart_id: str, form: str) -> Response:
        """The summary as a file: a table with one line for each code that stands, or JSON with what was left out and why as well."""
        session, issuer = open_chart(services, chart_id)
        document = document_of(services, session, issuer)
        write, kind = _FORMS[form]
        body = write(_now(services, session, issuer, document), document, services.grounds.of(place_of(issuer, document)))
        name = re.sub(r"[^A-Za-z0-9.-]", "-", (document.get("encounter") or document["patient"]).replace("/", "-"))
        return Response(body, content_type=kind, headers={"Content-Disposition": f'attachment; filename="coding-summary-{name}.{form}"'})

    @routes.get("/review/<chart_id>/history")
    def history(chart_id: str) -> Response:
        """Everything that was decided, asked, written and told by the EHR on this encounter, in one line of time."""
        session, issuer = open_chart(services, chart_id)
        document = document_of(services, session, issuer)
        role = role_of(session, issuer)
        lines = [line for line in read_story(services, place_of(issuer, document)) if role.may_read(line.what)]
        return make_response(render_template("smart/history.html", lines=lines, chart_id=chart_id, session=session, issuer=issuer, document=document))


def _add_changing(routes: Blueprint, services: Services) -> None:
    @routes.post("/review/<chart_id>/arrange")
    def arrange(chart_id: str) -> Response | AnyResponse:
        """Keep the order of the codes and their indicators; answers the summary, or goes back to the page where no script runs."""
        session, issuer = open_chart(services, chart_id)
        check_form(session)
        actor = actor_of(session, issuer)
        document = document_of(services, session, issuer)
        sheet = read_sheet(services, issuer, document, None)
        codes, poa = _arranged(sheet)
        seen = request.form.get("seen", "")
        services.arrangements.keep(place_of(issuer, document), codes, poa, actor, seen=int(seen) if seen.isascii() and seen.isdigit() else -1)
        if wants_json():
            return jsonify(_told(services, session, issuer, document))
        return redirect(url_for("smart.review", chart_id=chart_id, _anchor="summary"), 303)

    @routes.post("/review/<chart_id>/write")
    def write(chart_id: str) -> Response | AnyResponse:
        """Write what stands into the chart; with `retry` only what is in the outbox already, with `again` also what was refused."""
        session, issuer = open_chart(services, chart_id)
        check_form(session)
        actor = actor_of(session, issuer)
        document = document_of(services, session, issuer)
        rights = Rights.of(services.launcher.scopes(session))
        if not rights.conditions:
            raise AccessDenied("smart.no-write", "The EHR gave no right to write diagnoses.", "Copy or export the summary instead.")
        place = place_of(issuer, document)
        if "retry" not in request.form:
            sheet = _now(services, session, issuer, document)
            plan(sheet, place, document, services.outbox.items(place), rights, services.outbox, actor)
        alive = send(services, session, issuer, document, place, again="again" in request.form)
        if not alive and not wants_json():
            raise SessionLost("smart.expired", "The EHR's permission ended while writing. What isn't through is kept.", "Open Marginalia again from the chart.")
        if wants_json():
            return jsonify(_told(services, session, issuer, document) | {"ended": not alive})
        return redirect(url_for("smart.review", chart_id=chart_id, _anchor="summary"), 303)


def send(services: Services, session: ChartSession, issuer: Issuer, document: Document, place: Place, *, again: bool = False) -> bool:
    """Send what the outbox holds for an encounter; return False where the token has ended meanwhile."""
    messages = messages_of(services, session, issuer, document)
    with FhirWriter(issuer.iss, session.access_token, services.to_chart(issuer), timeout_s=services.settings.timeout_s) as writer:
        return deliver(services.outbox, place, writer, messages, again=again)


def _arranged(sheet: Sheet) -> tuple[list[str], dict[str, str]]:
    """Return order and indicators of the form. What it doesn't name keeps its place behind what it does."""
    stands = [e.code for e in sheet.diagnoses]
    named = [code for code in dict.fromkeys(request.form.getlist("codes")) if code in stands]
    codes = named + [code for code in stands if code not in named]
    way, _, code = request.form.get("move", "").partition(" ")
    if way in _MOVES and code in codes:
        at = codes.index(code)
        to = min(max(at + _MOVES[way], 0), len(codes) - 1)
        codes.insert(to, codes.pop(at))
    poa = dict(sheet.arrangement.poa)
    for code in stands:
        value = request.form.get(f"poa.{code}")
        if value is None:
            continue
        if value == "":
            poa.pop(code, None)
        elif value in POA:
            poa[code] = value
        else:
            raise DecisionRefused("smart.poa", "This indicator isn't known.", f"One of: {', '.join(POA)}.")
    return codes, poa
