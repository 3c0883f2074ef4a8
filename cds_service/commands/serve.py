"""`marginalia serve`: the service on a production WSGI server."""

from __future__ import annotations

import logging
import signal
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
import waitress

from cds_service.application import Application
from cds_service.config import Settings, is_loopback
from cds_service.errors import ConfigurationError
from cds_service.web import create_app
from cds_service.web.logs import log_to_stderr

_LOG = logging.getLogger(__name__)
_LOOPBACK = "127.0.0.1"


@click.command()
@click.option("--host", default=_LOOPBACK, show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@click.option("--open", "open_mode", is_flag=True, help="Answer callers without authentication. On a loopback address only.")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings; MARGINALIA_* variables win over it.")
def serve(host: str, port: int, open_mode: bool, config: Path | None) -> None:
    """Run the service: CDS Hooks, the API and the SMART app.

    Logs are JSON lines on standard error. Stop it with Ctrl-C or SIGTERM.
    """
    settings = Settings.load(config)
    check_exposure(host, open_mode=open_mode)
    log_to_stderr()
    application = Application.load(replace(settings, open=open_mode))
    try:
        run(application, host, port)
    finally:
        application.store.close()


def check_exposure(host: str, *, open_mode: bool) -> None:
    """Refuse to serve where anyone could call.

    Raises:
        ConfigurationError: not in open mode, or open on an address that others reach.
    """
    if not open_mode:
        raise ConfigurationError("Clients can't prove who they are yet, so every call would be refused.", "For trial and development, start it with --open.")
    if not is_loopback(host):
        raise ConfigurationError(f"--open answers anyone, and {host} can be reached from outside.", f"Use --open with --host {_LOOPBACK}.")


def run(application: Application, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ConfigurationError: the address is taken or isn't this machine's.
    """
    settings = application.settings
    try:
        server = waitress.create_server(
            create_app(application),
            host=host,
            port=port,
            threads=settings.workers,
            ident="",
            max_request_body_size=settings.max_body_mb * 1_000_000 + 65_536,
            clear_untrusted_proxy_headers=True,
        )
    except OSError as error:
        raise ConfigurationError(f"Can't listen on {host}:{port} ({error.strerror}).", "Choose another --host or --port.") from error
    signal.signal(signal.SIGTERM, _stop)
    address = f"http://{host}:{server.effective_port}"
    _LOG.info("serving", extra={"fields": {"address": address, "publicUrl": settings.public_url, "provider": application.provider, "open": settings.open}})
    try:
        server.run()  # returns on SystemExit and KeyboardInterrupt
    finally:
        server.close()


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
