"""Routes of the app, under /smart."""

from __future__ import annotations

import hashlib
import logging
import uuid
from dataclasses import replace
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, g, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException

from cds_service.errors import MarginaliaError
from smart_app.arrangement import POA, Arrangement
from smart_app.audit import tell_closed, tell_opened, tell_refused, tell_shown
from smart_app.branding import address
from smart_app.cards import cards_told
from smart_app.charts import Chart, added_notes, fetch, find_review, new_review, restore
from smart_app.claim_views import add_claim
from smart_app.decisions import REASONS
from smart_app.door import actor_of, check_form, document_of, failure, open_chart, place_of, second_of, wants_json
from smart_app.errors import LaunchRefused, SessionLost, SmartError
from smart_app.forms import read_wish, release_of, told
from smart_app.modelcard import ModelCard, card_json, model_card
from smart_app.page import build
from smart_app.pilot import add_pilot
from smart_app.query_views import add_queries, asked_before, last_steps
from smart_app.review_facts import suggested
from smart_app.roles import owns_pilot, role_of
from smart_app.second_reading import Stage
from smart_app.second_views import add_second, decisions_for, unwritten
from smart_app.security import protect
from smart_app.services import Services
from smart_app.session import ChartSession
from smart_app.settings import Issuer
from smart_app.summary_views import add_summary, read_sheet
from smart_app.worklist_views import add_worklist
from smart_app.writeback import Rights

_LOG = logging.getLogger(__name__)
_HERE = Path(__file__).parent


def blueprint(services: Services) -> Blueprint:
    """Return the app's routes over its services."""
    routes = Blueprint("smart", __name__, url_prefix="/smart", template_folder="templates", static_folder="static", static_url_path="/static")
    _add_launch(routes, services)
    _add_card(routes, services)
    _add_review(routes, services)
    _add_decisions(routes, services)
    add_summary(routes, services)
    add_claim(routes, services)
    add_queries(routes, services)
    add_worklist(routes, services)
    add_second(routes, services)
    add_pilot(routes, services)
    _add_protection(routes, services)
    routes.app_template_global("smart_asset")(asset)
    return routes


def _add_launch(routes: Blueprint, services: Services) -> None:
    @routes.get("/launch")
    def launch() -> Response:
        """Begin a launch: by the EHR (`iss`, `launch`) or standalone (`iss` alone, or a choice of EHRs)."""
        iss = request.args.get("iss", "")
        if not iss:
            if "launch" in request.args:
                raise LaunchRefused("smart.no-iss", "The EHR's launch names no FHIR server (parameter iss).", "Tell the EHR's administrator.")
            return make_response(render_template("smart/choose.html", issuers=services.settings.issuers))
        browser = services.cookie.read(request) or services.cookie.fresh()
        url = services.launcher.begin(iss=iss, launch=request.args.get("launch"), browser=browser)
        response = make_response(redirect(url, 303))
        services.cookie.write(response, browser)
        return response

    @routes.get("/callback")
    def callback() -> Response:
        """Take the EHR's answer and go to the chart it opens."""
        browser = services.cookie.read(request)
        chart_id = services.launcher.complete(request.args.to_dict(), browser=browser)
        chart = services.sessions.find(chart_id, browser)
        issuer = services.settings.issuer(chart.iss)
        tell_opened(services.engine, chart, issuer)
        document, _ = find_review(services.reviewer, chart, issuer)
        # A kept review is shown at once; a new one takes a moment, so a page says so first.
        target = "smart.review" if document else "smart.opening"
        return make_response(redirect(url_for(target, chart_id=chart_id), 303))

    @routes.get("/jwks.json")
    def jwks() -> Response:
        """The app's public keys, for EHRs that check private_key_jwt."""
        response = jsonify(services.keys.public_set())
        response.headers["Cache-Control"] = "public, max-age=3600"
        return response


def _add_card(routes: Blueprint, services: Services) -> None:
    def card() -> ModelCard:
        model = services.reviewer.coder.model
        return model_card(model.name, model.version, model.sha256, services.knowledge.code_sets)

    @routes.get("/model-card")
    def card_page() -> Response:
        """The model card with the source attributes of HTI-1; it tells nothing of any patient, so anybody may read it."""
        return make_response(render_template("smart/model_card.html", card=card()))

    @routes.get("/model-card.json")
    def card_as_json() -> Response:
        """The same as JSON."""
        return jsonify(card_json(card()))


def _add_review(routes: Blueprint, services: Services) -> None:
    @routes.get("/review")
    def no_review() -> Response:
        """Without a chart there is nothing to show: never the chart of an earlier launch."""
        raise SessionLost("smart.no-chart", "This address names no chart.", "Open Marginalia from a patient's chart in the EHR.")

    @routes.get("/review/<chart_id>/opening")
    def opening(chart_id: str) -> Response:
        """Say that the notes are being read, and go on to the review."""
        open_chart(services, chart_id)
        return make_response(render_template("smart/opening.html", target=url_for("smart.review", chart_id=chart_id)))

    @routes.get("/review/<chart_id>")
    def review(chart_id: str) -> Response:
        """The note with its codes."""
        session, issuer = open_chart(services, chart_id)
        chart = _read_chart(services, chart_id, session, issuer)
        role = role_of(session, issuer)
        document = chart.document
        place = place_of(issuer, document)
        second = second_of(services, session, issuer)
        if second.blind:
            chart = replace(chart, record=unwritten(services, place, chart.record))
        standing = decisions_for(services, second).standing(place)
        release = release_of(services.knowledge, document)
        scopes = services.launcher.scopes(session)
        steps = last_steps(services, place)
        before = asked_before(services, issuer, document, steps)
        page = build(
            chart,
            role,
            standing,
            release.title,
            missing_scopes=scopes.missing(),
            cards=() if second.blind else cards_told(services.engine, place),
            steps=steps,
            asked_before=before,
            on_cards=() if second.blind else services.reviewer.store.queries_put(place.tenant, place.patient, place.encounter),
        )
        return make_response(
            render_template(
                "smart/review.html",
                page=page,
                session=session,
                issuer=issuer,
                chart_id=chart_id,
                reasons=REASONS,
                idle_s=services.settings.session_minutes * 60,
                may_decide=session.person is not None and role.decides and (second.mine or not second.blind),
                second=second,
                both=services.seconds.both(place) if second.stage is Stage.DONE else None,
                sheet=None if second.blind else read_sheet(services, issuer, document, chart.record),
                rights=Rights.of(scopes),
                poa=POA,
                styled=address(session.context.style_url, issuer) is not None,
                work=services.assignments.standing(place),
                owns_pilot=owns_pilot(session, issuer),
            )
        )

    @routes.get("/review/<chart_id>/style.css")
    def style(chart_id: str) -> Response:
        """The EHR's colours, as far as they are harmless; looking at them keeps no session alive."""
        session = services.sessions.find(chart_id, services.cookie.read(request), touch=False)
        sheet = services.branding.sheet(session.context.style_url, services.settings.issuer(session.iss))
        return Response(sheet, content_type="text/css; charset=utf-8", headers={"Cache-Control": "private, max-age=600"})

    @routes.post("/review/<chart_id>/fresh")
    def fresh(chart_id: str) -> Response:
        """Run the review anew on the notes as they are now."""
        session, issuer = open_chart(services, chart_id)
        check_form(session)
        record, _, _ = fetch(session, issuer, services.to_chart(issuer), timeout_s=services.settings.timeout_s)
        document = new_review(services.reviewer, record, issuer.tenant, session.user)
        services.sessions.use_review(chart_id, services.cookie.read(request), document["id"])
        return make_response(redirect(url_for("smart.review", chart_id=chart_id), 303))

    @routes.post("/review/<chart_id>/close")
    def close(chart_id: str) -> Response:
        """End the chart's session in this browser."""
        session, issuer = open_chart(services, chart_id)
        check_form(session)
        services.sessions.end(chart_id, services.cookie.read(request))
        tell_closed(services.engine, session, issuer)
        response = make_response(render_template("smart/closed.html"))
        response.headers["Clear-Site-Data"] = '"cache"'  # the pages that a browser keeps for its back button as well
        return response


def _add_decisions(routes: Blueprint, services: Services) -> None:
    @routes.post("/review/<chart_id>/decisions")
    def decide(chart_id: str) -> Response:
        """Record what the person decided on one code; answers JSON, or goes back to the page where no script runs."""
        session, issuer = open_chart(services, chart_id)
        check_form(session)
        actor = actor_of(session, issuer)
        document = document_of(services, session, issuer)
        place = place_of(issuer, document)
        second = second_of(services, session, issuer)
        decisions = decisions_for(services, second, to_record=True)
        wish = read_wish(request.form, document, place, decisions.standing(place), services.knowledge)
        decision = decisions.record(wish.subject, wish.action, actor, after=wish.after, reason=wish.reason, seen=wish.seen)
        if not second.blind:  # what never stands needs no ground to be told later
            offer = next((item for _, item in suggested(document) if item["code"] == wish.subject.code), None)
            services.grounds.keep(place, decision.id, offer, document, basis=wish.basis)
        if wants_json():
            standing = decisions.standing(place)
            decided = sum(item["code"] in standing for _, item in suggested(document))
            return jsonify({"code": wish.subject.code, "decided": decided, "decision": told(standing.get(wish.subject.code))})
        return make_response(redirect(url_for("smart.review", chart_id=chart_id, _anchor=wish.anchor), 303))

    @routes.get("/review/<chart_id>/standing")
    def standing(chart_id: str) -> Response:
        """What stands now, for the page to see what others do meanwhile. Looking so keeps no session alive."""
        session = services.sessions.find(chart_id, services.cookie.read(request), touch=False)
        issuer = services.settings.issuer(session.iss)
        document = document_of(services, session, issuer)
        place = place_of(issuer, document)
        second = second_of(services, session, issuer)
        decided = decisions_for(services, second).standing(place)
        queries = max((step.id for step in services.queries.history(place)), default=0)
        arranged = Arrangement() if second.blind else services.arrangements.latest(place)
        codes = {code: told(decision) for code, decision in decided.items()}
        return jsonify({"codes": codes, "arrangement": arranged.id, "arrangedBy": arranged.who, "queries": queries})

    @routes.get("/review/<chart_id>/codes")
    def codes(chart_id: str) -> Response:
        """Codes that fit what is typed (`q`), of the release that the chart's review was made with. Typing writes nothing, so it keeps no session alive."""
        session = services.sessions.find(chart_id, services.cookie.read(request), touch=False)
        issuer = services.settings.issuer(session.iss)
        document = document_of(services, session, issuer)
        found = services.search(release_of(services.knowledge, document)).find(request.args.get("q", "")[:100])
        return jsonify({"codes": [{"code": hit.code, "display": hit.display} for hit in found]})


def _add_protection(routes: Blueprint, services: Services) -> None:
    @routes.before_request
    def frame() -> None:
        g.frame_ancestors = services.settings.frame_ancestors

    @routes.after_request
    def headers(response: Response) -> Response:
        tell_shown(services.engine, response)
        if request.endpoint == "smart.static":
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"  # the address carries the file's hash
        return protect(response, g.get("frame_ancestors", services.settings.frame_ancestors))

    @routes.errorhandler(SmartError)
    def smart_error(error: SmartError) -> Response:
        _LOG.info("smart app refused", extra={"fields": {"code": error.code, "status": error.status, "route": request.endpoint}})
        tell_refused(services.engine, error)
        return failure(error.code, error.message, error.remedy, error.status)

    @routes.errorhandler(MarginaliaError)
    def service_error(error: MarginaliaError) -> Response:
        _LOG.warning("smart app failed", extra={"fields": {"code": error.code, "route": request.endpoint}})
        return failure(error.code, error.message, error.remedy, 500)

    @routes.errorhandler(Exception)
    def unexpected(error: Exception) -> Response | HTTPException:
        if isinstance(error, HTTPException):
            return error
        number = uuid.uuid4().hex[:8]
        # The type and place are told, never the message: it may hold words of a note.
        place = error.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else ""
        _LOG.error("smart app crashed", extra={"fields": {"error": type(error).__name__, "where": where, "number": number, "route": request.endpoint}})
        message = f"Something went wrong in Marginalia (number {number})."
        return failure("smart.internal", message, "Load the page again; if it stays so, tell the number to support.", 500)


def _read_chart(services: Services, chart_id: str, session: ChartSession, issuer: Issuer) -> Chart:
    record, banner, kind = fetch(session, issuer, services.to_chart(issuer), timeout_s=services.settings.timeout_s)
    document, refused = find_review(services.reviewer, session, issuer)
    if document is None:
        document = new_review(services.reviewer, record, issuer.tenant, session.user)
    else:
        services.reviewer.shown(issuer.tenant, document, client="smart", user=session.user)
    if document["id"] != session.review_id:
        services.sessions.use_review(chart_id, services.cookie.read(request), document["id"])
    restored, changed = restore(document, record)
    return Chart(record, banner, kind, restored, changed, added_notes(document, record), refused)


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((_HERE / "static" / name).read_bytes()).hexdigest()[:12]


def asset(name: str) -> str:
    """Return a static file's address with its hash, so that a browser may keep it for good."""
    return url_for("smart.static", filename=name, v=_digest(name))
