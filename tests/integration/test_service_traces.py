"""Traces: what a span holds, and what it never holds. Off unless a collector is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response, request
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cds_service.application import Application
from cds_service.config import Settings
from cds_service.errors import ConfigurationError
from cds_service.serving.tracing import Traces, close_traces
from cds_service.web import create_app
from tests.conftest import NOTE
from tests.fuzz import goods

Call = Callable[..., dict[str, Any]]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PHI = ("Synthetica", "MRN-4711", "19570202", "1957-02-02", "t0ken-secret", "Practitioner/7")


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Keeps spans."""
    return InMemorySpanExporter()


@pytest.fixture
def traced(make_application: Callable[..., Application], exporter: InMemorySpanExporter) -> Flask:
    """A service whose spans are kept."""
    return create_app(make_application(), traces=Traces(SimpleSpanProcessor(exporter)))


def of_a_person(hook_call: Call) -> dict[str, Any]:
    """Return a hook call whose chart and context name a person."""
    call = hook_call(context={"userId": "Practitioner/7", "patientId": "1"})
    call["prefetch"]["patient"] |= {"birthDate": "1957-02-02", "name": [{"family": "Synthetica"}], "identifier": [{"value": "MRN-4711"}]}
    return call


def test_a_request_and_its_steps(traced: Flask, exporter: InMemorySpanExporter, hook_call: Call) -> None:
    """One span for the request, by its route, with its steps inside; a trace that a proxy has begun goes on."""
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    assert traced.test_client().post("/cds-services/coding-review", json=hook_call(), headers=headers).status_code == 200
    spans = {s.name: s for s in exporter.get_finished_spans()}
    assert set(spans) == {"chart", "review", "keep", "POST /cds-services/<service_id>"}
    whole = spans.pop("POST /cds-services/<service_id>")
    assert format(whole.context.trace_id, "032x") == TRACE
    assert {s.parent.span_id for s in spans.values() if s.parent} == {whole.context.span_id}
    told = dict(whole.attributes or {})
    assert (told["http.route"], told["http.response.status_code"], told["marginalia.service"]) == ("/cds-services/<service_id>", 200, "coding-review")


def test_no_span_holds_anything_of_a_patient(traced: Flask, exporter: InMemorySpanExporter, hook_call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good calls, refused ones, and a defect whose error quotes the note: no name, number, date, id, token, path, query or word of a note."""
    web = traced.test_client()
    assert web.post("/cds-services/coding-review", json=of_a_person(hook_call), headers={"Authorization": "Bearer t0ken-secret"}).status_code == 200
    web.get("/api/v1/reviews/MRN-4711?name=Synthetica")
    web.post("/cds-services/coding-review", data=b"Synthetica")
    for call in goods():
        web.open(call.path, method=call.method, data=call.body, headers=call.headers)

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError(NOTE + "Synthetica")

    monkeypatch.setattr(traced.extensions["marginalia"], "review", fail)
    assert web.post("/cds-services/coding-review", json=of_a_person(hook_call)).status_code == 500
    spans = exporter.get_finished_spans()
    told = "".join(span.to_json() for span in spans)
    assert len(spans) > 20
    assert '"error.type": "ValueError"' in told
    words = {w for w in NOTE.replace(".", " ").split() if len(w) > 6}
    assert [w for w in (*PHI, *words) if w in told] == []


def test_traces_reach_a_collector(make_application: Callable[..., Application], serve: Callable[[Any], str], hook_call: Call) -> None:
    """On the wire: OTLP over HTTP to the address of the settings, by the guarded door, and complete at the end of the process."""
    got: list[tuple[str, bytes]] = []
    collector = Flask("collector")

    @collector.post("/v1/traces")
    def take() -> Response:
        got.append((request.content_type or "", request.get_data()))
        return Response(b"", content_type="application/x-protobuf")

    app = create_app(make_application(traces_url=f"{serve(collector)}/v1/traces"))
    assert app.test_client().post("/cds-services/coding-review", json=of_a_person(hook_call)).status_code == 200
    close_traces(app)
    ((kind, body),) = got
    assert kind == "application/x-protobuf"
    assert b"/cds-services/<service_id>" in body
    assert b"Synthetica" not in body


def test_off_by_default(make_application: Callable[..., Application], hook_call: Call) -> None:
    """Without the setting no span is made, and OpenTelemetry isn't even loaded by the service."""
    app = create_app(make_application())
    assert app.extensions["marginalia.traces"] is None
    assert app.test_client().post("/cds-services/coding-review", json=hook_call()).status_code == 200
    script = "import sys, cds_service.web, cds_service.serving.lifecycle; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("url", ["", "collector:4318", "file:///tmp/x", "https://user:pw@collector.example.org/v1/traces"])
def test_an_address_that_is_none(url: str) -> None:
    """The start tells it."""
    with pytest.raises(ConfigurationError, match="traces_url"):
        Settings.load(environ={"MARGINALIA_TRACES_URL": url})


def test_without_the_packages(make_application: Callable[..., Application], monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting without the extra: no start, and the message says what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigurationError, match="telemetry"):
        create_app(make_application(traces_url="http://127.0.0.1:4318/v1/traces"))
