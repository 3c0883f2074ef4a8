"""A server as a child process that stops with its parent: both ends.

The parent sends the options as one line of JSON on the child's standard input and keeps that open. The child stops when it closes,
so nothing is left behind however the parent ends.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests

from cds_service.demo.errors import DemoError

_STOP_S = 8.0
_POLL_S = 0.05


def free_port() -> int:
    """Return a loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def read_options() -> dict[str, Any]:
    """Return the options that the parent sent; for the child, first of all."""
    options: dict[str, Any] = json.loads(sys.stdin.readline())
    return options


def when_parent_ends(stop: Callable[[], None]) -> None:
    """Call `stop` once standard input closes; for the child."""

    def wait() -> None:
        sys.stdin.read()
        stop()

    threading.Thread(target=wait, name="wait-for-parent", daemon=True).start()


class Child:
    """A child process that runs a module of this package. `name` is for messages; its output goes to `log`."""

    def __init__(self, name: str, module: str, log: Path) -> None:
        self._name = name
        self._module = module
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def start(self, options: Mapping[str, Any]) -> None:
        """Start the process and send it its options."""
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", self._module],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # Ctrl+C goes to the parent, which stops its children in order
            )
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):  # it ended at once: `wait_until` tells why
                self._process.stdin.write(json.dumps(dict(options)) + "\n")
                self._process.stdin.flush()

    def wait_until(self, url: str, within_s: float) -> None:
        """Return once `url` answers 200; raises DemoError with the end of the child's log where it doesn't."""
        end = time.monotonic() + within_s
        while time.monotonic() < end and self._process is not None and self._process.poll() is None:
            with contextlib.suppress(requests.RequestException):
                if requests.get(url, timeout=5).status_code == 200:
                    return
            time.sleep(_POLL_S)
        tail = self._log.read_text(encoding="utf-8", errors="replace")[-800:]
        raise DemoError(f"{self._name} did not start within {within_s:.0f} s. The end of its log: {tail}", "Run `make demo`, which installs what it needs.")

    def stop(self) -> None:
        """Stop the process, by force where it doesn't stop by itself. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            if process.stdin:
                process.stdin.close()
        try:
            process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
