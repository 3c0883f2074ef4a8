"""Operation: is it alive, is it ready, what does it count, what does it offer, which model answers."""

from __future__ import annotations

from importlib import resources

from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST

from cds_service.application import Application
from cds_service.errors import NotFoundError
from cds_service.web.metrics import Metrics
from cds_service.web.openapi import openapi


def blueprint(application: Application, metrics: Metrics) -> Blueprint:
    """Return the routes of operation."""
    routes = Blueprint("operations", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return jsonify({"status": "alive"})

    @routes.get("/readyz")
    def readyz() -> tuple[Response, int]:
        database = application.store.is_alive()
        model = application.reviewer.model
        answer = {
            "status": "ready" if database else "not ready",
            "provider": application.provider,
            "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
            "database": "ready" if database else "doesn't answer",
        }
        return jsonify(answer), 200 if database else 503

    @routes.get("/metrics")
    def metrics_page() -> Response:
        return Response(metrics.page(), content_type=CONTENT_TYPE_LATEST)

    @routes.get("/openapi.json")
    def openapi_document() -> Response:
        return jsonify(openapi(application.settings.public_url))

    @routes.get("/model-card")
    def model_card() -> Response:
        card = resources.files("onnx_models") / "artefacts" / "MODEL_CARD.md"
        if not card.is_file():
            raise NotFoundError("The model has no card.", "Build the artefacts with `marginalia train`.")
        # A browser shows plain text and would download Markdown.
        wanted = request.accept_mimetypes.best_match(["text/plain", "text/markdown"], default="text/plain")
        return Response(card.read_text(encoding="utf-8"), content_type=f"{wanted}; charset=utf-8")

    @routes.get("/icon.png")
    def icon() -> Response:
        picture = resources.files("cds_service.web") / "icon.png"
        return Response(picture.read_bytes(), content_type="image/png", headers={"Cache-Control": "public, max-age=86400"})

    return routes
