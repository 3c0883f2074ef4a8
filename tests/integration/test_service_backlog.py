"""Reading afterwards beside live calls: real threads, the real engine, real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from flask import Flask, Response, jsonify

from cds_service.application import Application
from cds_service.web import create_app

Call = Callable[..., dict[str, Any]]
_WORKER = "backlog"
_SEVERAL_BATCHES = 2.0  # seconds in which a backlog that doesn't give way reads more than one batch


class HeldEndpoint:
    """A FHIR endpoint that answers when it is told to: the call that asks it stays in progress until then."""

    def __init__(self) -> None:
        self.app = Flask("endpoint")
        self.asked, self.answer_now = threading.Event(), threading.Event()
        self.app.add_url_rule("/<path:path>", view_func=self.answer)

    def answer(self, path: str) -> Response:
        """Answer with an empty search result."""
        self.asked.set()
        self.answer_now.wait(60)
        return jsonify({"resourceType": "Bundle", "type": "searchset"})


class Watch:
    """Counts the batches of the engine that the backlog begins, and notes which readings were kept whole."""

    def __init__(self, application: Application, monkeypatch: pytest.MonkeyPatch, texts: Sequence[str]) -> None:
        self.changed = threading.Condition()
        self.batches = 0
        self.missing = set(texts)
        encode, keep = application.coder.encoder.encode, application.reviewer.recent.keep

        def watched_encode(phrases: Sequence[str]) -> Any:
            if threading.current_thread().name.startswith(_WORKER):
                with self.changed:
                    self.batches += 1
                    self.changed.notify_all()
            return encode(phrases)

        def watched_keep(text: str, sections: Any, reading: Any) -> None:
            keep(text, sections, reading)
            with self.changed:
                self.missing -= set() if reading.unread else {text}
                self.changed.notify_all()

        monkeypatch.setattr(application.coder.encoder, "encode", watched_encode)
        monkeypatch.setattr(application.reviewer.recent, "keep", watched_keep)

    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition holds; False where it doesn't within some seconds."""
        with self.changed:
            return self.changed.wait_for(condition, seconds)


def long_note(number: int) -> str:
    """Return a note with so many different findings that the engine reads it in many batches."""
    lines = [f"{i}. Swelling of joint {number}{i} after fall from {i} steps, with redness, warmth and stiffness in week {i}." for i in range(1, 90)]
    return "Assessment and Plan:\n" + "\n".join(lines)


def test_live_calls_come_first(
    make_application: Callable[..., Application], serve: Callable[[Any], str], hook_call: Call, note: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3, house: while a call is in progress the backlog begins no further batch, and after it it finishes what was left.

    One batch may have begun in the moment in which the call arrived.
    """
    application = make_application(hook_budget_ms=1, fetch_budget_ms=60_000)
    texts = [long_note(n) for n in range(3)]
    watch = Watch(application, monkeypatch, texts)
    endpoint = HeldEndpoint()
    url = serve(create_app(application)) + "/cds-services/coding-review"
    authorization = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "cds"}
    held = hook_call(fhirServer=serve(endpoint.app), fhirAuthorization=authorization)
    del held["prefetch"]["medications"]
    notes = {"notes": {"resourceType": "Bundle", "entry": [{"resource": note(text, id=f"d{n}")} for n, text in enumerate(texts)]}}
    assert requests.post(url, json=hook_call(prefetch=notes), timeout=60).status_code == 200
    assert watch.until(lambda: watch.batches > 0, 60)  # what that call left is being read now
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(requests.post, url, json=held, timeout=60)
        try:
            assert endpoint.asked.wait(30)
            before = watch.batches
            assert watch.missing  # else there is nothing to hold back
            assert not watch.until(lambda: watch.batches > before + 1, _SEVERAL_BATCHES)
            assert watch.missing
        finally:
            endpoint.answer_now.set()
        assert call.result().status_code == 200
    assert watch.until(lambda: not watch.missing, 120)
