"""The production server: gunicorn's arbiter with threads in each process, and a reload that waits until the new process has loaded.

Why so, with figures: docs/decisions/store.md.
"""

from __future__ import annotations

import logging
import mmap
import os
import shutil
import signal
import socket
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from cds_service.config import Settings
from cds_service.errors import MarginaliaError
from cds_service.logs import told_of
from cds_service.serving import counters

_LOG = logging.getLogger(__name__)
_GRACE_S = 30  # for calls in progress at a stop or a reload
_SPARE = 8  # threads beyond capacity and waiting, so that a refusal or /healthz is quick
_SLOW_S = 20  # longest silence of a caller in the middle of its request
_SLOTS = 4096
_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a folder in memory, where there is one


def serve(settings: Callable[[], Settings], load: Callable[[Settings], tuple[Any, Callable[[], None]]], door: socket.socket) -> None:
    """Serve on a bound socket until SIGINT or SIGTERM. SIGHUP loads settings, model and tables anew without losing a call.

    Args:
        settings: reads the settings; called at the start and at each reload.
        load: returns the WSGI application and a function that closes it; called in each process.
        door: the bound socket.

    Raises:
        SystemExit: at the end, with the status.
    """
    folder = Path(tempfile.mkdtemp(prefix="marginalia-metrics-", dir=_MEMORY))  # mapped files: on a full disk a write would end the process
    counters.share(folder)
    try:
        _Service(settings, load, door).run()
    except SystemExit as ending:
        raise SystemExit(1 if ending.code else 0) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Ready:
    """Which processes have loaded; shared between the master and its children by their age (gunicorn counts them from 1)."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SLOTS)

    def tell(self, age: int) -> None:
        self._memory[age % _SLOTS] = 1

    def forget(self, age: int) -> None:
        self._memory[age % _SLOTS] = 0

    @property
    def any(self) -> bool:
        """True where some process has loaded since the start."""
        return self._memory.find(b"\1") >= 0

    def __contains__(self, age: int) -> bool:
        return self._memory[age % _SLOTS] == 1


class _Worker(ThreadWorker):  # type: ignore[misc]
    """Threads, of which a caller that falls silent in the middle of a request doesn't keep one for long."""

    def enqueue_req(self, conn: Any) -> None:
        """Hand a connection to a thread."""
        # By the kernel: gunicorn sets blocking mode anew before each request, which would undo a timeout of Python's own.
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _SLOW_S, 0))
        super().enqueue_req(conn)

    def load_wsgi(self) -> None:
        """Load settings, model and tables; at a reload a failure ends this process only, and the older ones go on."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        service: _Service = self.app
        others = service.ready.any
        service.ready.forget(self.age)
        try:
            self.wsgi, self.close_application = service.load(service.settings())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the process ends
            known = isinstance(error, MarginaliaError) or hasattr(error, "remedy")
            fields = {"message": getattr(error, "message", ""), "remedy": getattr(error, "remedy", "")} if known else told_of(error)
            _LOG.error("not loaded", extra={"fields": fields})
            raise SystemExit(1 if others else Arbiter.WORKER_BOOT_ERROR) from None
        service.ready.tell(self.age)

    def run(self) -> None:
        """Serve until told to stop, then close the application."""
        try:
            super().run()
        finally:
            self.close_application()


class _Arbiter(Arbiter):  # type: ignore[misc]
    """Stops an older process only when a newer one has loaded in its place."""

    def manage_workers(self) -> None:
        """Keep as many loaded processes as the settings say."""
        if len(self.WORKERS) < self.num_workers:
            self.spawn_workers()
        ready = self.app.ready
        loaded = sorted((w.age, pid) for pid, w in self.WORKERS.items() if w.age in ready)
        for _, pid in loaded[: max(0, len(loaded) - self.num_workers)]:
            self.kill_worker(pid, signal.SIGTERM)

    def spawn_worker(self) -> Any:
        """Start a process, which ends here: it must not run what the master does at its own end."""
        try:
            return super().spawn_worker()
        except SystemExit as ending:
            if os.getpid() == self.pid:
                raise
            logging.shutdown()
            os._exit(ending.code if isinstance(ending.code, int) else 1)

    def reload(self) -> None:
        """Start new processes with the settings as they are now; a wrong setting is told, and nothing changes."""
        try:
            self.app.settings()
        except MarginaliaError as error:
            _LOG.error("not reloaded", extra={"fields": {"message": error.message, "remedy": error.remedy}})
            return
        _LOG.info("reloading", extra={"fields": {"processes": self.num_workers}})
        # Not gunicorn's own reload: that stops the older processes at once, and answers no signal until they are gone.
        self.app.reload()
        self.setup(self.app)
        for _ in range(self.num_workers):
            self.spawn_worker()


class _Log(Logger):  # type: ignore[misc]
    """gunicorn's messages go where ours go, as JSON lines; requests are logged by the application."""

    def setup(self, cfg: Any) -> None:  # noqa: ARG002 - gunicorn's signature
        """Hand over to the root logger."""
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
        self.access_log.disabled = True

    def access(self, *_: Any) -> None:
        """Nothing: the application logs its requests without paths."""


class _Service(BaseApplication):  # type: ignore[misc]
    def __init__(self, settings: Callable[[], Settings], load: Callable[[Settings], tuple[Any, Callable[[], None]]], door: socket.socket) -> None:
        self.settings = settings
        self.load = load
        self.door = os.dup(door.fileno())  # gunicorn takes its descriptor over
        self.ready = _Ready()
        super().__init__()

    def load_config(self) -> None:
        chosen = self.settings()
        threads = chosen.workers + chosen.waiting + _SPARE
        for name, value in {
            "bind": f"fd://{self.door}",
            "workers": chosen.processes,
            "worker_class": _Worker,
            "threads": threads,
            "worker_connections": threads * 8,
            "graceful_timeout": _GRACE_S,
            "timeout": 300,  # of the process's own heartbeat, not of a call; loading the model counts
            "keepalive": 30,
            "logger_class": _Log,
            "proc_name": "marginalia",
            "worker_tmp_dir": _MEMORY,  # a heartbeat file
            "control_socket_disable": True,
            "child_exit": lambda _server, worker: counters.forget(worker.pid),
        }.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        _Arbiter(self).run()
