"""The SMART on FHIR app: the full rationale on the note itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smart_app.services import Services
from smart_app.settings import ClientAuth, Issuer, SmartSettings, read_settings
from smart_app.settings_page import settings_sections
from smart_app.views import blueprint

if TYPE_CHECKING:
    from flask import Flask

    from cds_service.application import Application

__all__ = ["ClientAuth", "Issuer", "Services", "SmartSettings", "read_settings", "register", "settings_sections"]


def register(app: Flask, application: Application) -> None:
    """Add the SMART app to the service's web app; raises ConfigurationError where its settings are wrong."""
    settings = read_settings(application.settings.smart, public_url=application.settings.public_url, database_url=application.settings.database_url)
    services = Services.build(settings, application, app.extensions["marginalia.outgoing"])
    application.steps_on_queries = services.queries.events
    app.register_blueprint(blueprint(services))
