"""Routes of the pilot's figures: a page with drawings, and the same as CSV and JSON. For those whom the settings name."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify, make_response, render_template, request
from markupsafe import Markup

from smart_app.door import open_chart
from smart_app.errors import AccessDenied
from smart_app.pilot import drawings
from smart_app.pilot.facts import PilotStore
from smart_app.pilot.figures import OUTCOMES, Figures, figures
from smart_app.pilot.period import Period, read_period
from smart_app.pilot.report import report_csv, report_json, said
from smart_app.roles import owns_pilot, role_of
from smart_app.services import Services
from smart_app.session import ChartSession
from smart_app.settings import Issuer


def add_pilot(routes: Blueprint, services: Services) -> None:
    """Add the routes."""
    store = PilotStore(services.engine, services.reviewer.store.cipher, services.kept)

    @routes.get("/review/<chart_id>/pilot")
    def pilot(chart_id: str) -> Response:
        """The figures with their drawings."""
        session, issuer = _owner(services, chart_id)
        period, told = _figures(services, store, session, issuer)
        drawn = {name: Markup(draw(told)) for name, draw in _DRAWINGS.items()}  # noqa: S704 - made by our own code of numbers, months and codes, escaped by lxml
        return make_response(
            render_template(
                "smart/pilot.html",
                figures=told,
                period=period,
                drawn=drawn,
                said=said,
                outcomes=OUTCOMES,
                query=request.args,
                chart_id=chart_id,
                session=session,
                issuer=issuer,
                sees_worklist=role_of(session, issuer).sees_worklist,
            )
        )

    @routes.get("/review/<chart_id>/pilot.csv")
    def pilot_csv(chart_id: str) -> Response:
        """The figures as a table."""
        session, issuer = _owner(services, chart_id)
        period, told = _figures(services, store, session, issuer)
        name = f"pilot-figures-{period.since:%Y-%m}-{period.last}.csv"
        return Response(report_csv(told), content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'})

    @routes.get("/review/<chart_id>/pilot.json")
    def pilot_json(chart_id: str) -> Response:
        """The figures as JSON."""
        session, issuer = _owner(services, chart_id)
        return jsonify(report_json(_figures(services, store, session, issuer)[1]))


_DRAWINGS = {"acceptance": drawings.acceptance, "changes": drawings.changes, "months": drawings.months}


def _owner(services: Services, chart_id: str) -> tuple[ChartSession, Issuer]:
    session, issuer = open_chart(services, chart_id)
    if not owns_pilot(session, issuer):
        raise AccessDenied("smart.pilot", "The figures of the pilot are for its owners.", "Ask an administrator to name you in 'pilot_owners'.")
    return session, issuer


def _figures(services: Services, store: PilotStore, session: ChartSession, issuer: Issuer) -> tuple[Period, Figures]:
    now = datetime.now(UTC)
    period = read_period(request.args, now=now)
    facts = store.encounters(issuer.tenant, since=period.since, until=period.until, rules=issuer.straight_through)
    told = figures(
        facts,
        tenant=issuer.tenant,
        since=period.since,
        until=period.until,
        made=now,
        change=period.change,
        least=services.settings.least_cell,
        payment=role_of(session, issuer).sees_payment,
    )
    return period, told
