"""No words of a person in logs, metrics, traces, errors, crashes, the audit or the database: the suite's charts and notes go through, well and damaged."""

from __future__ import annotations

import base64
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cds_service.application import Application
from cds_service.demo.patients import chart_folders, patient_bundle
from cds_service.logs import JsonLines
from cds_service.serving.tracing import Traces
from cds_service.web import create_app

FOLDERS = chart_folders()
VIGNETTES = Path(__file__).parents[1] / "vignettes"


@pytest.fixture
def log() -> Iterator[StringIO]:
    """Everything that is logged at any level, in the form in which the service writes it."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(before)
    root.removeHandler(handler)


def identity(bundle: dict[str, Any]) -> set[str]:
    """Return the words that name the people of a chart: names, numbers, addresses, telephone."""
    words: set[str] = set()

    def collect(value: object) -> None:
        if isinstance(value, str):
            words.update(w for w in re.findall(r"[\w-]{5,}", value) if not w.isdigit() or len(w) > 5)
        elif isinstance(value, list):
            for item in value:
                collect(item)
        elif isinstance(value, dict):
            for key, item in value.items():
                if key in ("family", "given", "text", "value", "line", "city"):
                    collect(item)

    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            for key in ("name", "telecom", "address", "identifier"):
                collect(entry["resource"].get(key, []))
    return words


def sentences(bundle: dict[str, Any]) -> set[str]:
    """Return pieces of the notes: thirty characters out of the middle of each longer line."""
    pieces: set[str] = set()
    for entry in bundle["entry"]:
        for content in entry["resource"].get("content", []) if isinstance(entry["resource"].get("content"), list) else []:
            data = content.get("attachment", {}).get("data")
            pieces |= pieces_of(base64.b64decode(data).decode("utf-8", "ignore") if data else "")
    return pieces


def pieces_of(text: str) -> set[str]:
    """Return thirty characters out of the middle of each longer line."""
    pieces = {line.strip()[10:40] for line in text.splitlines() if len(line.strip()) > 60}
    return {p for p in pieces if len(p) == 30 and "\\" not in p and "<" not in p and '"' not in p}


def vignettes() -> list[str]:
    """Return the notes of the published cases."""
    texts: list[str] = []

    def collect(value: object) -> None:
        if isinstance(value, dict):
            for item in value.values():
                collect(item)
        elif isinstance(value, list):
            for item in value:
                collect(item)
        elif isinstance(value, str) and len(value) > 60:
            texts.append(value)

    for file in sorted(VIGNETTES.glob("*.json")):
        collect(json.loads(file.read_text(encoding="utf-8")))
    return texts


def opened(bundle: dict[str, Any]) -> dict[str, Any]:
    """Return the hook call of who opens the chart of a bundle."""
    by_type: dict[str, list[Any]] = {}
    for entry in bundle["entry"]:
        by_type.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    patient, encounter = by_type["Patient"][0], by_type["Encounter"][0]
    notes = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in by_type["DocumentReference"]]}
    context = {"userId": "Practitioner/7", "patientId": patient["id"], "encounterId": encounter["id"]}
    prefetch = {"patient": patient, "encounter": encounter, "notes": notes}
    return {"hook": "patient-view", "hookInstance": str(uuid4()), "context": context, "prefetch": prefetch}


def test_no_words_of_a_person_leave_the_request(make_application: Callable[..., Application], log: StringIO, tmp_path: Path) -> None:
    """All charts by API and by hook, then each damaged; the notes of all vignettes; and a defect whose error quotes chart and notes."""
    application = make_application(api_budget_ms=150, hook_budget_ms=200)
    exporter = InMemorySpanExporter()
    client = create_app(application, traces=Traces(SimpleSpanProcessor(exporter))).test_client()
    hurried = create_app(make_application(api_budget_ms=1), traces=Traces(SimpleSpanProcessor(exporter))).test_client()
    names: set[str] = set()
    pieces: set[str] = set()
    answers: list[str] = []
    for folder in FOLDERS:
        bundle = patient_bundle(folder)
        names |= identity(bundle) - set(folder.slug.split("-"))
        pieces |= sentences(bundle)
        assert client.post("/api/v1/review", json=bundle).status_code == 200
        answer = client.post("/cds-services/coding-review", json=opened(bundle))
        assert answer.status_code == 200, answer.text
        text = json.dumps(bundle)
        for damaged in (text[: len(text) // 2], text.replace('"Patient"', '"Person"', 1), text.replace('"subject"', '"object"')):
            answers.append(hurried.post("/api/v1/review", data=damaged, content_type="application/json").text)
        call = json.dumps(opened(bundle))
        answers.append(client.post("/cds-services/coding-review", data=call.replace('"hook"', '"hoak"', 1), content_type="application/json").text)
    for text in vignettes():
        pieces |= pieces_of(text)
        asked = {"text": text, "encounterDate": "2026-04-08", "setting": "outpatient"}
        assert hurried.post("/api/v1/review", json=asked).status_code == 200
        answers.append(hurried.post("/api/v1/review", json={**asked, "setting": text}).text)
    assert len(names) > 10
    assert len(pieces) > 200

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"cannot review: {patient_bundle(FOLDERS[0])} {vignettes()[0]}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(application, "review", fail)
        for path, body in (("/api/v1/review", patient_bundle(FOLDERS[0])), ("/cds-services/coding-review", opened(patient_bundle(FOLDERS[0])))):
            answer = client.post(path, json=body)
            assert answer.status_code == 500
            answers.append(answer.text)
    answers = [a for a in answers if '"diagnoses"' not in a]
    raw = b"".join(p.read_bytes() for p in tmp_path.glob("*.sqlite*")).decode("latin-1")
    spans = "".join(span.to_json() for span in exporter.get_finished_spans())
    places = {"log": log.getvalue(), "metrics": client.get("/metrics").text, "errors": "\n".join(answers), "database": raw, "traces": spans}
    assert '"event": "request"' in places["log"]
    assert "RuntimeError" in places["log"]
    assert "RuntimeError" in places["traces"]
    for place, told in places.items():
        assert sorted(names.intersection(re.findall(r"[\w-]+", told))) == [], place
        assert sorted(p for p in pieces if p in told) == [], place


def test_a_crash_tells_no_words() -> None:
    """What nobody catches, in a thread, in a destructor and in the main thread: its type and place, never its text; and no core dump."""
    program = """
import resource, threading
from cds_service.logs import crash_without_words, log_to_stderr
log_to_stderr()
crash_without_words()
def fail():
    raise ValueError("Mrs. Synthetica has gout")
class Held:
    def __del__(self):
        fail()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
Held()
print(resource.getrlimit(resource.RLIMIT_CORE))
fail()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [(line["event"], line["error"], line["at"][-1].split()[-1]) for line in lines] == [("crashed", "ValueError", "fail")] * 3
    assert "Synthetica" not in ended.stderr
    assert (ended.returncode, ended.stdout) == (1, "(0, 0)\n")
