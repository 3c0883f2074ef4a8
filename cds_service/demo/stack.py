"""Everything that the demo runs: the FHIR server, the service, and the EHR in front of them."""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from werkzeug.serving import BaseWSGIServer, make_server

from cds_service.config import OPEN_CLIENT
from cds_service.demo.child import Child, free_port
from cds_service.demo.ehr import Site, create_ehr
from cds_service.demo.errors import DemoError
from cds_service.demo.fhir_server import FhirServer

Progress = Callable[[str], None]

_LOCAL = "127.0.0.1"
_SERVICE_WITHIN_S = 90.0


class Stack:
    """The three parts on loopback ports. Use it as a context manager: it stops all of them, in whatever state they are."""

    def __init__(self, *, port: int | None = None, progress: Progress = lambda _: None) -> None:
        """Prepare, without starting; `port` is the EHR's (default: a free one)."""
        self._progress = progress
        self._port = port or free_port()
        self._service_port = free_port()
        ehr_url = f"http://{_LOCAL}:{self._port}"
        self._fhir = FhirServer(public_base=f"{ehr_url}/fhir")
        self.site = Site(ehr_url, self._fhir.base_url, f"http://{_LOCAL}:{self._service_port}")
        # Removed in `stop`, after the process that writes into it.
        self._folder = tempfile.TemporaryDirectory(prefix="marginalia-demo-", ignore_cleanup_errors=True)
        self._service = Child("The service", "cds_service.demo.service_process", Path(self._folder.name, "service.log"))
        # Not imported: the service knows nothing of the app.
        self._example = Child("The example of a pilot", "smart_app.pilot.example", Path(self._folder.name, "example.log"))
        self._ehr: BaseWSGIServer | None = None

    def __enter__(self) -> Self:
        """Start all parts; raises DemoError where one doesn't start."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop all parts."""
        self.stop()

    def stop(self) -> None:
        """Stop all parts and remove their databases. Safe to call twice."""
        if self._ehr is not None:
            self._ehr.shutdown()
            self._ehr.server_close()
            self._ehr = None
        self._example.stop()
        self._service.stop()
        self._fhir.stop()
        self._folder.cleanup()

    def _start(self) -> None:
        self._ehr = self._serve_ehr()  # first: a taken port is told at once
        # The two children start side by side: one loads a model while the other takes in the patients.
        database = {"database_url": f"sqlite:///{self._folder.name}/marginalia.sqlite"}
        parts = {"port": self._service_port, "ehr_url": self.site.ehr_url, "fhir_url": self.site.fhir_url, "folder": self._folder.name}
        self._service.start(parts | database)
        self._fhir.start()
        began = time.monotonic()
        self._fhir.wait()
        count = self._fhir.load()
        self._progress(f"FHIR server ready with {count} resources ({time.monotonic() - began:.1f} s)")
        self._service.wait_until(f"{self.site.service_url}/readyz", _SERVICE_WITHIN_S)
        self._example.start(database | {"tenant": OPEN_CLIENT.tenant})
        self._progress(f"Service ready ({time.monotonic() - began:.1f} s)")

    def _serve_ehr(self) -> BaseWSGIServer:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it names every request
        try:
            server = make_server(_LOCAL, self._port, create_ehr(self.site), threaded=True)
        except (OSError, SystemExit) as error:  # werkzeug exits where a port is taken
            raise DemoError(f"Port {self._port} is taken.", "Choose another with --port.") from error
        threading.Thread(target=server.serve_forever, name="ehr", daemon=True).start()
        return server
