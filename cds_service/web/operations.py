"""Operation: is it alive, is it ready, what does it count, what does it offer, which model answers."""

from __future__ import annotations

from importlib import resources

from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST

from cds_service.application import Application
from cds_service.errors import BusyError, NotFoundError
from cds_service.web.metrics import Metrics
from cds_service.web.openapi import openapi


def blueprint(application: Application, metrics: Metrics) -> Blueprint:
    """Return the routes of operation."""
    routes = Blueprint("operations", __name__)
    # Read once, at the start: what is shown is of the program that runs, also while another one is being installed in its place.
    described = openapi(application.settings.public_url)
    card = _file("onnx_models", "artefacts/MODEL_CARD.md")
    picture = _file("cds_service.web", "icon.png")

    @routes.get("/healthz")
    def healthz() -> Response:
        return jsonify({"status": "alive"})

    @routes.get("/readyz")
    def readyz() -> tuple[Response, int, dict[str, str]]:
        database = application.store.is_alive()
        model = application.reviewer.model
        answer = {
            "status": "ready" if database else "not ready",
            "provider": application.provider,
            "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
            "database": "ready" if database else "doesn't answer",
        }
        return jsonify(answer), 200 if database else 503, {} if database else {"Retry-After": str(BusyError.retry_after)}

    @routes.get("/metrics")
    def metrics_page() -> Response:
        return Response(metrics.page(), content_type=CONTENT_TYPE_LATEST)

    @routes.get("/openapi.json")
    def openapi_document() -> Response:
        return jsonify(described)

    @routes.get("/model-card")
    def model_card() -> Response:
        if card is None:
            raise NotFoundError("The model has no card.", "Build the artefacts with `marginalia train`.")
        # A browser shows plain text and would download Markdown.
        wanted = request.accept_mimetypes.best_match(["text/plain", "text/markdown"], default="text/plain")
        return Response(card, content_type=f"{wanted}; charset=utf-8")

    @routes.get("/icon.png")
    def icon() -> Response:
        return Response(picture, content_type="image/png", headers={"Cache-Control": "public, max-age=86400"})

    return routes


def _file(package: str, path: str) -> bytes | None:
    file = resources.files(package) / path
    return file.read_bytes() if file.is_file() else None
