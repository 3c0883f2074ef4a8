"""The same review for coding and revenue-cycle systems."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify

from cds_service.application import Application
from cds_service.encounter_input import read_input
from cds_service.review.document import to_document
from cds_service.serving.admission import hold
from cds_service.serving.tracing import step
from cds_service.web.body import json_body
from cds_service.web.clients import calling_client
from cds_service.web.metrics import Metrics


def blueprint(application: Application, metrics: Metrics) -> Blueprint:
    """Return the routes under /api/v1."""
    routes = Blueprint("api", __name__, url_prefix="/api/v1")
    settings = application.settings

    @routes.post("/review")
    def review() -> Response:
        client = calling_client(settings)
        hold(application.admission, client, g.arrival + settings.api_budget_ms / 4000)
        record = read_input(json_body(), today=application.reviewer.now().date())
        with step("review"):
            found = application.review(record, tenant=client.tenant, deadline=g.arrival + settings.api_budget_ms / 1000)
        document = to_document(found)
        with step("keep"):
            application.keep(client.tenant, document, record=record, client=client.name)
        metrics.count_notes(found)
        g.told = {"client": client.name, "notesRead": len(found.coverage.notes_read), "notesSkipped": len(found.coverage.notes_skipped)}
        return jsonify(document)

    @routes.get("/reviews/<review_id>")
    def kept(review_id: str) -> Response:
        client = calling_client(settings)
        return jsonify(application.opened(client.tenant, review_id, client=client.name))

    return routes
