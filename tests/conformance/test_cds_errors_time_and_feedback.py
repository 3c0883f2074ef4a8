"""CDS Hooks checklist, "Errors, time, CORS" and "Feedback"."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.application import Application
from cds_service.config import Settings
from cds_service.web import create_app

Call = Callable[..., dict[str, Any]]
CARD = "11111111-2222-3333-4444-555555555555"
ACCEPTED = {"card": CARD, "outcome": "accepted", "outcomeTimestamp": "2026-03-01T09:30:00Z", "acceptedSuggestions": [{"id": "s-1"}]}
OVERRIDDEN = {
    "card": CARD,
    "outcome": "overridden",
    "outcomeTimestamp": "2026-03-01T09:31:00.250-05:00",
    "overrideReason": {"reason": {"code": "notsupported", "system": "urn:x", "display": "Not supported"}, "userComment": "seen by cardiology"},
}


@pytest.mark.parametrize(
    ("status", "path", "method", "body"),
    [
        (400, "/cds-services/coding-review", "post", {}),
        (404, "/cds-services/nothing", "post", {}),
        (404, "/cds-services/a/b/c", "post", {}),
        (405, "/cds-services/coding-review", "get", None),
        (400, "/cds-services/coding-review/feedback", "post", {}),
    ],
)
def test_s1_errors_carry_an_operation_outcome(client: FlaskClient, status: int, path: str, method: str, body: Any) -> None:
    """S1 a non-2xx other than 401 carries an OperationOutcome (SHOULD, 3.0)."""
    answer = getattr(client, method)(path, **({"json": body} if body is not None else {}))
    assert answer.status_code == status
    assert answer.content_type == "application/fhir+json"
    issue = answer.json["issue"][0]
    assert issue["severity"] == "error"
    assert issue["details"]["text"]
    assert issue["diagnostics"]


def test_s1_a_defect_is_no_empty_answer(make_application: Callable[..., Application], hook_call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1, house: a crash is a 500 with an OperationOutcome, never 200 with `cards: []`, and shows no trace of the code or the note."""
    application = make_application()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the note says: patient Jane Doe")

    monkeypatch.setattr(Application, "review", fail)
    answer = create_app(application).test_client().post("/cds-services/coding-review", json=hook_call())
    assert answer.status_code == 500
    assert answer.json["issue"][0]["code"] == "exception"
    assert "Jane" not in answer.text
    assert "Traceback" not in answer.text
    assert "RuntimeError" not in answer.text


def test_s1_not_authenticated_is_bare(make_application: Callable[..., Application], hook_call: Call) -> None:
    """S1, J8: where no client is authenticated and the service isn't open, every CDS route answers a bare 401."""
    client = create_app(make_application(open=False)).test_client()
    answers = [
        client.get("/cds-services"),
        client.post("/cds-services/coding-review", json=hook_call()),
        client.post("/cds-services/coding-review/feedback", json={"feedback": [ACCEPTED]}),
        client.post("/api/v1/review", json={"text": "COPD"}),
        client.get("/api/v1/reviews/x"),
    ]
    assert [(a.status_code, a.data) for a in answers] == [(401, b"")] * 5


def test_s2_cors(make_application: Callable[..., Application]) -> None:
    """S2 CORS: preflight answered; explicit origins; `Authorization` and `Content-Type` allowed."""
    client = create_app(make_application(cors_origins=("https://sandbox.example.org",))).test_client()
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Authorization, Content-Type"}
    known = client.options("/cds-services/coding-review", headers={"Origin": "https://sandbox.example.org"} | asked)
    assert known.status_code == 200
    assert known.headers["Access-Control-Allow-Origin"] == "https://sandbox.example.org"
    assert {h.strip().lower() for h in known.headers["Access-Control-Allow-Headers"].split(",")} == {"authorization", "content-type"}
    assert "POST" in known.headers["Access-Control-Allow-Methods"]
    for path in ("/cds-services", "/cds-services/coding-review", "/api/v1/review"):
        other = client.options(path, headers={"Origin": "https://evil.example"} | asked)
        assert "Access-Control-Allow-Origin" not in other.headers
    assert (
        client.get("/cds-services", headers={"Origin": "https://sandbox.example.org"}).headers["Access-Control-Allow-Origin"] == "https://sandbox.example.org"
    )


def test_s2_no_origin_is_allowed_unless_configured(client: FlaskClient) -> None:
    """S2 explicit origins: none by default, never `*`."""
    assert "Access-Control-Allow-Origin" not in client.get("/cds-services", headers={"Origin": "https://sandbox.example.org"}).headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:8080"])
def test_open_mode_answers_to_its_own_names_only(client: FlaskClient, hook_call: Call, host: str) -> None:
    """House: in open mode a foreign Host is refused, so that no web page reaches the service by rebinding its name."""
    answer = client.post("/cds-services/coding-review", json=hook_call(), headers={"Host": host})
    assert answer.status_code == 400
    assert "cards" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:1", "[::1]:8080"])
def test_open_mode_answers_on_loopback(client: FlaskClient, host: str) -> None:
    """House: the names of this machine are good on any port."""
    assert client.get("/cds-services", headers={"Host": host}).status_code == 200


def test_s3_about_500_ms(make_application: Callable[..., Application], application: Application, hook_call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 About 500 ms a call: the engine is given at most 380 ms from the arrival. (`marginalia bench` measures how long it takes.)"""
    left: list[float] = []
    read = application.coder.read

    def measured(text: str, *, declared_sections: Any = (), deadline: float | None = None, pause: Any = None) -> Any:
        assert deadline is not None
        left.append(deadline - time.monotonic())
        return read(text, declared_sections=declared_sections, deadline=deadline, pause=pause)

    monkeypatch.setattr(application.coder, "read", measured)
    as_delivered = make_application(remember_minutes=0, hook_budget_ms=Settings().hook_budget_ms)
    answer = create_app(as_delivered).test_client().post("/cds-services/coding-review", json=hook_call())
    assert answer.status_code == 200
    assert len(left) == 1
    assert left[0] <= 0.38


def test_s3_what_was_left_is_said(make_application: Callable[..., Application], hook_call: Call, note: Call) -> None:
    """S3, house: 60 long notes don't fit into a call; which were left is in the extension, how many on the card."""
    client = create_app(make_application(hook_budget_ms=1, remember_minutes=0)).test_client()
    notes = [note(f"Assessment {i}: chronic obstructive pulmonary disease with cough and wheezing for {i} days. " * 40, id=f"d{i}") for i in range(60)]
    call = hook_call(prefetch={"notes": {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": n} for n in notes]}})
    answer = client.post("/cds-services/coding-review", json=call)
    coverage = answer.json["extension"]["org.marginalia.coverage"]
    assert any("time of this call ran out" in s["reason"] for s in coverage["notesSkipped"])
    assert "not read" in answer.json["cards"][0]["detail"]


def test_s4_extension_keys(client: FlaskClient, hook_call: Call) -> None:
    """S4 `extension` is an object with reverse-DNS keys."""
    call = hook_call()
    del call["prefetch"]["conditions"]
    extension = client.post("/cds-services/coding-review", json=call).json["extension"]
    assert list(extension) == ["org.marginalia.coverage"]


def test_b1_and_b2_feedback(client: FlaskClient, application: Application) -> None:
    """B1 `POST {base}/cds-services/{id}/feedback`; B2 `accepted` needs `acceptedSuggestions[].id`; `overrideReason` holds `reason` and/or `userComment`."""
    card = CARD.replace("1", "a")
    answer = client.post("/cds-services/coding-review/feedback", json={"feedback": [ACCEPTED | {"card": card}, OVERRIDDEN | {"card": card}]})
    assert (answer.status_code, answer.data) == (200, b"")
    accepted, overridden = application.store.feedback_on("default", card)
    assert accepted.accepted == ("s-1",)
    assert (overridden.reason_code, overridden.comment) == ("notsupported", "seen by cardiology")
    assert overridden.outcome_timestamp.isoformat() == "2026-03-01T14:31:00.250000+00:00"


def test_b3_batches_and_repeats(client: FlaskClient, application: Application) -> None:
    """B3 Batches, and repeats for the same card, are accepted; an ignored card sends nothing."""
    card = CARD.replace("1", "b")
    for _ in range(2):
        assert client.post("/cds-services/coding-review/feedback", json={"feedback": [ACCEPTED | {"card": card}] * 3}).status_code == 200
    assert client.post("/cds-services/coding-review/feedback", json={"feedback": []}).status_code == 200
    assert len(application.store.feedback_on("default", card)) == 6


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"card": None}, "card"),
        ({"outcome": "ignored"}, "outcome"),
        ({"outcomeTimestamp": "yesterday"}, "outcomeTimestamp"),
        ({"outcomeTimestamp": "2026-03-01T09:30:00"}, "outcomeTimestamp"),
        ({"acceptedSuggestions": []}, "acceptedSuggestions"),
        ({"acceptedSuggestions": [{}]}, "acceptedSuggestions[0].id"),
        ({"outcome": "overridden", "overrideReason": "no"}, "overrideReason"),
    ],
)
def test_b2_wrong_feedback_names_the_field(client: FlaskClient, application: Application, change: dict[str, Any], field: str) -> None:
    """B2: wrong feedback is refused as a whole, with the field named."""
    card = CARD.replace("1", "c")
    good = ACCEPTED | {"card": card}
    answer = client.post("/cds-services/coding-review/feedback", json={"feedback": [good, good | change]})
    assert answer.status_code == 400
    assert answer.json["issue"][0]["expression"] == [f"feedback[1].{field}"]
    assert application.store.feedback_on("default", card) == ()


def test_feedback_to_an_unknown_service(client: FlaskClient) -> None:
    """B1, R3: feedback for a service that doesn't exist: 404."""
    assert client.post("/cds-services/nothing/feedback", json={"feedback": []}).status_code == 404
