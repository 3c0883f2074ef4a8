"""Reading afterwards beside live calls: real threads, the real engine, real HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from cds_service.application import Application
from cds_service.web import create_app

Call = Callable[..., dict[str, Any]]
_WORKER = "backlog"
_CALLS = 6


def long_note(number: int) -> str:
    """Return a note with so many different findings that the engine reads it in many batches."""
    lines = [f"{i}. Swelling of joint {number}{i} after fall from {i} steps, with redness, warmth and stiffness in week {i}." for i in range(1, 90)]
    return "Assessment and Plan:\n" + "\n".join(lines)


def test_live_calls_come_first(
    make_application: Callable[..., Application], serve: Callable[[Any], str], hook_call: Call, note: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3, house: while calls are in progress the backlog reads no further, and afterwards it finishes what was left.

    A batch may have begun in the moment before a call arrived, so one batch is allowed for each call, and never a second.
    """
    application = make_application(hook_budget_ms=1)
    batches: list[float] = []
    kept: set[str] = set()
    first_batch, all_kept = threading.Event(), threading.Event()
    encode, keep = application.coder.encoder.encode, application.reviewer.recent.keep

    def watched_encode(texts: Sequence[str]) -> Any:
        if threading.current_thread().name.startswith(_WORKER):
            batches.append(time.monotonic())
            first_batch.set()
        return encode(texts)

    def watched_keep(text: str, sections: Any, reading: Any) -> None:
        keep(text, sections, reading)
        if not reading.unread:
            kept.add(text)
        if len(kept & set(texts)) == len(texts):
            all_kept.set()

    monkeypatch.setattr(application.coder.encoder, "encode", watched_encode)
    monkeypatch.setattr(application.reviewer.recent, "keep", watched_keep)
    texts = [long_note(n) for n in range(3)]
    notes = {"notes": {"resourceType": "Bundle", "entry": [{"resource": note(text, id=f"d{n}")} for n, text in enumerate(texts)]}}
    url = serve(create_app(application)) + "/cds-services/coding-review"
    windows: list[tuple[float, float]] = []
    inside = application.calls.begin, application.calls.end
    began = threading.local()

    def begin() -> None:
        inside[0]()
        depth = getattr(began, "depth", 0)
        began.depth = depth + 1
        if not depth:
            began.at = time.monotonic()

    def end() -> None:
        began.depth -= 1
        if not began.depth:
            windows.append((began.at, time.monotonic()))
        inside[1]()

    monkeypatch.setattr(application.calls, "begin", begin)
    monkeypatch.setattr(application.calls, "end", end)
    assert requests.post(url, json=hook_call(prefetch=notes), timeout=60).status_code == 200
    assert first_batch.wait(60)  # what that call left is being read now
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: requests.post(url, json=hook_call(), timeout=60).status_code, range(_CALLS)))
    assert answers == [200] * _CALLS
    assert len(windows) == _CALLS + 1
    for start, stop in windows:
        assert sum(start < moment < stop for moment in batches) <= 1
    assert all_kept.wait(120)
    assert len(batches) > _CALLS + 1  # else the windows above had nothing to hold back
