"""Faults of what the system gives: memory, processes, files of the program that go while it runs."""

from __future__ import annotations

import builtins
import io
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cds_service.access.replays import UsedTokens
from cds_service.application import Application
from cds_service.store import ReviewStore
from cds_service.web import create_app
from cds_service.web.errors import is_out_of_memory
from fhir_mappers import BadResource
from fhir_mappers.notes import opener
from tests.fuzz import goods

Call = Callable[..., dict[str, Any]]
MEGABYTE = 1_000_000


class Greedy:
    """An engine that takes a gigabyte for a note that says so."""

    def __init__(self, like: Any) -> None:
        self._like = like
        self.model = like.model

    def read(self, text: str, **options: Any) -> Any:
        """Read as the other engine."""
        if "COPD" in text:
            bytearray(1000 * MEGABYTE)
        return self._like.read(text, **options)


@contextmanager
def limited(more: int) -> Iterator[None]:
    """Allow this process as much address space as it has, and `more` bytes."""
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (has + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_call_that_finds_no_memory(make_application: Callable[..., Application], hook_call: Call, caplog: pytest.LogCaptureFixture) -> None:
    """The system gives no more: 503 with Retry-After in the form of the route, nothing kept, no word of the note told; the next smaller call is answered."""
    application = make_application(remember_minutes=0)
    application.reviewer = replace(application.reviewer, coder=Greedy(application.reviewer.coder))
    client = create_app(application).test_client()
    with limited(400 * MEGABYTE):
        hook = client.post("/cds-services/coding-review", json=hook_call())
        api = client.post("/api/v1/review", json={"text": "Assessment: COPD."})
        smaller = client.post("/api/v1/review", json={"text": "Assessment: Essential hypertension."})
    assert (hook.status_code, hook.content_type, hook.headers["Retry-After"]) == (503, "application/fhir+json", "1")
    assert hook.json["issue"][0]["code"] == "throttled"
    assert (api.status_code, api.json["code"], api.headers["Retry-After"]) == (503, "memory", "1")
    assert smaller.status_code == 200
    assert application.audit.length() == 1
    assert "out of memory" in caplog.text
    assert "COPD" not in caplog.text + hook.text + api.text


def test_what_says_that_memory_ran_out() -> None:
    """Python's error, the system's, and ONNX Runtime's, which has only words for it; any other defect stays one."""
    ours = type("RuntimeException", (Exception,), {"__module__": "onnxruntime.capi.onnxruntime_pybind11_state"})
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(OSError(12, "Cannot allocate memory"))
    assert is_out_of_memory(ours("Failed to allocate memory for requested buffer of size 9"))
    assert not is_out_of_memory(ours("Invalid rank for input"))
    assert not is_out_of_memory(RuntimeError("alloc"))


def test_no_process_for_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system starts no further process: the document is left and named, the call goes on."""

    def none(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", none)
    with pytest.raises(BadResource, match="no process"):
        opener._Openers().open(b"%PDF-1.7", "application/pdf", 1.0)


def test_a_call_reads_no_file_of_the_program(make_application: Callable[..., Application], monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version may be installed, or a table edited, beside the running service: no route reads code, tables or model after the start."""
    web = create_app(make_application()).test_client()
    root = str(Path(__file__).parents[2])
    opened: list[str] = []
    plain = io.open

    def spy(file: Any, *more: Any, **options: Any) -> Any:
        opened.append(str(file))
        return plain(file, *more, **options)

    monkeypatch.setattr(io, "open", spy)
    monkeypatch.setattr(builtins, "open", spy)
    for call in goods():
        web.open(call.path, method=call.method, data=call.body, headers=call.headers)
    pages = (f"{root}/smart_app/templates/", f"{root}/smart_app/static/")
    assert [p for p in opened if p.startswith(root) and ".venv" not in p and not p.startswith(pages)] == []


def test_a_used_token_when_the_clock_jumps(tmp_path: Path) -> None:
    """Ahead by an hour, so that all seem expired, and back: a token that was used opens no door again."""
    store = ReviewStore(f"sqlite:///{tmp_path / 's.sqlite'}")
    expires = datetime.now(UTC) - timedelta(minutes=55)  # as a clock that is an hour ahead sees a token of five minutes
    assert UsedTokens(store.engine).first_use("digest", expires)
    again = UsedTokens(store.engine)  # cleans at its first use
    assert not again.first_use("digest", expires)
    store.close()
