"""`marginalia conformance` and `marginalia simulate`: ours passes every line; a service that breaks a line is found."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, jsonify, request
from joserfc.jwk import ECKey
from werkzeug.serving import make_server

from cds_service import cli
from cds_service.application import Application
from cds_service.config import Client
from cds_service.conformance import LINES, Stage, Verdict, run
from cds_service.simulate import Ehr, Signer, sample_chart
from cds_service.simulate.signer import load_key, new_key
from cds_service.web import create_app

Serve = Callable[[Any], str]
Command = Callable[..., tuple[int, str, str]]
CHECKLIST = (
    "T1 T2 T3 D1 D2 D3 D4 D5 P1 P2 P3 P4 P5 P6 P7 P8 R1 R2 R3 R4 R5 R6 J1 J2 J3 J4 J5 J6 J7 J8 J9 "
    "C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 C13 B1 B2 B3 S1 S2 S3 S4"
).split()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `marginalia` and returns exit code, stdout and stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["marginalia", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(app: Any, port: int) -> Iterator[None]:
    """Serve an app on a port for the length of a `with` block."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_line_of_the_checklist_is_tried() -> None:
    """The command knows each line of the checklist."""
    assert {line.id for line in LINES} >= set(CHECKLIST)


def test_ours_passes_every_line(make_application: Callable[..., Application], tmp_path: Path, command: Command) -> None:
    """With signed calls and a registered FHIR server there is no line that fails, warns or is skipped."""
    key = tmp_path / "key.json"
    public = new_key(key)["keys"]
    fhir_port, port = free_port(), free_port()
    base = f"http://127.0.0.1:{port}"
    client = Client("sim", "sim", fhir_servers=(f"http://127.0.0.1:{fhir_port}",), issuer="https://sim.example.org", keys=tuple(public))
    application = make_application(open=False, public_url=base, clients=(client,), cors_origins=("https://sandbox.cds-hooks.org",))
    with running(create_app(application), port):
        options = ["--issuer", "https://sim.example.org", "--key", str(key), "--fhir-port", str(fhir_port), "--cors-origin", "https://sandbox.cds-hooks.org"]
        status, out, err = command("conformance", base, *options, "--strict", "--json")
    told = json.loads(out)
    assert [line for line in told["lines"] if line["verdict"] != "pass"] == []
    assert (status, err) == (0, "")
    assert told["counts"]["pass"] == len(LINES)


def test_ours_in_open_mode(make_application: Callable[..., Application], serve: Serve, command: Command) -> None:
    """Without a key the lines of client authentication are skipped, with the reason; all others pass."""
    base = serve(create_app(make_application()))
    status, out, _ = command("conformance", base, "--json")
    lines = json.loads(out)["lines"]
    assert status == 0
    assert {line["line"] for line in lines if line["verdict"] == "skip"} == {line.id for line in LINES if line.id[0] == "J"} | {"D5", "R6a"}
    assert [line for line in lines if line["verdict"] not in ("pass", "skip")] == []


def bad_service() -> Flask:
    """A service that breaks about every line."""
    app = Flask("bad")
    template = "Observation?patient={{context.patientId}}&value-quantity=gt5"
    service = {
        "hook": "patient-view",
        "id": "bad",
        "description": "",
        "title": None,
        "prefetch": {"a": template, "b": "Patient/{{context.draftOrders}}", "c": "Patient/{{context.patient.id}}"},
    }

    @app.get("/cds-services")
    def discovery() -> Any:
        return jsonify({"services": [service, service]})

    @app.post("/cds-services/<id>")
    def call(id: str) -> Any:
        if not request.data.startswith(b"{") or b"1e400" in request.data:
            return "Traceback (most recent call last):", 500
        suggestion = {"actions": [{"type": "create"}, {"type": "erase", "description": "x", "resource": {}}], "isRecommended": True}
        card = {
            "summary": "x" * 140,
            "detail": "<script>alert(1)</script>",
            "indicator": "danger",
            "source": {"url": "/relative"},
            "suggestions": [suggestion, suggestion | {"actionSelectionBehavior": "all"}],
            "overrideReasons": [{"code": "x"}],
            "links": [{"type": "absolute", "appContext": {}}],
        }
        echo = {"token": (request.json.get("fhirAuthorization") or {}).get("access_token")}
        return jsonify({"cards": [card], "systemActions": [{}], "extension": {"plain": 1}, **echo})

    @app.after_request
    def open_to_all(answer: Any) -> Any:
        answer.headers["Access-Control-Allow-Origin"] = "*"
        return answer

    return app


def test_a_bad_service_is_found(serve: Serve, command: Command) -> None:
    """Each line can fail: the tests of the command are tests."""
    status, out, _ = command("conformance", serve(bad_service()), "--json")
    told = {line["line"]: line["verdict"] for line in json.loads(out)["lines"]}
    assert status == 1
    found = {id for id, verdict in told.items() if verdict in ("fail", "warn")}
    never = {"T1", "T2", "D1", "P4", "R2", "C1", "H2", "H3", "S3", "B1", "B3", "P8", "P5a", "P6", "P7", "R4a"}
    assert {line.id for line in LINES if line.id[0] != "J"} - found - never <= {"D5", "R6a", "B2"}
    assert {
        "T3",
        "D2",
        "D4",
        "P1",
        "P2",
        "P3",
        "R1",
        "R3",
        "R5",
        "C2",
        "C3",
        "C4",
        "C5",
        "C6",
        "C7",
        "C8",
        "C10",
        "C11",
        "C12",
        "S1",
        "S1a",
        "S2",
        "S4",
    } <= found


def test_a_service_that_believes_every_token_is_found(serve: Serve) -> None:
    """The lines J fail against a service that doesn't look at tokens."""
    ehr = Ehr(serve(bad_service()), Signer("https://sim.example.org", ECKey.generate_key("P-384", {"kid": "k1"})))
    results = {r.line.id: r.verdict for r in run(Stage(ehr, sample_chart()), ["J", "D5"])}
    ehr.close()
    assert {id for id, verdict in results.items() if verdict is Verdict.FAIL} == {"J1", "J2", "J3", "J4", "J5", "J6", "J7", "J8", "D5"}
    assert results["J6a"] is Verdict.WARN


def test_what_is_no_service(serve: Serve, command: Command) -> None:
    """A web page, and nothing at all: a result, no stack trace."""
    page = Flask("page")
    page.get("/cds-services")(lambda: "<html></html>")
    for url in (serve(page), f"http://127.0.0.1:{free_port()}"):
        status, out, _ = command("conformance", url, "--json")
        assert status == 1
        assert {line["verdict"] for line in json.loads(out)["lines"]} <= {"fail", "warn", "skip", "pass"}


def test_simulate_fires_a_hook(make_application: Callable[..., Application], tmp_path: Path, serve: Serve, command: Command) -> None:
    """`marginalia simulate`: discovery, prefetch from a Bundle, a FHIR server for what was left out, cards, feedback."""
    base = serve(create_app(make_application()))
    chart = tmp_path / "chart.json"
    chart.write_text(json.dumps({"resourceType": "Bundle", "entry": [{"resource": r} for r in sample_chart().resources]}), encoding="utf-8")
    arguments = ("simulate", "fire", base, "--bundle", str(chart), "--serve-fhir", "--omit", "laboratory", "--feedback", "accept")
    status, out, err = command(*arguments)
    assert status == 0
    assert "coding-review: 200" in out
    assert "feedback on" in err
    assert "was asked 1 times" in err
    status, out, _ = command(*arguments, "--json")
    (fired,) = json.loads(out)
    assert fired["feedback"] == 200
    assert "laboratory" not in fired["call"]["prefetch"]
    assert fired["answer"]["cards"]


def test_simulate_signs(make_application: Callable[..., Application], tmp_path: Path, command: Command) -> None:
    """`simulate key` makes a key; what it prints is what the service is given; without it the call is refused."""
    key, port = tmp_path / "key.json", free_port()
    status, out, _ = command("simulate", "key", str(key))
    assert status == 0
    assert key.stat().st_mode & 0o077 == 0
    (public,) = json.loads(out)["keys"]
    assert "d" not in public
    base = f"http://127.0.0.1:{port}"
    client = Client("sim", issuer="https://sim.example.org", keys=(public,))
    with running(create_app(make_application(open=False, public_url=base, clients=(client,))), port):
        assert command("simulate", "fire", base, "--issuer", "https://sim.example.org", "--key", str(key))[0] == 0
        assert command("simulate", "fire", base)[0] == 1
        assert command("simulate", "fire", base, "--key", str(key))[0] == 2
    assert load_key(key).kid == public["kid"]


@pytest.mark.parametrize("hook", ["order-sign", "encounter-start", "encounter-discharge", "problem-list-item-create"])
def test_simulate_knows_the_hooks(web: Flask, serve: Serve, command: Command, hook: str) -> None:
    """Each hook's context is what the service takes."""
    assert command("simulate", "fire", serve(web), "--hook", hook)[0] == 0


def test_simulate_without_a_service_for_the_hook(web: Flask, serve: Serve, command: Command) -> None:
    """What is on offer is told."""
    status, _, err = command("simulate", "fire", serve(web), "--hook", "appointment-book")
    assert status == 1
    assert "coding-review (patient-view)" in err
