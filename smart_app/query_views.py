"""Routes of documentation queries: sent to the author, answered in place, closed. An answer is evidence; it never becomes a code by itself."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from cds_service.errors import NotFoundError
from smart_app.charts import Document
from smart_app.door import actor_of, check_form, document_of, open_chart, place_of, wants_json
from smart_app.errors import AccessDenied, DecisionRefused
from smart_app.history import Actor, Place
from smart_app.outbox import Act
from smart_app.queries import LONGEST_ANSWER, QueryStep, Step
from smart_app.roles import role_of
from smart_app.services import Services
from smart_app.settings import Issuer
from smart_app.summary_views import send
from smart_app.writeback import Rights, urn


def add_queries(routes: Blueprint, services: Services) -> None:
    """Add the routes."""

    @routes.post("/review/<chart_id>/queries")
    def query(chart_id: str) -> Response | AnyResponse:
        """Record what becomes of a query; a query and an answer go to the EHR where it takes messages."""
        session, issuer = open_chart(services, chart_id)
        check_form(session)
        actor = actor_of(session, issuer)
        document = document_of(services, session, issuer)
        place = place_of(issuer, document)
        asked = _asked(services, issuer, document, place)
        try:
            step = Step(request.form.get("step", ""))
        except ValueError as error:
            raise DecisionRefused("smart.query-step", "This step isn't known.", f"One of: {', '.join(Step)}.") from error
        role = role_of(session, issuer)
        if (step is Step.ANSWER and not role.answers) or (step is not Step.ANSWER and not role.asks):
            who = "a clinician" if step is Step.ANSWER else "a coder or CDI specialist"
            raise AccessDenied("smart.query-role", f"Only {who} can do that.", "Ask one of them.")
        answer, words = _answer(asked) if step is Step.ANSWER else (None, None)
        seen = request.form.get("seen", "")
        recorded = services.queries.record(
            place,
            str(asked["id"]),
            step,
            actor,
            review_id=str(asked.get("review") or document["id"]),
            seen=int(seen) if seen.isascii() and seen.isdigit() else -1,
            answer=answer,
            words=words,
            recipient=_recipient() if step is Step.SEND else None,
        )
        rights = Rights.of(services.launcher.scopes(session))
        kind = _kind(rights, step)
        if kind:
            _post(services, place, recorded, kind, actor)
            send(services, session, issuer, document, place)
        if wants_json():
            return jsonify({"query": recorded.query, "step": recorded.step})
        return redirect(url_for("smart.review", chart_id=chart_id, _anchor="queries"), 303)


def last_steps(services: Services, place: Place) -> dict[str, QueryStep]:
    """Return the last step on each query of an encounter."""
    return {step.query: step for step in services.queries.history(place)}


def asked_before(services: Services, issuer: Issuer, document: Document, steps: dict[str, QueryStep]) -> list[dict[str, Any]]:
    """Return the queries with a step that the open review doesn't ask any more, as their own reviews have them."""
    here = {q["id"] for q in document.get("queries", ())}
    found = []
    for step in steps.values():
        if step.query in here:
            continue
        try:
            review = services.reviewer.store.get(issuer.tenant, step.review_id)
        except NotFoundError:
            continue  # gone by the store's retention, and the words of the question with it
        found += [{**q, "review": step.review_id} for q in review.get("queries", ()) if q["id"] == step.query]
    return found


def _asked(services: Services, issuer: Issuer, document: Document, place: Place) -> dict[str, Any]:
    wanted = request.form.get("query", "")
    known = [*document.get("queries", ()), *asked_before(services, issuer, document, last_steps(services, place))]
    query = next((q for q in known if q["id"] == wanted), None)
    if query is None:
        raise DecisionRefused("smart.unknown-query", "The review asks no such question.", "Load the page again.")
    return dict(query)


def _answer(asked: dict[str, Any]) -> tuple[str | None, str | None]:
    answer = request.form.get("answer", "").strip()
    words = request.form.get("words", "").strip()[:LONGEST_ANSWER]
    if answer not in asked["options"]:
        raise DecisionRefused("smart.answer", "No answer was chosen.", "Choose one of the answers.")
    if answer.startswith("Other") and not words:
        raise DecisionRefused("smart.answer-words", "Other needs words.", "Say what it is.")
    return answer, words or None


def _recipient() -> str | None:
    return " ".join(request.form.get("recipient", "").split())[:200] or None


def _kind(rights: Rights, step: Step) -> str | None:
    """Return what a step is written as: an answer as a QuestionnaireResponse where the EHR takes it, else as a message; a Task asks and doesn't answer."""
    if step is Step.ANSWER:
        return "QuestionnaireResponse" if rights.answers else "Communication" if rights.message else None
    return rights.message if step is Step.SEND else None


def _post(services: Services, place: Place, step: QueryStep, kind: str, actor: Actor) -> None:
    sent = [i for i in services.outbox.items(place) if i.act is Act.MESSAGE and i.body.get("query") == step.query and i.location]
    told = {
        "kind": kind,
        "query": step.query,
        "review": step.review_id,
        "step": step.id,
        "at": step.at.isoformat(),
        "recipient": step.recipient,
        "inResponseTo": sent[-1].location if step.step is Step.ANSWER and sent and (sent[-1].location or "").startswith("Communication/") else None,
    }
    services.outbox.put(place, Act.MESSAGE, step.query[:64], urn(place, "query", step.query, str(step.id)), told, actor)
