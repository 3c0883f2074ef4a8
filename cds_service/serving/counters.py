"""Counting over several processes: Prometheus' client keeps each process's numbers in a file, and any process tells the sum."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_TRIES, _PAUSE_S = 5, 0.02


def share(folder: Path) -> None:
    """Have metrics that are made from now on, in this process and its children, kept in `folder`."""
    os.environ[_VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]


def exposition() -> bytes:
    """Return the sum over all processes in Prometheus' text format; empty where there is only this process."""
    if _VARIABLE not in os.environ:
        return b""
    for left in reversed(range(_TRIES)):
        try:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        except (OSError, ValueError, struct.error):  # a file that another process, or thread, was making or removing in that very moment
            if not left:
                raise
            time.sleep(_PAUSE_S)
    return b""


def forget(pid: int) -> None:
    """Drop what a process that has ended told of its present state; what it counted stays."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]
