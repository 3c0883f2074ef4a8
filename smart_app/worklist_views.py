"""Routes of the work list: what waits, whose it is, and what is finished."""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from smart_app.arrangement import Place
from smart_app.assignment import Move, Standing
from smart_app.door import actor_of, check_form, open_chart
from smart_app.errors import AccessDenied, DecisionRefused
from smart_app.roles import role_of
from smart_app.services import Services
from smart_app.session import ChartSession
from smart_app.settings import Issuer
from smart_app.worklist import SHOWS, SORTS, Waiting, latest_reviews, ordered, waiting


def add_worklist(routes: Blueprint, services: Services) -> None:
    """Add the routes."""

    @routes.get("/review/<chart_id>/worklist")
    def worklist(chart_id: str) -> Response:
        """The encounters that wait, for coders, CDI and auditors."""
        session, issuer = open_chart(services, chart_id)
        _allowed(session, issuer)
        by = request.args.get("by", "age")
        mine = request.args.get("whose") == "mine"
        lines = _lines(services, issuer, session)
        mine_too = (w for w in lines if not mine or session.user in (w.standing.assignee, w.second.standing.assignee))
        show = request.args.get("show", "")
        shown = [w for w in mine_too if show not in SHOWS or SHOWS[show][1](w)]
        return make_response(
            render_template(
                "smart/worklist.html",
                lines=ordered(shown, by),
                total=len(lines),
                by=by if by in SORTS else "age",
                sorts=SORTS,
                mine=mine,
                show=show if show in SHOWS else "",
                shows={key: words for key, (words, _) in SHOWS.items() if key != "straight" or issuer.straight_through},
                rules=issuer.straight_through,
                me=session.user,
                may_take=role_of(session, issuer).decides,
                chart_id=chart_id,
                session=session,
                issuer=issuer,
                chart_of=lambda w: _chart_url(issuer, w),
            )
        )

    @routes.post("/review/<chart_id>/assign")
    def assign(chart_id: str) -> AnyResponse:
        """Take an encounter, give it back, finish it or open it again."""
        session, issuer = open_chart(services, chart_id)
        check_form(session)
        actor = actor_of(session, issuer)
        _allowed(session, issuer)
        try:
            move = Move(request.form.get("move", ""))
        except ValueError as error:
            raise DecisionRefused("smart.move", "This step isn't known.", f"One of: {', '.join(Move)}.") from error
        patient, encounter = request.form.get("patient", ""), request.form.get("encounter", "") or None
        if not any((w.patient, w.encounter) == (patient, encounter) for w in _lines(services, issuer, session)):
            raise DecisionRefused("smart.no-encounter", "This encounter isn't on the list.", "Load the list again.")
        seen = request.form.get("seen", "")
        services.assignments.move(Place(issuer.tenant, patient, encounter), move, actor, seen=int(seen) if seen.isascii() and seen.isdigit() else -1)
        if request.form.get("back") == "review":
            return redirect(url_for("smart.review", chart_id=chart_id, _anchor="summary"), 303)
        return redirect(url_for("smart.worklist", chart_id=chart_id, by=request.form.get("by") or None, whose=request.form.get("whose") or None), 303)


def _allowed(session: ChartSession, issuer: Issuer) -> None:
    if not role_of(session, issuer).sees_worklist:
        raise AccessDenied("smart.worklist", "The work list is for coders, CDI and auditors.", "Ask an administrator for that role.")


def _lines(services: Services, issuer: Issuer, session: ChartSession) -> list[Waiting]:
    tenant = issuer.tenant
    seconds = services.seconds.all(tenant, session.user, role_of(session, issuer), issuer.second_share)
    both = services.seconds.results(tenant)
    assigned = services.assignments.all(tenant)
    asked = services.queries.open_counts(tenant)
    decided = services.decisions.standing_of_all(tenant)
    lines = []
    for document in latest_reviews(services.engine, services.reviewer.store.cipher, tenant):
        key = (document["patient"], document.get("encounter") or "")
        standing, open_queries, work = decided.get(key, {}), asked.get(key, 0), assigned.get(key, Standing())
        lines.append(waiting(document, standing, open_queries, work, rules=issuer.straight_through, second=seconds.get(key), both=both.get(key)))
    return lines


def _chart_url(issuer: Issuer, line: Waiting) -> str | None:
    if issuer.chart_url is None:
        return None
    parts = {"{patient}": line.patient, "{encounter}": line.encounter or ""}
    url = issuer.chart_url
    for name, reference in parts.items():
        url = url.replace(name, quote(reference.rpartition("/")[2], safe=""))
    return url
