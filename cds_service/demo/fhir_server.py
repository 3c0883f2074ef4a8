"""The demo's FHIR R4 server: a child process on a free loopback port, with a database that lives as long as it does."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from cds_service.demo.child import Child, free_port
from cds_service.demo.errors import DemoError
from cds_service.demo.patients import chart_folders, clinic_bundle, patient_bundle

_READY_WITHIN_S = 30.0
_JSON = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}


class FhirServer:
    """The running server. Use it as a context manager, or call `stop` in the end."""

    def __init__(self, *, public_base: str | None = None) -> None:
        """Prepare, without starting; `public_base` is the base URL that the server writes into links (default: its own)."""
        port = free_port()
        self.base_url = f"http://127.0.0.1:{port}/fhir"
        # The folder is removed in `stop`: a `with` block would end before the process does.
        self._folder = tempfile.TemporaryDirectory(prefix="marginalia-demo-fhir-", ignore_cleanup_errors=True)
        self._options = {"port": port, "base_url": public_base or self.base_url, "folder": self._folder.name}
        self._child = Child("The FHIR server", "cds_service.demo.fhir_process", Path(self._folder.name, "server.log"))

    def __enter__(self) -> Self:
        """Start, and wait until it answers."""
        try:
            self.start()
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Start, without waiting."""
        self._child.start(self._options)

    def wait(self) -> None:
        """Wait until the server answers; raises DemoError where it doesn't."""
        self._child.wait_until(f"{self.base_url}/metadata", _READY_WITHIN_S)

    def load(self) -> int:
        """Load the clinic and all patients; return the number of resources. Raises DemoError that names what was refused."""
        with requests.Session() as session:
            bundles = [("the clinic", clinic_bundle()), *((f.slug, patient_bundle(f)) for f in chart_folders())]
            return sum(self._post(session, name, bundle) for name, bundle in bundles)

    def stop(self) -> None:
        """Stop the server and remove its database. Safe to call twice."""
        self._child.stop()
        self._folder.cleanup()

    def _post(self, session: requests.Session, name: str, bundle: Mapping[str, Any]) -> int:
        response = session.post(self.base_url, json=bundle, headers=_JSON, timeout=60)
        if response.status_code != 200:
            raise DemoError(f"The FHIR server refused the data of {name}: {response.text[:400]}", "Correct the patient's files.")
        return len(bundle["entry"])
