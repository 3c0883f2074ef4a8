"""No words of a person in logs, metrics, errors, the audit or the database: the demo's whole charts are sent through, well and damaged."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from cds_service.application import Application
from cds_service.demo.patients import chart_folders, patient_bundle
from cds_service.logs import JsonLines
from cds_service.web import create_app
from onnx_models import NoteReading

FOLDERS = chart_folders()


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
    import base64

    pieces: set[str] = set()
    for entry in bundle["entry"]:
        for content in entry["resource"].get("content", []) if isinstance(entry["resource"].get("content"), list) else []:
            data = content.get("attachment", {}).get("data")
            text = base64.b64decode(data).decode("utf-8", "ignore") if data else ""
            pieces.update(line.strip()[10:40] for line in text.splitlines() if len(line.strip()) > 60)
    return {p for p in pieces if len(p) == 30 and "\\" not in p and "<" not in p and '"' not in p}


def test_no_words_of_a_person_leave_the_request(make_application: Callable[..., Application], log: StringIO, tmp_path: Path) -> None:
    """All charts through the API, then each damaged, and one whose reading fails in the middle with the note in the error."""
    application = make_application(api_budget_ms=1, database_url=f"sqlite:///{tmp_path / 'p.sqlite'}")
    web = create_app(application)
    client = web.test_client()
    names: set[str] = set()
    pieces: set[str] = set()
    answers: list[str] = []
    for folder in FOLDERS:
        bundle = patient_bundle(folder)
        names |= identity(bundle) - set(folder.slug.split("-"))
        pieces |= sentences(bundle)
        assert client.post("/api/v1/review", json=bundle).status_code == 200
        text = json.dumps(bundle)
        for damaged in (text[: len(text) // 2], text.replace('"Patient"', '"Person"', 1), text.replace('"subject"', '"object"')):
            answers.append(client.post("/api/v1/review", data=damaged, content_type="application/json").text)
    assert len(names) > 10
    assert len(pieces) > 50

    def fail(text: str, **_: object) -> NoteReading:
        raise RuntimeError(f"cannot read: {text}")

    broken = create_app(application)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(application.coder), "read", lambda _self, text, **kw: fail(text))
        changed = patient_bundle(FOLDERS[0])
        changed["entry"][0]["resource"]["birthDate"] = "1961-01-01"
        bodies = json.dumps(changed).replace("document", "dokument")
        answers.append(broken.test_client().post("/api/v1/review", json=json.loads(bodies) | {"id": "x"}).text)
    answers = [a for a in answers if '"diagnoses"' not in a]
    raw = b"".join(p.read_bytes() for p in tmp_path.glob("p.sqlite*")).decode("latin-1")
    places = {"log": log.getvalue(), "metrics": client.get("/metrics").text, "errors": "\n".join(answers), "database": raw}
    assert '"event": "request"' in places["log"]
    for place, told in places.items():
        found = sorted(w for w in names if re.search(rf"(?<![\w-]){re.escape(w)}(?![\w-])", told))
        assert found == [], place
        assert sorted(p for p in pieces if p in told) == [], place
