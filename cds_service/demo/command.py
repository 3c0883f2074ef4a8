"""`marginalia demo`: everything at once, on this machine, with synthetic patients."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import webbrowser
from importlib.util import find_spec
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from cds_service.demo.errors import DemoError

if TYPE_CHECKING:
    from cds_service.demo.ehr import Site

DEFAULT_PORT = 8000
_PACKAGES = ("markdown_it", "sekmet")  # of the extra "demo"

_TRY = """
Open {url} and try:
  1. Bertrand Sampleton   "Poor glycemic control, on insulin": read the cards, accept a suggestion, open the review by the card's link.
  2. Carmen Exampleby     the same sugars, but nobody has written "diabetes": what is suggested, what is asked.
  3. Dorothea Fictiva     press Discharge: questions come before the stay is closed.
  4. Edgar Mockridge      sign the oxygen order: a card says what is wrong with its indication.
  5. "Request and response" under the cards shows the JSON of each call and its milliseconds.
  6. Sign in as the coder (top right) and press Open Marginalia: decide, put in order, write to the chart, draft the claim, finish. Work list and the
     figures of a pilot (invented, of two months) are at the top; the second coder reads a finished encounter again, the auditor reads all.

All patients are synthetic. Everything is removed when the demo stops. Stop it with Ctrl+C.
"""


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help=f"Port of the EHR page [default: {DEFAULT_PORT}, or a free one where that is taken].")
@click.option("--check", is_flag=True, help="Run the whole path without a browser, say what was seen, and stop. Exit code 1 on any failure.")
@click.option("--no-browser", is_flag=True, help="Don't open a browser.")
def demo(port: int | None, check: bool, no_browser: bool) -> None:
    """Run a FHIR server, an EHR page with an authorisation server, and the service, with synthetic patients."""
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise DemoError(f"The demo needs packages that are not installed: {', '.join(missing)}.", "Install them: pip install 'marginalia[demo]'.")
    from cds_service.demo.check import Check
    from cds_service.demo.stack import Stack

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    click.echo("Starting the FHIR server, the service and the EHR.", err=True)
    chosen = port if port or check else _default_port()
    with Stack(port=chosen, progress=lambda line: click.echo(f"  {line}", err=True)) as stack:
        if check:
            passed = Check(stack.site, click.echo).run()
        else:
            _show(stack.site, browser=not no_browser)
            _wait()
            click.echo("\nStopping.", err=True)
            passed = True
    if not passed:
        sys.exit(1)


def _show(site: Site, *, browser: bool) -> None:
    click.echo(_TRY.format(url=site.ehr_url))
    click.echo(f"  EHR      {site.ehr_url}\n  FHIR     {site.fhir_url}\n  Service  {site.service_url}/cds-services")
    if browser and _has_screen():
        webbrowser.open(site.ehr_url)


def _has_screen() -> bool:
    """Tell whether a browser would open in a window: without a screen, a text browser would take over this terminal."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _wait() -> None:
    """Return on Ctrl+C or SIGTERM."""
    try:
        threading.Event().wait()
    except (KeyboardInterrupt, SystemExit):
        return


def _default_port() -> int | None:
    with socket.socket() as probe:
        return DEFAULT_PORT if probe.connect_ex(("127.0.0.1", DEFAULT_PORT)) else None


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
