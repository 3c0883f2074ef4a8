"""Bad input over real HTTP: a clear error that names field and remedy, nothing lost, no stack trace, no note text in a log."""

from __future__ import annotations

import base64
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from flask import Flask, Response

from cds_service.application import Application
from cds_service.web import create_app

Call = Callable[..., dict[str, Any]]
SECRET_WORDS = "zebrafish paraganglioma"  # words of a note that no log may hold
SPANISH = (
    "Paciente de 45 años que acude por dolor abdominal de tres días de evolución, fiebre y náuseas. Antecedentes de hipertensión arterial y "
    "diabetes mellitus tipo 2 en tratamiento con metformina. Se decide ingreso hospitalario para estudio y tratamiento."
)


@pytest.fixture
def url(application: Application, serve: Callable[[Any], str]) -> str:
    """Base URL of the service."""
    return serve(create_app(application))


@pytest.fixture
def hurried_url(make_application: Callable[..., Application], serve: Callable[[Any], str]) -> str:
    """Base URL of a service that has too little time for large charts."""
    return serve(create_app(make_application(hook_budget_ms=2000)))


@pytest.fixture(autouse=True)
def logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """After each test: no log holds note text, a name or a stack trace of ours."""
    caplog.set_level(logging.INFO)
    yield
    told = [f"{r.getMessage()} {getattr(r, 'fields', '')}" for r in caplog.records]
    assert not any(SECRET_WORDS in t or "Traceback" in t for t in told)


def post(url: str, call: object, service: str = "coding-review") -> requests.Response:
    """Call a service."""
    return requests.post(f"{url}/cds-services/{service}", json=call, timeout=120)


def notes(*resources: dict[str, Any]) -> dict[str, Any]:
    """Return prefetched notes."""
    return {"notes": {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources]}}


def skipped(answer: requests.Response) -> dict[str, str]:
    """Return what the answer says was not read, and why."""
    return {s["source"]: s["reason"] for s in answer.json()["extension"]["org.marginalia.coverage"]["notesSkipped"]}


def codes(answer: requests.Response) -> set[str]:
    """Return the suggested codes."""
    return {s["label"].split()[0] for c in answer.json()["cards"] for s in c.get("suggestions", [])}


def test_not_json(url: str) -> None:
    """Not JSON: 400 that says so."""
    answer = requests.post(f"{url}/cds-services/coding-review", data="hook=patient-view", timeout=30)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["details"]["text"] == "The body is not JSON (line 1, column 1)."


def test_body_too_large(make_application: Callable[..., Application], serve: Callable[[Any], str]) -> None:
    """A body over the limit: 413 that names the setting."""
    url = serve(create_app(make_application(max_body_mb=1)))
    answer = requests.post(f"{url}/cds-services/coding-review", data="x" * 1_100_000, timeout=30)
    assert answer.status_code == 413
    assert "max_body_mb" in answer.json()["issue"][0]["diagnostics"]


def test_prefetch_value_that_is_no_resource(url: str, hook_call: Call) -> None:
    """A prefetch value that is no resource: 400 that names the key."""
    for wrong in ("x", 1, [], {"id": "1"}):
        answer = post(url, hook_call(prefetch={"conditions": wrong}))
        assert answer.status_code == 400
        assert answer.json()["issue"][0]["expression"] == ["prefetch.conditions"]


def test_null_and_empty_prefetch(url: str, hook_call: Call) -> None:
    """Null prefetch values and empty Bundles: no data, no cards, no error."""
    nearly_all = dict.fromkeys(key for key in hook_call()["prefetch"] if key != "encounter")
    assert post(url, hook_call(prefetch=nearly_all)).json() == {"cards": []}
    assert post(url, hook_call(prefetch=notes())).json() == {"cards": []}


def test_empty_note(url: str, hook_call: Call, note: Call) -> None:
    """A note of 0 bytes is told; the other note is read."""
    answer = post(url, hook_call(prefetch=notes(note("", id="empty"), note())))
    assert answer.status_code == 200
    assert "J44.9" in codes(answer)
    assert skipped(answer)["DocumentReference/empty"]


def test_note_of_two_megabytes(hurried_url: str, hook_call: Call, note: Call) -> None:
    """A note of 2 MB: its beginning is read, and that is said."""
    line = "Plan: continue tiotropium for chronic obstructive pulmonary disease, return in three months for review of symptoms.\n"
    answer = post(hurried_url, hook_call(prefetch=notes(note(line * (2_000_000 // len(line))))))
    assert answer.status_code == 200
    told = [s["reason"] for s in answer.json()["extension"]["org.marginalia.coverage"]["notesSkipped"]]
    assert any("first 100,000 characters" in reason for reason in told)


@pytest.mark.parametrize(
    ("attachment", "words"),
    [
        ({"contentType": "text/plain", "data": "%%% not base64 %%%"}, "base64"),
        ({"contentType": "text/plain; charset=klingon-8", "data": base64.b64encode(b"Assessment: COPD.").decode()}, "klingon-8"),
        ({"contentType": "video/mp4", "data": base64.b64encode(b"....").decode()}, "video/mp4"),
    ],
)
def test_unreadable_attachment(url: str, hook_call: Call, note: Call, attachment: dict[str, str], words: str) -> None:
    """Wrong base64, unknown character set, unknown media type: that note is told, the other one read."""
    bad = note(id="bad", content=[{"attachment": attachment}])
    answer = post(url, hook_call(prefetch=notes(bad, note())))
    assert answer.status_code == 200
    assert "J44.9" in codes(answer)
    assert words in skipped(answer)["DocumentReference/bad"]


def test_note_in_spanish(url: str, hook_call: Call, note: Call) -> None:
    """A note in Spanish is said, not guessed: beside another note in the coverage, alone on a card."""
    both = post(url, hook_call(prefetch=notes(note(SPANISH, id="es"), note())))
    assert "looks like Spanish" in skipped(both)["DocumentReference/es"]
    assert "_Of 2 notes: 1 not read. The review tells which, and why._" in both.json()["cards"][0]["detail"]
    alone = post(url, hook_call(prefetch=notes(note(SPANISH, id="es"))))
    (card,) = alone.json()["cards"]
    assert card["source"]["topic"]["code"] == "notesnotread"
    assert "Spanish" in card["detail"]


def test_five_hundred_notes(hurried_url: str, hook_call: Call, note: Call) -> None:
    """500 notes: the newest are read first, the rest is said."""
    many = [note(f"Progress note {i}. Assessment: chronic kidney disease, day {i}. " + "Stable overnight. " * 50, id=f"d{i}") for i in range(499)]
    newest = note("Assessment: Chronic obstructive pulmonary disease, stable.", id="newest", date="2026-03-02T10:00:00Z")
    answer = post(hurried_url, hook_call(prefetch=notes(*many, newest)))
    assert answer.status_code == 200
    assert "J44.9" in codes(answer)
    coverage = answer.json()["extension"]["org.marginalia.coverage"]
    assert coverage["notesRead"] >= 1
    assert coverage["skipped"] > 0


def test_cyclic_references(url: str, hook_call: Call, note: Call) -> None:
    """Cyclic references end."""
    one = note(id="d1", relatesTo=[{"code": "appends", "target": {"reference": "DocumentReference/d2"}}])
    two = note("Assessment: Essential hypertension.", id="d2", relatesTo=[{"code": "appends", "target": {"reference": "DocumentReference/d1"}}])
    assert "J44.9" in codes(post(url, hook_call(prefetch=notes(one, two))))


def test_wrong_patient(url: str, hook_call: Call, note: Call) -> None:
    """A resource of the wrong patient: refused as a whole."""
    other = note(SECRET_WORDS, id="other", subject={"reference": "Patient/2"})
    answer = post(url, hook_call(prefetch=notes(note(), other)))
    assert answer.status_code == 400
    assert "patient" in answer.json()["issue"][0]["details"]["text"].lower()
    assert SECRET_WORDS not in answer.text


def test_future_dates(url: str, hook_call: Call, note: Call) -> None:
    """Dates in the future are told, and the note is read all the same."""
    answer = post(url, hook_call(prefetch=notes(note(date="2199-01-01T00:00:00Z"))))
    assert answer.status_code == 200
    assert "J44.9" in codes(answer)
    assert "future" in skipped(answer)["DocumentReference/d1"]


def test_unknown_code_system(url: str, hook_call: Call) -> None:
    """A problem of an unknown code system does no harm."""
    odd = {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/1"}, "code": {"coding": [{"system": "urn:x:local", "code": "J44.9"}]}}
    answer = post(url, hook_call(prefetch={"conditions": {"resourceType": "Bundle", "entry": [{"resource": odd}]}}))
    assert answer.status_code == 200
    assert "J44.9" in codes(answer)


def test_operation_outcome_inside_a_bundle(url: str, hook_call: Call, note: Call) -> None:
    """An OperationOutcome among the entries of a search is told, and the rest is read."""
    warning = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "incomplete"}]}
    answer = post(url, hook_call(prefetch=notes(note(), warning)))
    assert "J44.9" in codes(answer)
    assert "error" in skipped(answer)["prefetch.notes"]


@pytest.mark.parametrize("date", ["2019-05-01T10:00:00Z"])
def test_no_code_set_for_the_date(url: str, hook_call: Call, date: str) -> None:
    """An encounter before the first release: an error that says so, not codes of another year."""
    encounter = hook_call()["prefetch"]["encounter"] | {"period": {"start": date, "end": date}}
    answer = post(url, hook_call(prefetch={"encounter": encounter}))
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["diagnostics"]


class TestFhirServer:
    """The FHIR server of the call fails in every way; what it had to give is named."""

    @staticmethod
    def call(hook_call: Call, base: str, *missing: str) -> dict[str, Any]:
        """Return a call that needs the server for the missing keys."""
        authorization = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "cds"}
        call = hook_call(fhirServer=base, fhirAuthorization=authorization)
        for key in missing:
            del call["prefetch"][key]
        return call

    @staticmethod
    def answering(status: int, body: str, content_type: str) -> Flask:
        """Return a server that always answers the same."""
        app = Flask("ehr")
        app.add_url_rule("/<path:path>", view_func=lambda path: Response(body, status, content_type=content_type))
        return app

    def test_down(self, url: str, hook_call: Call) -> None:
        """Down: 412 for required data; a note in the coverage for the rest."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            base = f"http://127.0.0.1:{closed.getsockname()[1]}"
        required = post(url, self.call(hook_call, base, "notes"))
        assert required.status_code == 412
        assert "can't be reached" in required.json()["issue"][0]["details"]["text"]
        optional = post(url, self.call(hook_call, base, "medications"))
        assert "J44.9" in codes(optional)
        assert "can't be reached" in skipped(optional)["prefetch.medications"]

    def test_slow(self, make_application: Callable[..., Application], serve: Callable[[Any], str], hook_call: Call) -> None:
        """Slow: given up after the time for fetching."""
        with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and never answers
            url = serve(create_app(make_application(fetch_budget_ms=200)))
            answer = post(url, self.call(hook_call, f"http://127.0.0.1:{silent.getsockname()[1]}", "notes"))
        assert answer.status_code == 412
        assert answer.elapsed.total_seconds() < 60
        assert "in time" in answer.json()["issue"][0]["details"]["text"]

    @pytest.mark.parametrize(
        ("status", "body", "content_type", "words"),
        [
            (401, "", "text/plain", "access token"),
            (403, "", "text/plain", "403"),
            (500, "<html>oops</html>", "text/html", "fails"),
            (200, "<html>login</html>", "text/html", "text/html"),
            (200, "{", "application/fhir+json", "JSON"),
            (200, '{"resourceType": "Patient"}', "application/fhir+json", "Bundle"),
        ],
    )
    def test_wrong_answers(self, url: str, serve: Callable[[Any], str], hook_call: Call, status: int, body: str, content_type: str, words: str) -> None:
        """401, 403, 5xx, wrong content type, broken JSON, no Bundle: 412 with the cause."""
        base = serve(self.answering(status, body, content_type))
        answer = post(url, self.call(hook_call, base, "notes"))
        assert answer.status_code == 412
        assert words in answer.json()["issue"][0]["details"]["text"]
