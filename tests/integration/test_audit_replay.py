"""What is audited of a call, and making an answer again from the same input."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cds_service.application import Application
from cds_service.audit import Link
from cds_service.audit.chain import links
from cds_service.cli import marginalia
from cds_service.demo.patients import chart_folders, patient_bundle
from cds_service.web import create_app
from tests.conftest import NOTE


def events(application: Application) -> list[Link]:
    """Return all events of an application's audit."""
    with application.store.engine.connect() as connection:
        return list(links(connection))


@pytest.fixture
def own(make_application: Callable[..., Application]) -> Application:
    """An application with a database of its own, and time enough for every note."""
    return make_application(hook_budget_ms=20_000)


@pytest.fixture
def again(own: Application, tmp_path: Path) -> Callable[..., Result]:
    """Runs `marginalia replay` on the application's database."""

    def run(review: str, body: object, *options: str) -> Result:
        (tmp_path / "input.json").write_text(json.dumps(body), encoding="utf-8")
        environment = {"MARGINALIA_DATABASE_URL": own.settings.database_url}
        outcome = CliRunner(env=environment).invoke(marginalia, ["replay", review, str(tmp_path / "input.json"), *options])
        if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
            raise outcome.exception
        return outcome

    return run


def test_a_call_is_audited_without_a_word_of_the_note(own: Application, hook_call: Callable[..., dict[str, Any]]) -> None:
    """Answer, reading, feedback: who, whose, what, and hashes of the inputs; no word of the note, no code."""
    client = create_app(own).test_client()
    answer = client.post("/cds-services/coding-review", json=hook_call(), headers={"X-Request-Id": "call-7"})
    card = answer.json["cards"][0]["uuid"]
    (made,) = events(own)
    review = made.event["subject"].removeprefix("Review/")
    assert client.get(f"/api/v1/reviews/{review}").status_code == 200
    feedback = {"feedback": [{"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-03-01T10:00:00Z"}]}
    assert client.post("/cds-services/coding-review/feedback", json=feedback).status_code == 200
    told = [link.event for link in events(own)]
    assert [t["kind"] for t in told] == ["answer", "read", "decision"]
    first = told[0]
    assert {k: first[k] for k in ("client", "user", "patient")} == {"client": "open", "user": "Practitioner/7", "patient": "1"}
    assert set(first["details"]) >= {"document", "inputs", "model", "rules", "tables", "program", "codeSets", "service"}
    assert list(first["details"]["inputs"]["notes"]) == ["DocumentReference/d1"]
    text = json.dumps(told)
    for word in ("obstructive", "hypertension", "J44", "I10", "cancer"):
        assert word not in text
    assert own.audit.verify().faults == ()


def test_a_text_is_answered_again_bit_for_bit(own: Application, again: Callable[..., Result]) -> None:
    """`marginalia replay ID`: the same input gives the same review; another input doesn't, and the note is named."""
    body = {"text": NOTE, "encounterDate": "2026-03-01"}
    review = create_app(own).test_client().post("/api/v1/review", json=body).json
    outcome = again(review["id"], body, "--json")
    told = json.loads(outcome.stdout)
    assert (outcome.exit_code, told["same"], told["reasons"], told["changed"]) == (0, True, [], [])
    assert {k: v for k, v in told["review"].items() if k != "timingMs"} == {k: v for k, v in review.items() if k != "timingMs"}
    other = again(review["id"], {**body, "text": NOTE.replace("COPD", "asthma")})
    assert other.exit_code == 1
    assert "text has other words." in other.stdout


def test_a_hook_call_is_answered_again_bit_for_bit(own: Application, again: Callable[..., Result], hook_call: Callable[..., dict[str, Any]]) -> None:
    """The call with its prefetch is enough; access to the EHR isn't used. A note that is missing is named."""
    call = hook_call() | {"fhirServer": "http://127.0.0.1:9/fhir", "fhirAuthorization": None}
    call.pop("fhirAuthorization")
    answer = create_app(own).test_client().post("/cds-services/coding-review", json=call)
    assert answer.status_code == 200
    review = events(own)[0].event["subject"].removeprefix("Review/")
    outcome = again(review, call)
    assert (outcome.exit_code, outcome.stdout) == (0, "The same, bit for bit.\n")
    changed = json.loads(json.dumps(call))
    attachment = changed["prefetch"]["notes"]["entry"][0]["resource"]["content"][0]["attachment"]
    attachment["data"] = base64.b64encode(NOTE.replace("Essential", "Secondary").encode()).decode()
    outcome = again(review, changed)
    assert outcome.exit_code == 1
    assert "DocumentReference/d1 has other words." in outcome.stdout


def test_a_whole_patient_is_answered_again(own: Application, again: Callable[..., Result]) -> None:
    """A chart of the demo with several notes and a structured record, sent as a Bundle."""
    bundle = patient_bundle(chart_folders()[0])
    review = create_app(own).test_client().post("/api/v1/review", json=bundle).json
    assert len(review["coverage"]["notesRead"]) >= 1
    assert again(review["id"], bundle).stdout == "The same, bit for bit.\n"
