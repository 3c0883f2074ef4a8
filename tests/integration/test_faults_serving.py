"""Faults of the serving processes: killed, told to reload, told to stop, unable to start. The application is a small one, the server is real."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

_PROGRAM = '''
import os, pathlib, socket, sys, time
from cds_service.config import Settings
from cds_service.errors import ConfigurationError
from cds_service.logs import log_to_stderr
from cds_service.serving.server import serve

log_to_stderr()
folder = pathlib.Path(sys.argv[1])

def load(settings):
    version = (folder / "version").read_text()
    if version == "bad":
        raise ConfigurationError("The model file is damaged.", "Install it again.")
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            (folder / "slow").write_text("in progress")
            while not (folder / "go").exists():
                time.sleep(0.01)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{version} {os.getpid()}".encode()]
    return app, lambda: (folder / f"closed-{os.getpid()}").write_text("")

door = socket.socket()
door.bind(("127.0.0.1", 0))
door.listen(64)
(folder / "port").write_text(str(door.getsockname()[1]))
serve(lambda: Settings(workers=2, waiting=2, processes=int(sys.argv[2])), load, door)
'''
_PATIENCE_S = 180.0
_ROOT = Path(__file__).parents[2]


def until(what: Callable[[], object]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + _PATIENCE_S
    while not what():
        assert time.monotonic() < end, "it didn't come to be"
        time.sleep(0.02)


class Running:
    """A running server."""

    def __init__(self, folder: Path, processes: int) -> None:
        (folder / "version").write_text("one")
        self.folder = folder
        self.log = folder / "log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-c", _PROGRAM, str(folder), str(processes)]
            environment = os.environ | {"TMPDIR": str(folder)}  # a killed server leaves its counters behind
            self.process = subprocess.Popen(command, stderr=log, stdout=log, cwd=_ROOT, env=environment)
        until(lambda: (folder / "port").exists() and (folder / "port").read_text())
        self.url = f"http://127.0.0.1:{(folder / 'port').read_text()}"

    def get(self, path: str = "/") -> tuple[str, int]:
        """Return version and process of the answer."""
        version, pid = requests.get(self.url + path, timeout=_PATIENCE_S).text.split()
        return version, int(pid)

    def workers(self) -> list[int]:
        """Return the serving processes."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts servers, stopped at the end."""
    started: list[Running] = []

    def start(processes: int = 1) -> Running:
        started.append(Running(tmp_path, processes))
        return started[-1]

    yield start
    for each in started:
        for child in [] if each.process.poll() is not None else psutil.Process(each.process.pid).children():
            child.kill()
        each.process.kill()
        each.process.wait()


def test_a_killed_process_is_replaced(server: Callable[..., Running]) -> None:
    """kill -9 of a serving process: the other one answers, and a new one comes; callers that ask again are answered."""
    running = server(2)
    until(lambda: len(running.workers()) == 2)
    _, victim = running.get()
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in running.workers() and len(running.workers()) == 2)
    until(lambda: running.get()[1] != victim)


def test_a_reload_loses_no_call(server: Callable[..., Running]) -> None:
    """SIGHUP under load: every call is answered, first by the old state, then by the new, and the old process closes in order."""
    running = server(1)
    _, old = running.get()
    answers: list[str] = []
    failures: list[Exception] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            try:
                answers.append(running.get()[0])
            except Exception as error:  # noqa: BLE001 - told below
                failures.append(error)

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    (running.folder / "version").write_text("two")
    running.process.send_signal(signal.SIGHUP)
    until(lambda: "two" in answers and old not in running.workers())
    stop.set()
    for caller in callers:
        caller.join()
    assert failures == []
    assert set(answers) == {"one", "two"}
    assert (running.folder / f"closed-{old}").exists()


def test_a_reload_that_cannot_load_changes_nothing(server: Callable[..., Running]) -> None:
    """A damaged model at a reload: the older process goes on, the log says what is wrong; the next good reload works."""
    running = server(1)
    _, old = running.get()
    (running.folder / "version").write_text("bad")
    running.process.send_signal(signal.SIGHUP)
    until(lambda: "The model file is damaged." in running.log.read_text())
    until(lambda: running.workers() == [old])
    assert running.get() == ("one", old)
    (running.folder / "version").write_text("three")
    running.process.send_signal(signal.SIGHUP)
    until(lambda: running.get()[0] == "three")


def test_a_stop_finishes_the_call_in_progress(server: Callable[..., Running]) -> None:
    """SIGTERM while a call is being answered: it is answered, then the process closes and ends with 0."""
    running = server(1)
    got: list[str] = []
    caller = threading.Thread(target=lambda: got.append(running.get("/slow")[0]))
    caller.start()
    until(lambda: (running.folder / "slow").exists())
    running.process.send_signal(signal.SIGTERM)
    (running.folder / "go").write_text("")
    caller.join(_PATIENCE_S)
    assert got == ["one"]
    assert running.process.wait(_PATIENCE_S) == 0
    assert list(running.folder.glob("closed-*"))


def test_a_start_that_cannot_load_ends_with_1(tmp_path: Path) -> None:
    """A damaged model at the start: the log has message and remedy, the exit code is 1, nothing goes on trying."""
    (tmp_path / "version").write_text("bad")
    done = subprocess.run([sys.executable, "-c", _PROGRAM, str(tmp_path), "1"], capture_output=True, text=True, timeout=_PATIENCE_S, cwd=_ROOT)
    assert done.returncode == 1
    assert '"remedy": "Install it again."' in done.stderr
    assert "Traceback" not in done.stderr


def test_a_silent_caller_does_not_stop_the_others(server: Callable[..., Running]) -> None:
    """A connection that never sends its request is put aside."""
    running = server(1)
    host, port = "127.0.0.1", int((running.folder / "port").read_text())
    silent = [socket.create_connection((host, port)) for _ in range(20)]
    try:
        assert running.get()[0] == "one"
    finally:
        for connection in silent:
            connection.close()
