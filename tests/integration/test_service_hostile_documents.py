"""Bombs and traps as notes: the answer comes, in time and within memory, and says what was not read."""

from __future__ import annotations

import base64
import resource
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.application import Application
from cds_service.config import Settings
from cds_service.web import create_app
from tests.hostile import DOCUMENTS, EVIL, xxe_web

Call = Callable[..., dict[str, Any]]
MOST_S = 120.0  # alone it is a second or two: what this finds is a call that hangs
MOST_MB = 400  # more than before


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_hostile_document(make_application: Callable[..., Application], hook_call: Call, note: Call, name: str) -> None:
    """No 500, no hang, no memory over the limit; the good note beside it is read, or the answer says that there was no time for it."""
    kind, make = DOCUMENTS[name]
    data = make()
    trap = note(id="trap", content=[{"attachment": {"contentType": kind, "data": base64.b64encode(data).decode()}}])
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": trap}, {"resource": note()}]}
    call = hook_call(prefetch={"notes": bundle})
    client = create_app(make_application(hook_budget_ms=Settings().hook_budget_ms)).test_client()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    answer = client.post("/cds-services/coding-review", json=call)
    took = time.monotonic() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
    assert answer.status_code == 200
    assert took < MOST_S
    assert grown < MOST_MB
    assert "root:" not in answer.text
    assert answer.json["cards"] or answer.json["extension"]["org.marginalia.coverage"]["skipped"]


def test_an_entity_is_never_fetched(client: FlaskClient, hook_call: Call, note: Call, serve: Callable[[Any], str]) -> None:
    """XXE: a document type or entity on a server, here one of ours, is never asked for."""
    asked: list[str] = []
    server = Flask("dtd")

    @server.get("/<path:path>")
    def any_path(path: str) -> str:
        asked.append(path)
        return "<!ENTITY x 'y'>"

    data = base64.b64encode(xxe_web(serve(server))).decode()
    trap = note(content=[{"attachment": {"contentType": "application/xml", "data": data}}])
    answer = client.post("/cds-services/coding-review", json=hook_call(prefetch={"notes": trap}))
    assert answer.status_code == 200
    assert asked == []
    assert EVIL not in answer.text
