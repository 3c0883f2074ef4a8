"""Tenants kept apart: each tries to get at what is the other's, by every way there is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.access import ApiKeys
from cds_service.application import Application
from cds_service.config import Client
from cds_service.errors import NotFoundError
from cds_service.web import create_app
from tests.signing import PUBLIC, Signer, new_key

Call = Callable[..., dict[str, Any]]
NORTH, SOUTH = Signer("https://north.example.org", new_key("k1")), Signer("https://south.example.org", new_key("k1"))


@pytest.fixture
def application_of_two(make_application: Callable[..., Application]) -> Application:
    """Two hospitals with EHRs, and a coding system for each."""
    clients = (NORTH.client("north-ehr", tenant="north"), SOUTH.client("south-ehr", tenant="south"))
    coding = (Client("north-coding", tenant="north", api=True), Client("south-coding", tenant="south", api=True))
    return make_application(open=False, public_url=PUBLIC, clients=clients + coding)


@pytest.fixture
def web(application_of_two: Application) -> FlaskClient:
    """A client of the service."""
    return create_app(application_of_two).test_client()


def fire(web: FlaskClient, signer: Signer, call: dict[str, Any]) -> Any:
    """Fire a hook as one of the hospitals."""
    return web.post("/cds-services/coding-review", json=call, headers=signer.headers(f"{PUBLIC}/cds-services/coding-review"))


def key(application: Application, client: str) -> dict[str, str]:
    """Return the headers of a coding system."""
    return {"Authorization": f"Bearer {ApiKeys(application.store.engine).create(client, '')[0]}"}


def test_a_review_of_another_tenant(application_of_two: Application, web: FlaskClient) -> None:
    """Store: the id of another tenant's review opens nothing, as if it weren't there."""
    north, south = key(application_of_two, "north-coding"), key(application_of_two, "south-coding")
    made = web.post("/api/v1/review", json={"text": "Assessment: COPD.", "encounterDate": "2026-03-01"}, headers=north).json
    assert web.get(f"/api/v1/reviews/{made['id']}", headers=north).status_code == 200
    stolen, none = web.get(f"/api/v1/reviews/{made['id']}", headers=south), web.get("/api/v1/reviews/none", headers=south)
    assert (stolen.status_code, stolen.json) == (none.status_code, none.json)
    assert stolen.status_code == 404


def test_the_same_patient_id_in_two_hospitals(application_of_two: Application, web: FlaskClient, hook_call: Call) -> None:
    """Store and cache: both have a Patient/1 with the very same notes; each finds its own review, under its own id."""
    north, south = fire(web, NORTH, hook_call()), fire(web, SOUTH, hook_call())
    assert (north.status_code, south.status_code) == (200, 200)
    store = application_of_two.store
    kept = {t: store.latest(t, "1", "e1") for t in ("north", "south")}
    ids = {document["id"] for document in kept.values() if document}
    assert len(ids) == 2
    assert not {c["uuid"] for c in north.json["cards"]} & {c["uuid"] for c in south.json["cards"]}


def test_a_handle_of_another_tenant(application_of_two: Application, web: FlaskClient, hook_call: Call) -> None:
    """Store: the link of a card opens its review for its tenant only."""
    card = fire(web, NORTH, hook_call()).json["cards"][0]
    handle = card["links"][0]["appContext"]
    store = application_of_two.store
    assert store.redeem(handle, "north", "1", "Practitioner/7")
    with pytest.raises(NotFoundError):
        store.redeem(handle, "south", "1", "Practitioner/7")


def test_feedback_on_another_tenants_card(application_of_two: Application, web: FlaskClient, hook_call: Call) -> None:
    """Store: what the south says of a card of the north counts in the south alone."""
    card = fire(web, NORTH, hook_call()).json["cards"][0]["uuid"]
    item = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-03-01T09:30:00Z"}
    path = "/cds-services/coding-review/feedback"
    assert web.post(path, json={"feedback": [item]}, headers=SOUTH.headers(PUBLIC + path)).status_code == 200
    assert application_of_two.store.feedback_on("north", card) == ()


def test_a_token_of_another_tenant(web: FlaskClient, hook_call: Call) -> None:
    """Keys: the south can't sign as the north, though its key has the same kid."""
    forged = SOUTH.token(f"{PUBLIC}/cds-services/coding-review", iss=NORTH.issuer)
    answer = web.post("/cds-services/coding-review", json=hook_call(), headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 401


def test_a_jti_of_another_tenant(web: FlaskClient, hook_call: Call) -> None:
    """Replays: the same jti of two issuers is two tokens."""
    path = f"{PUBLIC}/cds-services/coding-review"
    answers = [web.post("/cds-services/coding-review", json=hook_call(), headers=s.headers(path, jti="one")) for s in (NORTH, SOUTH)]
    assert [a.status_code for a in answers] == [200, 200]


def test_metrics_and_logs_tell_tenants_apart(web: FlaskClient, hook_call: Call, caplog: pytest.LogCaptureFixture) -> None:
    """Metrics name no tenant, patient or client; each line of a request names one client, its own."""
    caplog.set_level(logging.INFO)
    fire(web, NORTH, hook_call())
    fire(web, SOUTH, hook_call())
    clients = [r.fields["client"] for r in caplog.records if getattr(r, "fields", {}).get("route") == "/cds-services/<service_id>"]
    assert clients == ["north-ehr", "south-ehr"]
    page = web.get("/metrics").text
    assert not any(word in page for word in ("north", "south", "Patient", "Practitioner"))


def test_the_memory_of_recent_work_is_apart(application_of_two: Application, web: FlaskClient, hook_call: Call) -> None:
    """Warm cache: a hospital's second call finds its own review; another hospital's call with the very same chart is read anew, so its time tells nothing."""
    read: list[int] = []
    reader = application_of_two.reviewer.coder.read

    class Counting:
        model = application_of_two.reviewer.coder.model

        def read(self, text: str, **options: Any) -> Any:
            """Read, and count."""
            read.append(len(text))
            return reader(text, **options)

    application_of_two.reviewer = replace(application_of_two.reviewer, coder=Counting())
    chart = hook_call()
    counts = []
    for hospital in (NORTH, NORTH, SOUTH, SOUTH, NORTH):
        assert fire(web, hospital, chart).status_code == 200
        counts.append(len(read))
    assert counts == [counts[0], counts[0], 2 * counts[0], 2 * counts[0], 2 * counts[0]]
    assert counts[0] > 0
