"""Routes of second readings: taking one, giving it back, finishing it, and comparing it once it is done."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from fhir_mappers.record import EncounterRecord
from smart_app.assignment import Move
from smart_app.decisions import REASONS, Decisions
from smart_app.door import actor_of, check_form, document_of, open_chart, place_of, second_of
from smart_app.errors import AccessDenied, DecisionRefused
from smart_app.forms import release_of
from smart_app.history import Place
from smart_app.review_facts import suggested
from smart_app.roles import role_of
from smart_app.second_reading import Second, Stage
from smart_app.services import Services


def add_second(routes: Blueprint, services: Services) -> None:
    """Add the routes."""

    @routes.get("/review/<chart_id>/second")
    def second(chart_id: str) -> Response:
        """Both readings side by side, for coders, CDI and auditors, once the second is done."""
        session, issuer = open_chart(services, chart_id)
        if not role_of(session, issuer).sees_worklist or second_of(services, session, issuer).stage is not Stage.DONE:
            raise AccessDenied("smart.second-undone", "There are no two readings to compare here.", "Wait until the second reading is done.")
        document = document_of(services, session, issuer)
        place = place_of(issuer, document)
        return make_response(
            render_template(
                "smart/second.html",
                lines=services.seconds.compared(place),
                both=services.seconds.both(place),
                title=release_of(services.knowledge, document).title,
                reasons=REASONS,
                chart_id=chart_id,
                session=session,
                issuer=issuer,
                document=document,
            )
        )

    @routes.post("/review/<chart_id>/second")
    def second_move(chart_id: str) -> AnyResponse:
        """Take the second reading of the open chart, give it back, or finish it."""
        session, issuer = open_chart(services, chart_id)
        check_form(session)
        actor = actor_of(session, issuer)
        document = document_of(services, session, issuer)
        place = place_of(issuer, document)
        try:
            move = Move(request.form.get("move", ""))
        except ValueError as error:
            raise DecisionRefused("smart.move", "This step isn't known.", "Load the page again.") from error
        decided = services.seconds.decisions.standing(place)
        undecided = sum(item["code"] not in decided for _, item in suggested(document))
        seen = request.form.get("seen", "")
        services.seconds.move(
            place,
            move,
            actor,
            second_of(services, session, issuer),
            undecided=undecided,
            seen=int(seen) if seen.isascii() and seen.isdigit() else -1,
        )
        return redirect(url_for("smart.review", chart_id=chart_id), 303)


def decisions_for(services: Services, second: Second, *, to_record: bool = False) -> Decisions:
    """Return the decisions that a person sees and adds to: a second reader's own, else those that stand. Raises AccessDenied."""
    if to_record and second.blind and not second.mine:
        raise AccessDenied("smart.second-first", "This encounter waits for a second reading.", "Take the second reading first, then decide.")
    return services.seconds.decisions if second.blind else services.decisions


def unwritten(services: Services, place: Place, record: EncounterRecord) -> EncounterRecord:
    """Return the record without the diagnoses that the first coder wrote to the chart: a second reader would know what was decided."""
    written = {item.location.partition("/_history")[0] for item in services.outbox.items(place) if item.location}
    return replace(record, problems=tuple(p for p in record.problems if p.source not in written))
