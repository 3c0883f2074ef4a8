"""The service under measurement: `marginalia serve --open` as a child process on a free loopback port, with a database of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import requests

from cds_service.bench.errors import BenchError
from cds_service.demo.child import free_port

_START_S = 60.0  # longest wait for the start
_STOP_S = 10.0
_REST_S = 5.0  # longest wait for the server to be at rest
_LOOK_S = 0.05  # between two looks at the server's processor time
_IDLE = 0.2  # of one core: below this the server is at rest


class Server:
    """A running service. `start_s` is the time from the start of the process to the first good answer of /readyz; `start_processor_s` is what it computed."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.url = url
        self._process = process
        self._log = log
        self._watched = psutil.Process(process.pid)
        began = time.perf_counter()
        self._wait_until_ready()
        self.start_s = time.perf_counter() - began
        self.start_processor_s = self.busy_s()

    def errors(self) -> list[str]:
        """Return the lines of its log that tell of errors."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if '"level": "error"' in line or '"level": "critical"' in line]

    def memory_mb(self) -> float:
        """Return resident memory of the process and its children, in MB of 1,000,000 bytes."""
        return sum(float(p.memory_info().rss) for p in (self._watched, *self._watched.children(recursive=True))) / 1e6

    def kill_a_process(self) -> None:
        """End a serving process as a lack of memory would (SIGKILL); the service replaces it."""
        max(self._watched.children(), key=lambda child: float(child.memory_info().rss)).kill()

    def rest(self) -> None:
        """Wait until the server does nothing: what it reads after an answer would slow the next one. Gives up after a few seconds."""
        end = time.monotonic() + _REST_S
        before = self.busy_s()
        while time.monotonic() < end:
            time.sleep(_LOOK_S)
            now = self.busy_s()
            if now - before < _IDLE * _LOOK_S:
                return
            before = now

    def busy_s(self) -> float:
        """Return the processor time that the server has used, in seconds."""
        used = [p.cpu_times() for p in (self._watched, *self._watched.children(recursive=True))]
        return sum(float(u.user + u.system) for u in used)

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + _START_S
        with requests.Session() as session:
            session.trust_env = False  # a proxy has no place between two processes of one machine
            while (left := end - time.monotonic()) > 0 and self._process.poll() is None:
                with contextlib.suppress(requests.RequestException):
                    if session.get(f"{self.url}/readyz", timeout=left).status_code == 200:
                        return
                time.sleep(0.01)
        tail = self._log.read_text(encoding="utf-8", errors="replace")[-800:]
        raise BenchError(f"The service did not start within {_START_S:.0f} s. The end of its log: {tail}", "Start it alone with `marginalia serve --open`.")


@contextlib.contextmanager
def running(more: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Start the service, and stop it at the end.

    Settings come from the environment as for `marginalia serve`, but for the database, which is a new one in a temporary folder, the public
    URL, and `more` variables.

    Raises:
        BenchError: it doesn't start.
    """
    port = free_port()
    with TemporaryDirectory(prefix="marginalia-bench-") as folder:
        log = Path(folder) / "service.log"
        own = {"MARGINALIA_DATABASE_URL": f"sqlite:///{folder}/bench.sqlite", "MARGINALIA_PUBLIC_URL": f"http://127.0.0.1:{port}"}
        environment = {**os.environ, **own, **(more or {})}
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "cds_service.bench.served", "serve", "--open", "--port", str(port)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the parent, which stops the child in order
            )
        try:
            yield Server(process, f"http://127.0.0.1:{port}", log)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()  # tells the child to end
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
