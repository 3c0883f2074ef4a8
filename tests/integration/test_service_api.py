"""The API for coding systems, held to its published schema, and the routes of operation."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, FormatChecker

from cds_service.application import Application
from cds_service.web import create_app

Call = Callable[..., dict[str, Any]]
NOTE = (
    "HPI: 70 year old woman with type 2 diabetes, followed for chronic kidney disease. Denies chest pain. Mother had breast cancer.\n\n"
    "Assessment and Plan:\n1. Chronic obstructive pulmonary disease, stable.\n2. Heart failure, continue furosemide.\n"
)


@pytest.fixture(scope="module")
def description(web: Any) -> dict[str, Any]:
    """The published description."""
    return dict(web.test_client().get("/openapi.json").json)


def check(description: dict[str, Any], name: str, value: object) -> None:
    """Hold a value to a published schema."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": description["components"]}
    errors = sorted(f"{e.json_path}: {e.message}" for e in Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(value))
    assert errors == []


def test_the_schemas_are_schemas(description: dict[str, Any]) -> None:
    """OpenAPI 3.1 uses JSON Schema 2020-12."""
    assert description["openapi"] == "3.1.0"
    for schema in description["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_route_is_described(web: Any, description: dict[str, Any]) -> None:
    """The description lists every route of the service but the icon, the SMART app and the static files; and no other."""
    served = {r.rule.replace("<service_id>", "{id}").replace("<review_id>", "{id}") for r in web.url_map.iter_rules() if not r.rule.startswith("/smart")}
    assert served - {"/icon.png"} == set(description["paths"])


def test_review_of_text(client: FlaskClient, description: dict[str, Any]) -> None:
    """`POST /api/v1/review` with a note answers a CodingReview; begin and end are code points of exactly the text sent."""
    text = "Größe 1,70 m. 🙂\r\n" + NOTE
    body = {"text": text, "encounterDate": "2026-03-01", "setting": "outpatient", "patient": {"birthDate": "1955-01-01", "gender": "female"}}
    check(description, "TextRequest", body)
    answer = client.post("/api/v1/review", json=body)
    assert answer.status_code == 200
    review = answer.json
    check(description, "CodingReview", review)
    assert "J44.9" in {d["code"] for d in review["diagnoses"]}
    assert not any(d["code"].startswith(("R07", "C50")) for d in review["diagnoses"])
    quoted = [e for d in review["diagnoses"] for e in d["evidence"] if e["kind"] == "note"]
    assert quoted
    assert all(text[e["begin"] : e["end"]] == e["text"] for e in quoted)


@pytest.mark.parametrize("content_type", ["application/fhir+json", "application/json", "application/fhir+json; charset=utf-8"])
def test_review_of_a_bundle(client: FlaskClient, description: dict[str, Any], hook_call: Call, note: Call, content_type: str) -> None:
    """`POST /api/v1/review` with a FHIR R4 Bundle, whatever the content type."""
    prefetch = hook_call()["prefetch"]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in (prefetch["patient"], prefetch["encounter"], note(NOTE))]}
    answer = client.post("/api/v1/review", data=json.dumps(bundle), content_type=content_type)
    assert answer.status_code == 200
    check(description, "CodingReview", answer.json)
    assert (answer.json["patient"], answer.json["encounter"]) == ("Patient/1", "Encounter/e1")
    assert "J44.9" in {d["code"] for d in answer.json["diagnoses"]}


def test_kept_review_has_no_words_of_the_note(client: FlaskClient, description: dict[str, Any]) -> None:
    """`GET /api/v1/reviews/{id}` answers the review without note text and without values."""
    review = client.post("/api/v1/review", json={"text": NOTE, "encounterDate": "2026-03-01"}).json
    kept = client.get(f"/api/v1/reviews/{review['id']}")
    assert kept.status_code == 200
    check(description, "CodingReview", kept.json)
    assert [d["code"] for d in kept.json["diagnoses"]] == [d["code"] for d in review["diagnoses"]]
    assert not any("text" in e for d in kept.json["diagnoses"] for e in d["evidence"])


def test_the_database_holds_no_note_text(make_application: Callable[..., Application], hook_call: Call, note: Call, tmp_path: Path) -> None:
    """Stored: codes, offsets, hashes, references. Not stored: words of the note, names, tokens; searched in the raw file and in the opened documents."""
    application = make_application(database_url=f"sqlite:///{tmp_path / 'kept.sqlite'}")
    client = create_app(application).test_client()
    marked = note("Assessment: Chronic obstructive pulmonary disease, seen with Xanthippe Quillfeather. Heart failure, acute?")
    patient = hook_call()["prefetch"]["patient"] | {"name": [{"family": "Quillfeather"}]}
    call = hook_call(prefetch={"patient": patient, "notes": {"resourceType": "Bundle", "entry": [{"resource": marked}]}})
    answer = client.post("/cds-services/coding-review", json=call)
    handle = answer.json["cards"][0]["links"][0]["appContext"]
    with sqlite3.connect(tmp_path / "kept.sqlite") as connection:
        dump = "\n".join(connection.iterdump())
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    document = json.dumps(application.store.latest("open" if application.settings.clients else "default", "1", "e1"))
    assert "J44" in document
    assert "DocumentReference/d1" in document
    assert "rationale" not in dump  # sealed
    for secret in ("Quillfeather", "Xanthippe", "obstructive pulmonary disease, seen", handle):
        assert secret not in dump
        assert secret not in document


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"text": None}, "text"),
        ({"text": ""}, "text"),
        ({"text": "  \n"}, "text"),
        ({"text": 7}, "text"),
        ({"encounterDate": "01.03.2026"}, "encounterDate"),
        ({"encounterDate": 20260301}, "encounterDate"),
        ({"encounterDate": "2199-01-01"}, "encounterDate"),
        ({"setting": "home"}, "setting"),
        ({"setting": ["inpatient"]}, "setting"),
        ({"patient": []}, "patient"),
        ({"patient": {"gender": "f"}}, "patient.gender"),
        ({"patient": {"birthDate": "1900"}}, "patient.birthDate"),
        ({"patient": {"birthDate": "2026-04-01"}}, "patient.birthDate"),
        ({"patient": {"name": "x"}}, "patient.name"),
        ({"encounterdate": "2026-03-01"}, "encounterdate"),
    ],
)
def test_wrong_fields_are_named(client: FlaskClient, description: dict[str, Any], change: dict[str, Any], field: str) -> None:
    """A wrong field: 400 with the field, what is wrong, and the remedy; a misspelt field is not ignored."""
    answer = client.post("/api/v1/review", json={"text": NOTE, "encounterDate": "2026-03-01"} | change)
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    check(description, "Problem", answer.json)
    assert answer.json["field"] == field


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, "request"),
        ("[]", 400, "request"),
        ('{"resourceType": "Bundle"}', 400, "fhir.bad-resource"),
        ('{"resourceType": "Patient", "id": "1"}', 400, "fhir.bad-resource"),
        ('{"resourceType": "Bundle", "entry": 7}', 400, "fhir.bad-resource"),
        ('{"text": "COPD", "encounterDate": "2019-01-01"}', 422, "codeset.not-in-force"),
    ],
)
def test_unusable_bodies(client: FlaskClient, description: dict[str, Any], body: str, status: int, code: str) -> None:
    """Not JSON, no object, an empty Bundle, another resource, a date without a code set: a problem with a stable code."""
    answer = client.post("/api/v1/review", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (status, code)
    check(description, "Problem", answer.json)


@pytest.mark.parametrize("path", ["/api/v1/reviews/nothing", "/api/v1/nothing", "/nothing"])
def test_nothing_there(client: FlaskClient, description: dict[str, Any], path: str) -> None:
    """404 is a problem too."""
    answer = client.get(path)
    assert answer.status_code == 404
    check(description, "Problem", answer.json)


def test_spanish_note_is_said(client: FlaskClient) -> None:
    """A note in Spanish: no code is guessed, and the coverage says why."""
    text = "Paciente de 45 años que acude por dolor abdominal de tres días de evolución, fiebre y náuseas, con antecedentes de diabetes."
    review = client.post("/api/v1/review", json={"text": text, "encounterDate": "2026-03-01"}).json
    assert review["diagnoses"] == []
    assert "Spanish" in review["coverage"]["notesSkipped"][0]["reason"]


def test_health_and_readiness(client: FlaskClient, application: Application) -> None:
    """/healthz says alive; /readyz says the execution provider, the model and the database."""
    assert client.get("/healthz").json == {"status": "alive"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json["provider"] == application.provider
    assert ready.json["provider"] in ("CPUExecutionProvider", "CUDAExecutionProvider")
    assert len(ready.json["model"]["sha256"]) == 64


def test_not_ready_without_a_database(make_application: Callable[..., Application], monkeypatch: pytest.MonkeyPatch) -> None:
    """/readyz answers 503 where the database doesn't; a review that can't be kept answers 503 as well."""
    from sqlalchemy.exc import OperationalError

    from cds_service.store import ReviewStore

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    client = create_app(make_application()).test_client()
    monkeypatch.setattr(ReviewStore, "is_alive", lambda self: False)
    monkeypatch.setattr(ReviewStore, "keep", fail)
    assert client.get("/readyz").status_code == 503
    answer = client.post("/api/v1/review", json={"text": NOTE, "encounterDate": "2026-03-01"})
    assert (answer.status_code, answer.json["code"]) == (503, "store")


def test_metrics_count_calls_cards_and_notes(make_application: Callable[..., Application], hook_call: Call) -> None:
    """/metrics counts in Prometheus' text format, and names no patient."""
    client = create_app(make_application()).test_client()
    client.post("/cds-services/coding-review", json=hook_call())
    client.post("/cds-services/coding-review", json={})
    page = client.get("/metrics").text
    assert 'marginalia_requests_total{method="POST",route="/cds-services/<service_id>",status="200"} 1.0' in page
    assert 'marginalia_requests_total{method="POST",route="/cds-services/<service_id>",status="400"} 1.0' in page
    assert 'marginalia_cards_total{service="coding-review",topic="diagnosissuggestions"} 1.0' in page
    assert 'marginalia_notes_total{outcome="read"} 1.0' in page
    assert 'marginalia_model_info{name="' in page


def test_logs_tell_the_request_and_not_the_patient(client: FlaskClient, hook_call: Call, caplog: pytest.LogCaptureFixture) -> None:
    """One line a request: route, status, time, service, counts; no path with an id, no patient, no user."""
    caplog.set_level(logging.INFO)
    call = hook_call(context={"patientId": "patient-4711", "userId": "Practitioner/9922"}, prefetch={"patient": None, "encounter": None, "notes": None})
    client.post("/cds-services/coding-review", json=call)
    client.get("/api/v1/reviews/review-8833")
    lines = [r.fields for r in caplog.records if r.getMessage() == "request"]  # type: ignore[attr-defined]
    assert lines[0]["route"] == "/cds-services/<service_id>"
    assert {"status", "ms", "service", "hookInstance", "cards", "notesRead"} <= set(lines[0])
    assert not any(word in str(lines) for word in ("4711", "9922", "8833"))


def test_answers_are_not_cached(client: FlaskClient, hook_call: Call) -> None:
    """Answers about a patient are kept by no cache, and no browser guesses their type."""
    answer = client.post("/cds-services/coding-review", json=hook_call())
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
