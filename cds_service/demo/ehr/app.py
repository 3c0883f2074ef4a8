"""The EHR's Flask application."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from flask import Flask, Response, abort, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from cds_service.demo.ehr import calls, gateway, pages
from cds_service.demo.ehr.authorization import AuthorizationDesk
from cds_service.demo.ehr.decision_support import DecisionSupport
from cds_service.demo.ehr.fhir import Records
from cds_service.demo.ehr.grants import Grants
from cds_service.demo.ehr.markdown import rendered
from cds_service.demo.ehr.person import current_user
from cds_service.demo.ehr.site import NAME, USERS, Site
from cds_service.demo.patients.folder import clinic

_OWN_POSTS = ("/patients/", "/calls/", "/user")  # pages of the EHR itself; /oauth and /fhir are called by others


def create_ehr(site: Site) -> Flask:
    """Return the EHR of a site: pages, hook calls, authorisation server and FHIR endpoint."""
    app = Flask(__name__, static_folder="static", template_folder="templates")
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_NAME="demo_ehr",  # the service runs on the same host, and cookies don't heed the port
        SESSION_COOKIE_SAMESITE="Lax",
        TRUSTED_HOSTS=["127.0.0.1", "localhost"],  # no other name may lead here (DNS rebinding)
    )
    app.jinja_env.filters["markdown"] = rendered
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    grants = Grants()
    records = Records(site.fhir_upstream)
    support = DecisionSupport(site, records, grants)
    AuthorizationDesk(site, grants).register(app)
    app.register_blueprint(gateway.blueprint(site, grants))
    app.register_blueprint(pages.blueprint(records))
    app.register_blueprint(calls.blueprint(site, records, support, grants))
    _guard(app, site)
    people = clinic()["practitioners"]

    @app.context_processor
    def shared() -> dict[str, object]:
        return {"ehr_name": NAME, "users": {key: people[key] for key in USERS}, "user": current_user()}

    return app


def _guard(app: Flask, site: Site) -> None:
    policy = f"default-src 'self'; img-src 'self' {site.service_url}; frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'"

    @app.before_request
    def one_address() -> AnyResponse | None:
        """Cookies and launches belong to one host name, so the other name for this machine leads there."""
        if request.host.partition(":")[0] == "localhost":
            return redirect(f"{site.ehr_url}{request.full_path.removesuffix('?')}", code=307)
        return None

    @app.before_request
    def only_own_forms() -> None:
        origin = request.headers.get("Origin")
        if request.method == "POST" and request.path.startswith(_OWN_POSTS) and origin and urlsplit(origin).netloc != urlsplit(site.ehr_url).netloc:
            abort(403)

    @app.after_request
    def headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        return response
