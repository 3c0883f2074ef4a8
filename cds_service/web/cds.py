"""CDS Hooks: discovery, calls and feedback."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, Response, g, jsonify

from cds_service.application import Application
from cds_service.asking import Asking
from cds_service.hooks import (
    Card,
    Finding,
    Place,
    Registry,
    Service,
    complete,
    coverage_extension,
    dressed,
    pruned,
    read_feedback,
    read_request,
    with_coverage,
)
from cds_service.review.document import to_document
from cds_service.serving.admission import hold
from cds_service.serving.tracing import step
from cds_service.store import CardIssued
from cds_service.web.body import json_body
from cds_service.web.clients import calling_client, outgoing
from cds_service.web.metrics import Metrics

# After a slow fetch the newest notes are still read: an answer a little late is worth more than one without them.
_LEAST_READING_S = 0.15


def blueprint(application: Application, registry: Registry, metrics: Metrics) -> Blueprint:
    """Return the routes under /cds-services."""
    routes = Blueprint("cds", __name__, url_prefix="/cds-services")
    settings = application.settings

    @routes.get("")
    def discovery() -> Response:
        calling_client(settings)
        return jsonify({"services": [s.to_json() for s in registry]})

    @routes.post("/<service_id>")
    def call(service_id: str) -> Response:
        client = calling_client(settings)
        service = registry.find(service_id)
        hold(application.admission, client, g.arrival + settings.hook_budget_ms / 2000)
        asked = read_request(json_body(), hook=service.hook)
        g.told = {"service": service.id, "hookInstance": asked.hook_instance, "client": client.name}
        answer_by = g.arrival + settings.hook_budget_ms / 1000
        fetched_by = g.arrival + settings.fetch_budget_ms / 1000
        session = outgoing().to_fhir(client)
        with step("chart"):
            record = complete(service, asked, client, open_mode=settings.open, until=fetched_by, answer_by=answer_by, session=session)
        deadline = max(answer_by, time.monotonic() + _LEAST_READING_S)
        with step("review"):
            review = application.review(record, tenant=client.tenant, deadline=deadline)
        asking = Asking(lambda: application.held_back(client.tenant, review))
        finding = Finding(asked, application.read_through_map(record), review, application.coder.read, asking)
        cards = with_coverage(service.draw(finding), finding)
        issued = [_issued(c, service) for c in cards]
        with step("keep"):
            application.keep(client.tenant, to_document(review), issued, record=record, client=client.name, user=asked.context.user_id, service=service.id)
        metrics.count_notes(review)
        for card in cards:
            metrics.cards.labels(service.id, card.topic.value).inc()
        g.told |= {"cards": len(cards), "notesRead": len(review.coverage.notes_read), "notesSkipped": len(review.coverage.notes_skipped)}
        if asking.held:
            g.told["queriesHeldBack"] = len(asking.held)
        here = asked.context
        handle = application.store.issue_handle(client.tenant, review.id, here.patient_id, here.user_id) if cards else ""
        place = Place(settings.public_url, here.patient_id, here.encounter_id, review.created, handle)
        return jsonify(_response(finding, dressed(cards, client, place)))

    @routes.post("/<service_id>/feedback")
    def feedback(service_id: str) -> Response:
        client = calling_client(settings)
        service = registry.find(service_id)
        items = read_feedback(json_body())
        application.record_feedback(client.tenant, service.id, items, client=client.name)
        g.told = {"service": service.id, "client": client.name, "feedback": len(items)}
        return Response(status=200)

    return routes


def _issued(card: Card, service: Service) -> CardIssued:
    return CardIssued(card.uuid, service.id, card.topic.value, {s.uuid: s.condition.code for s in card.suggestions}, card.queries)


def _response(finding: Finding, dressed_cards: list[dict[str, Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = {"cards": dressed_cards}
    extension = pruned(coverage_extension(finding))
    return answer | ({"extension": extension} if extension else {})
