"""Routes of the work list: what waits, whose it is, and what is finished."""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from smart_app.assignment import Move, Standing
from smart_app.decisions import standing_of
from smart_app.door import actor_of, check_form, open_chart
from smart_app.errors import AccessDenied, DecisionRefused
from smart_app.history import Place
from smart_app.roles import role_of
from smart_app.services import Services
from smart_app.session import ChartSession
from smart_app.settings import Issuer
from smart_app.worklist import PAGE, SHOWS, SORTS, Waiting, ordered, waiting


def add_worklist(routes: Blueprint, services: Services) -> None:
    """Add the routes."""

    @routes.get("/review/<chart_id>/worklist")
    def worklist(chart_id: str) -> Response:
        """The encounters that wait, for coders, CDI and auditors."""
        session, issuer = open_chart(services, chart_id)
        _allowed(session, issuer)
        by, mine, show = request.args.get("by", ""), request.args.get("whose") == "mine", request.args.get("show", "")
        lines = _lines(services, issuer, session)
        mine_too = (w for w in lines if not mine or session.user in (w.standing.assignee, w.second.standing.assignee))
        shown = ordered([w for w in mine_too if show not in SHOWS or SHOWS[show][1](w)], by)
        wanted, last = request.args.get("page", ""), max(1, -(-len(shown) // PAGE))
        page = min(max(int(wanted), 1), last) if wanted.isascii() and wanted.isdigit() else 1
        return make_response(
            render_template(
                "smart/worklist.html",
                lines=shown[(page - 1) * PAGE : page * PAGE],
                found=len(shown),
                total=len(lines),
                page=page,
                last=last,
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
                row_id=row_id,
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
        known = services.reviewer.store.latest(issuer.tenant, patient, encounter)
        if known is None or known.get("encounter") != encounter:
            raise DecisionRefused("smart.no-encounter", "This encounter isn't on the list.", "Load the list again.")
        seen = request.form.get("seen", "")
        services.assignments.move(Place(issuer.tenant, patient, encounter), move, actor, seen=int(seen) if seen.isascii() and seen.isdigit() else -1)
        if request.form.get("back") == "review":
            return redirect(url_for("smart.review", chart_id=chart_id, _anchor="summary"), 303)
        by, whose, show, page = (request.form.get(name) or None for name in ("by", "whose", "show", "page"))
        return redirect(url_for("smart.worklist", chart_id=chart_id, by=by, whose=whose, show=show, page=page, _anchor=row_id(patient, encounter)), 303)


def row_id(patient: str, encounter: str | None) -> str:
    """Return where an encounter stands on the list's page."""
    return f"row-{(encounter or patient).rpartition('/')[2]}"


def _allowed(session: ChartSession, issuer: Issuer) -> None:
    if not role_of(session, issuer).sees_worklist:
        raise AccessDenied("smart.worklist", "The work list is for coders, CDI and auditors.", "Ask an administrator for that role.")


def _lines(services: Services, issuer: Issuer, session: ChartSession) -> list[Waiting]:
    tenant = issuer.tenant
    newest = services.kept.newest(tenant)
    reviews = services.kept.facts(id for id, _ in newest.values())
    first = services.decisions.histories(tenant)
    assigned = services.assignments.all(tenant)
    asked = services.queries.open_counts(tenant)
    seconds = services.seconds.all(tenant, session.user, role_of(session, issuer), issuer.second_share, first=first, work=assigned)
    both = services.seconds.results(tenant, first=first)
    lines = []
    for key, (id, _) in newest.items():
        if id in reviews:
            standing, work = standing_of(first.get(key, ())), assigned.get(key, Standing())
            told = reviews[id], standing, asked.get(key, 0), work
            lines.append(waiting(*told, rules=issuer.straight_through, second=seconds.get(key), both=both.get(key)))
    return lines


def _chart_url(issuer: Issuer, line: Waiting) -> str | None:
    if issuer.chart_url is None:
        return None
    parts = {"{patient}": line.patient, "{encounter}": line.encounter or ""}
    url = issuer.chart_url
    for name, reference in parts.items():
        url = url.replace(name, quote(reference.rpartition("/")[2], safe=""))
    return url
