"""Jobs of the running service: each at its interval, and one that fails is told and tried again."""

from __future__ import annotations

import threading

import pytest

from cds_service.serving.housekeeping import Housekeeping


def test_jobs_run_again_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    """The failing job is logged without its words, and comes again; the other job isn't held up."""
    ran = threading.Semaphore(0)
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        raise RuntimeError("Quillfeather")

    house = Housekeeping({"bad": (0.01, fail), "good": (0.01, ran.release)}, first=0)
    for _ in range(3):
        assert ran.acquire(timeout=60)
    house.close()
    assert len(tries) >= 2
    assert any(r.getMessage() == "housekeeping failed" for r in caplog.records)
    assert "Quillfeather" not in caplog.text


def test_closing_ends_it_at_once() -> None:
    """A job that isn't due doesn't delay the end."""
    house = Housekeeping({"later": (1000, lambda: None)}, first=1000)
    house.close()
    assert not any(t.name == "housekeeping" and t.is_alive() for t in threading.enumerate())
