"""The demo's FHIR R4 server: a child process on a free loopback port, with a database that lives as long as it does."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from cds_service.demo.errors import DemoError
from cds_service.demo.patients import chart_folders, clinic_bundle, patient_bundle

_READY_WITHIN_S = 30.0
_JSON = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}


def free_port() -> int:
    """Return a loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class FhirServer:
    """The running child process. Use it as a context manager, or call `stop` in the end."""

    def __init__(self, *, public_base: str | None = None) -> None:
        """Prepare, without starting; `public_base` is the base URL that the server writes into links (default: its own)."""
        self._port = free_port()
        self.base_url = f"http://127.0.0.1:{self._port}/fhir"
        self._public_base = public_base or self.base_url
        # The folder is removed in `stop`: a `with` block would end before the process does.
        self._folder = tempfile.TemporaryDirectory(prefix="marginalia-demo-fhir-", ignore_cleanup_errors=True)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until the server answers; raises DemoError with the end of its log where it doesn't."""
        log = Path(self._folder.name, "server.log")
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cds_service.demo.fhir_process"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # Ctrl+C goes to the parent, which stops the child in order
            )
        options = {"port": self._port, "base_url": self._public_base, "folder": self._folder.name}
        try:
            self._tell(json.dumps(options) + "\n")
            self._wait(log)
        except BaseException:
            self.stop()
            raise

    def load(self, progress: Callable[[str], None] = lambda _: None) -> int:
        """Load the clinic and all patients; return the number of resources. Raises DemoError that names what was refused."""
        count = 0
        with requests.Session() as session:
            for name, bundle in (("clinic", clinic_bundle()), *((f.slug, patient_bundle(f)) for f in chart_folders())):
                progress(name)
                count += self._post(session, name, bundle)
        return count

    def stop(self) -> None:
        """Stop the child and remove its database. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError):
                if process.stdin:
                    process.stdin.close()
            try:
                process.wait(timeout=6)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()

    def _tell(self, line: str) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _wait(self, log: Path) -> None:
        end = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                break
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.base_url}/metadata", timeout=2).status_code == 200:
                    return
            time.sleep(0.05)
        tail = log.read_text(encoding="utf-8", errors="replace")[-600:]
        raise DemoError(f"The FHIR server did not start. The end of its log: {tail}", "Install the demo's packages: pip install 'marginalia[demo]'.")

    def _post(self, session: requests.Session, name: str, bundle: Mapping[str, Any]) -> int:
        response = session.post(self.base_url, json=bundle, headers=_JSON, timeout=60)
        if response.status_code != 200:
            raise DemoError(f"The FHIR server refused the data of '{name}': {response.text[:400]}", "Correct the patient's files.")
        return len(bundle["entry"])
