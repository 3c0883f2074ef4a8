"""`marginalia serve`: the service on a production WSGI server."""

from __future__ import annotations

import logging
import signal
import socket
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
import waitress

from cds_service.application import Application
from cds_service.config import DEFAULT_PUBLIC_URL, Settings, is_loopback
from cds_service.errors import ConfigurationError
from cds_service.logs import crash_without_words, log_to_stderr
from cds_service.web import create_app

_LOG = logging.getLogger(__name__)
_LOOPBACK = "127.0.0.1"


@click.command()
@click.option("--host", default=_LOOPBACK, show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@click.option("--open", "open_mode", is_flag=True, help="Answer callers without authentication. On a loopback address only.")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings; MARGINALIA_* variables win over it.")
def serve(host: str, port: int, open_mode: bool, config: Path | None) -> None:
    """Run the service: CDS Hooks, the API and the SMART app.

    Logs are JSON lines on standard error. Stop it with Ctrl-C or SIGTERM: calls in progress are answered. SIGHUP loads
    settings, model and tables anew without losing a call.
    """
    from cds_service.serving.lifecycle import begin
    from cds_service.serving.server import serve as serve_on

    def current() -> Settings:
        settings = replace(Settings.load(config), open=open_mode)
        check_exposure(host, settings)
        if settings.public_url == DEFAULT_PUBLIC_URL:
            settings = replace(settings, public_url=f"http://{host}:{door.getsockname()[1]}")
        return settings

    check_exposure(host, replace(Settings.load(config), open=open_mode))
    log_to_stderr()
    crash_without_words()
    # Listening comes before loading: a taken port is told at once, and callers wait for the model instead of being refused.
    with listening(host, port) as door:
        serve_on(current, begin, door)


def listening(host: str, port: int) -> socket.socket:
    """Return a bound socket; raises ConfigurationError where the address is taken or isn't this machine's."""
    door: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        door = socket.socket(family, kind, protocol)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
        door.listen(128)
    except OSError as error:
        if door is not None:
            door.close()
        raise ConfigurationError(f"Can't listen on {host}:{port} ({error.strerror}).", "Choose another --host or --port.") from error
    return door


def check_exposure(host: str, settings: Settings) -> None:
    """Refuse to serve where nobody could call, or where anyone could.

    Raises:
        ConfigurationError: no client is registered, there is no public address, or open mode on an address that others reach.
    """
    if not settings.open:
        if not any(c.can_authenticate for c in settings.clients):
            told = "No client is registered, so every call would be refused."
            raise ConfigurationError(told, "Register one with `marginalia client add`. For trial and development, start the service with --open.")
        if settings.public_url == DEFAULT_PUBLIC_URL and not is_loopback(host):
            told = "The setting 'public_url' is missing: clients sign their calls for the address under which they reach the service."
            raise ConfigurationError(told, "Set it to the https address of the service.", field="public_url")
        return
    if not is_loopback(host):
        raise ConfigurationError(f"--open answers anyone, and {host} can be reached from outside.", f"Use --open with --host {_LOOPBACK}.")


def run(application: Application, door: socket.socket) -> None:
    """Serve on a bound socket until SIGINT or SIGTERM."""
    settings = application.settings
    limit = settings.max_body_mb * 1_000_000
    server = waitress.create_server(
        create_app(application),
        sockets=[door],
        threads=settings.workers,
        ident="",
        # A body that is a little too large reaches the application, which refuses it with words; notes stay out of temporary files.
        max_request_body_size=4 * limit,
        inbuf_overflow=limit,
        clear_untrusted_proxy_headers=True,
    )
    signal.signal(signal.SIGTERM, _stop)
    host, port = door.getsockname()[:2]
    told = {"address": f"http://{host}:{port}", "publicUrl": settings.public_url, "provider": application.provider, "open": settings.open}
    _LOG.info("serving", extra={"fields": told})
    try:
        server.run()  # returns on SystemExit and KeyboardInterrupt
    finally:
        server.close()


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
