"""Faults of what the service stands on: an EHR's FHIR server that is slow, cuts off or lies; a model or key file that is damaged."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cds_service.application import Application, Reviewer
from cds_service.errors import ConfigurationError
from cds_service.store import ReviewStore
from cds_service.web import create_app
from onnx_models import NoteCoder

Call = Callable[..., dict[str, Any]]
ARTEFACTS = Path(__file__).parents[2] / "onnx_models" / "artefacts"


@pytest.fixture
def fhir_server() -> Iterator[Callable[[bytes | None], str]]:
    """Starts servers that answer every request with these bytes and hang up; None: never answer. All are stopped at the end."""
    doors: list[socket.socket] = []
    held: list[socket.socket] = []

    def start(answer: bytes | None) -> str:
        door = socket.create_server(("127.0.0.1", 0))
        doors.append(door)

        def work() -> None:
            while True:
                try:
                    connection, _ = door.accept()
                except OSError:
                    return
                held.append(connection)
                if answer is not None:
                    connection.recv(65536)
                    connection.sendall(answer)
                    connection.close()

        threading.Thread(target=work, daemon=True).start()
        return f"http://127.0.0.1:{door.getsockname()[1]}"

    yield start
    for each in (*doors, *held):
        each.close()


def http(body: bytes, *, length: int | None = None, kind: str = "application/fhir+json", status: str = "200 OK") -> bytes:
    """Return an HTTP answer; `length` may promise more than comes."""
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length or len(body)}\r\nConnection: close\r\n\r\n".encode() + body


OTHER = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": {"resourceType": "DocumentReference", "id": "x", "status": "current"}}]}
WRONG_PATIENT = json.dumps(OTHER).replace('"status"', '"subject": {"reference": "Patient/someone-else"}, "status"').encode()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (None, 412),
        (http(b'{"resourceType": "Bund', length=5000), 412),
        (http(b"<html>Please sign in</html>", kind="text/html"), 412),
        (http(b"not JSON at all"), 412),
        (http(b"{}", status="500 Internal Server Error"), 412),
        (http(WRONG_PATIENT), 400),
    ],
    ids=["silent", "cut off", "a page to sign in", "no JSON", "500", "another patient"],
)
def test_notes_that_cannot_be_had_end_the_call(
    make_application: Callable[..., Application], hook_call: Call, fhir_server: Callable[[bytes | None], str], answer: bytes | None, status: int
) -> None:
    """An OperationOutcome that names the prefetch key or the patient; never an empty list of cards; nothing is kept."""
    application = make_application(fetch_budget_ms=20_000 if answer else 300)
    access = {"access_token": "t0ken-secret", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "s"}
    call = hook_call() | {"fhirServer": fhir_server(answer), "fhirAuthorization": access}
    del call["prefetch"]["notes"]
    told = create_app(application).test_client().post("/cds-services/coding-review", json=call)
    assert told.status_code == status, told.text
    assert told.json["resourceType"] == "OperationOutcome"
    assert "t0ken-secret" not in told.text
    assert "sign in" not in told.text
    assert application.audit.length() == 0


def test_a_damaged_model_file_is_found_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte changed in a file of the model: no start, and the message says which file."""
    copy = tmp_path / "artefacts"
    shutil.copytree(ARTEFACTS, copy)
    model = max(copy.glob("*.onnx"), key=lambda p: p.stat().st_size)
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 0xFF
    model.write_bytes(data)
    load = NoteCoder.load
    monkeypatch.setattr(NoteCoder, "load", lambda _folder, **options: load(copy, **options))
    with pytest.raises(ConfigurationError, match=model.name.replace(".", r"\.")):
        Reviewer.load(provider="cpu")


@pytest.mark.parametrize("content", [b"", b"not a key\n", b"\xff\xfe\n"])
def test_a_damaged_key_file_is_found_at_the_start(tmp_path: Path, content: bytes) -> None:
    """An empty or broken key file isn't replaced by a new one, which would make all that was kept unreadable."""
    ReviewStore(f"sqlite:///{tmp_path / 's.sqlite'}").close()
    file = tmp_path / "s.sqlite.keys"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="key"):
        ReviewStore(f"sqlite:///{tmp_path / 's.sqlite'}")
    assert file.read_bytes() == content
