"""From the start of a serving process to its end: load, tell the audit what is in force, keep house, and close in order."""

from __future__ import annotations

import gc
import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from cds_service.application import Application
from cds_service.audit import Event, Kind
from cds_service.audit.chain import latest
from cds_service.audit.inputs import basis
from cds_service.config import Settings
from cds_service.logs import told_of
from cds_service.serving.housekeeping import usual
from cds_service.serving.tracing import close_traces
from cds_service.store.command import retire
from cds_service.web import create_app

_LOG = logging.getLogger(__name__)
_SERVICE = "the service itself"


def begin(settings: Settings) -> tuple[Any, Callable[[], None]]:
    """Load the application and return it as WSGI, with what closes it.

    Raises:
        ConfigurationError: a setting doesn't fit this machine, or the model is damaged.
        CodeSetError: a table is damaged.
    """
    with _made_to_stay():
        application = Application.load(settings)
        app = create_app(application)
    tell_configuration(application)
    house = usual(lambda: retire_and_tell(application), application.audit.checkpoint)
    told = {"publicUrl": settings.public_url, "provider": application.provider, "open": settings.open, "processes": settings.processes}
    _LOG.info("serving", extra={"fields": told})

    def close() -> None:
        house.close()
        try:
            application.audit.record(Event(Kind.STOP, client=_SERVICE))
            application.audit.checkpoint()
        except Exception as error:  # noqa: BLE001 - the end comes all the same
            _LOG.error("stop not audited", extra={"fields": told_of(error)})
        close_traces(app)
        application.close()
        _LOG.info("stopped")

    return app, close


@contextmanager
def _made_to_stay() -> Iterator[None]:
    """Keep the garbage collector from what is made here: while it is made, which is a tenth of the start, and afterwards in the middle of calls."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def tell_configuration(application: Application) -> None:
    """Audit what is in force: program, rules, model, and which settings differ from the last start. Values are told as hashes."""
    settings = {f.name: _fingerprint(getattr(application.settings, f.name)) for f in fields(Settings)}
    with application.store.engine.connect() as connection:
        last = latest(connection, Kind.CONFIGURATION.value)
    before: dict[str, Any] = last.event.get("details", {}).get("settings", {}) if last else {}
    changed = sorted(name for name, value in settings.items() if before and before.get(name) != value)
    details = {"settings": settings, "changed": changed, **basis(application.reviewer.model, application.provider)}
    application.audit.record(Event(Kind.CONFIGURATION, client=_SERVICE, details=details))


def retire_and_tell(application: Application) -> None:
    """Delete what is older than the tenants keep, and log what was deleted."""
    deleted = retire(application.store.engine, application.audit, application.settings)
    if deleted:
        _LOG.info("retention", extra={"fields": {"deleted": deleted}})


def _fingerprint(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]
