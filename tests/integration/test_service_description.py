"""The OpenAPI document against the service: every answer that a route gives is described there, with its form and its headers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from cds_service.application import Application
from cds_service.config import Client
from cds_service.web import create_app
from tests.fuzz import Case, broken_promises, described, goods


def answers(app: Flask, cases: list[Case]) -> Iterator[str]:
    """Yield what isn't as described, and which statuses came."""
    web = app.test_client()
    promises = described(web)
    for case in cases:
        answer = web.open(case.path, method=case.method, data=case.body, headers=case.headers)
        yield from (f"{case.method} {case.path}: {wrong}" for wrong in broken_promises(promises, case, answer))


def test_good_and_wrong_calls(make_application: Callable[..., Application]) -> None:
    """Good calls, empty ones, foreign hosts, bodies that are too large, unknown services."""
    cases = goods()
    wrong = [Case(c.method, c.path, b"{", dict(c.headers)) for c in cases]
    wrong += [Case(c.method, c.path, c.body, {**c.headers, "Host": "attacker.example"}) for c in cases]
    wrong += [Case(c.method, c.path, b" " * 3_000_000, dict(c.headers)) for c in cases if c.body]
    wrong += [Case("POST", "/cds-services/none", b"{}", {}), Case("POST", "/cds-services/none/feedback", b"{}", {})]
    assert list(answers(create_app(make_application(max_body_mb=2)), cases + wrong)) == []


def test_callers_that_are_not_known(make_application: Callable[..., Application]) -> None:
    """401 without a reason, where clients are registered."""
    assert list(answers(create_app(make_application(open=False, clients=(Client("coding", api=True),))), goods())) == []


def test_without_database(make_application: Callable[..., Application], monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After from every route that needs it, the probe included."""
    application = make_application()
    app = create_app(application)

    def gone(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    monkeypatch.setattr(application.store.engine, "connect", gone)
    monkeypatch.setattr(application.store, "keep", gone)
    monkeypatch.setattr(application.store, "record_feedback", gone)
    monkeypatch.setattr(application.store, "get", gone)
    assert list(answers(app, goods())) == []
    web = app.test_client()
    assert (web.get("/readyz").status_code, web.get("/readyz").headers["Retry-After"]) == (503, "1")
    assert web.get("/api/v1/reviews/x").status_code == 503


def test_a_busy_service(make_application: Callable[..., Application]) -> None:
    """503 with Retry-After beyond capacity."""
    application = make_application(waiting=0)
    app = create_app(application)
    taken = [application.admission.enter(0.0) for _ in range(application.admission.capacity)]
    assert taken
    cases = [c for c in goods() if c.path in ("/api/v1/review", "/cds-services/coding-review")]
    assert list(answers(app, cases)) == []
    assert {app.test_client().open(c.path, method="POST", data=c.body, headers=c.headers).status_code for c in cases} == {503}


def test_the_document_is_of_its_form(make_application: Callable[..., Application]) -> None:
    """OpenAPI 3.1: every reference leads somewhere, operation ids are different, each operation has a 503 that names Retry-After."""
    document = create_app(make_application()).test_client().get("/openapi.json").json
    found: list[str] = []

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            found.extend([part["$ref"]] if isinstance(part.get("$ref"), str) else [])
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(document)
    assert found
    for reference in found:
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
        assert json.dumps(target)
    operations = [told for methods in document["paths"].values() for told in methods.values()]
    assert len({o["operationId"] for o in operations}) == len(operations)
    assert all("Retry-After" in o["responses"]["503"]["headers"] for o in operations)
