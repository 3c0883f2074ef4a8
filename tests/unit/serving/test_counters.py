"""Counters of several processes, whose files come and go while they are read."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from cds_service.serving import counters


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Exception]:
    """Errors that the next readings of the files meet."""
    errors: list[Exception] = []

    def collect(_registry: Any) -> None:
        if errors:
            raise errors.pop(0)

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(counters, "MultiProcessCollector", collect)
    monkeypatch.setattr(counters, "_PAUSE_S", 0.0)
    return errors


def test_a_file_that_another_process_is_making(failing: list[Exception]) -> None:
    """An empty file, a file that has gone, half a key: read again a moment later, and the page is there."""
    failing += [struct.error("unpack requires a buffer of 4 bytes"), FileNotFoundError("counter_1.db"), ValueError("half a key")]
    assert counters.exposition() == b""
    assert failing == []


def test_a_file_that_stays_unreadable_is_an_error(failing: list[Exception]) -> None:
    """It isn't told as an empty page."""
    failing += [struct.error("damaged")] * 5
    with pytest.raises(struct.error):
        counters.exposition()
