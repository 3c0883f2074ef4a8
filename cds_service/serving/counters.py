"""Counting over several processes: Prometheus' client keeps each process's numbers in a file, and any process tells the sum."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share(folder: Path) -> None:
    """Have metrics that are made from now on, in this process and its children, kept in `folder`."""
    os.environ[_VARIABLE] = str(folder)
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]


def shared() -> CollectorRegistry | None:
    """Return a registry that sums over all processes; None where there is only this one."""
    if _VARIABLE not in os.environ:
        return None
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def forget(pid: int) -> None:
    """Drop what a process that has ended told of its present state; what it counted stays."""
    mark_process_dead(pid)  # type: ignore[no-untyped-call]
