"""The Flask application: one factory, one blueprint a subject."""

from __future__ import annotations

import logging
import time
from importlib import metadata
from urllib.parse import urlsplit

from flask import Flask, Response, g, request
from flask_cors import CORS

from cds_service.access import Gate
from cds_service.application import Application
from cds_service.backlog import Calls
from cds_service.config import Settings, is_loopback
from cds_service.errors import RequestError
from cds_service.hooks import Registry, built_in_registry
from cds_service.outgoing import Outgoing
from cds_service.serving.admission import give_back_places
from cds_service.serving.correlation import follow
from cds_service.serving.tracing import Traces, trace, traces_of
from cds_service.web import api, cds, errors, operations, tokens
from cds_service.web.clients import GATE, OUTGOING
from cds_service.web.metrics import Metrics

_LOG = logging.getLogger(__name__)
_PLUGINS = "marginalia.blueprints"


def create_app(application: Application, registry: Registry | None = None, *, traces: Traces | None = None) -> Flask:
    """Return the WSGI application of the service.

    Args:
        application: the loaded application.
        registry: the CDS services to offer; the built-in ones unless given.
        traces: where spans go; as the settings say unless given.
    """
    app = Flask("cds_service.web", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = application.settings.max_body_mb * 1_000_000
    app.url_map.strict_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["marginalia"] = application
    outgoing = app.extensions[OUTGOING] = Outgoing(application.settings)
    gate = app.extensions[GATE] = Gate(application.settings, application.store, outgoing)
    metrics = Metrics(application)
    _count(app, application.calls)
    _watch(app, metrics)
    follow(app)
    trace(app, traces or traces_of(application.settings, outgoing))
    give_back_places(app)
    if application.settings.open:
        _answer_own_names_only(app, application.settings)
    app.register_blueprint(cds.blueprint(application, registry or built_in_registry(), metrics))
    app.register_blueprint(api.blueprint(application, metrics))
    app.register_blueprint(tokens.blueprint(gate))
    app.register_blueprint(operations.blueprint(application, metrics))
    errors.handle(app)
    # Explicit origins only (S2): no origin is answered that the settings don't name.
    CORS(
        app,
        resources={r"/(cds-services|api)(/.*)?": {}},
        origins=list(application.settings.cors_origins),
        allow_headers=["Authorization", "Content-Type"],
        methods=["GET", "POST", "OPTIONS"],
        max_age=600,
    )
    for entry in metadata.entry_points(group=_PLUGINS):
        entry.load()(app, application)
    return app


def _answer_own_names_only(app: Flask, settings: Settings) -> None:
    """Refuse a foreign Host: a web page that points its own name at this machine must not reach a service that asks nobody who they are."""
    public = urlsplit(settings.public_url).hostname

    @app.before_request
    def check_host() -> Response | None:
        host = urlsplit(f"//{request.host}").hostname or ""
        if not is_loopback(host) and host != public:
            told = RequestError("In open mode the service answers to this machine's own names only.", "Call it as localhost or 127.0.0.1.", field="Host")
            return errors.answer_to(told)  # not raised: a plug-in's own error handler would take it for a defect
        return None


def _count(app: Flask, calls: Calls) -> None:
    """Count requests in and out, so that nothing else is done while one is in progress."""

    @app.before_request
    def begin() -> None:
        calls.begin()
        g.counted = True

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        if g.pop("counted", False):
            calls.end()


def _watch(app: Flask, metrics: Metrics) -> None:
    """Log and count every request: which route, how it ended, how long it took; never its path, query, headers or body."""

    @app.before_request
    def arrive() -> None:
        g.arrival = time.monotonic()

    @app.after_request
    def leave(response: Response) -> Response:
        seconds = time.monotonic() - g.get("arrival", time.monotonic())
        route = request.url_rule.rule if request.url_rule else "(none)"
        metrics.requests.labels(route, request.method, response.status_code).inc()
        metrics.seconds.labels(route).observe(seconds)
        if "refused" in g:
            metrics.refused.labels(g.refused).inc()
        metrics.look()
        told = {"route": route, "method": request.method, "status": response.status_code, "ms": round(seconds * 1000, 1), **g.get("told", {})}
        _LOG.info("request", extra={"fields": told})
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Cache-Control", "no-store")
        return response
