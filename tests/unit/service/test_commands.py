"""The command line: exit code, stdout and stderr."""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from cds_service import cli
from cds_service.application import Application, Reviewer
from cds_service.commands.code import code
from cds_service.commands.serve import check_exposure, listening
from cds_service.config import Client, Settings
from cds_service.errors import ConfigurationError
from cds_service.logs import JsonLines

NOTE = "Assessment:\n1. Chronic obstructive pulmonary disease, stable.\n2. Essential hypertension. Denies chest pain.\n"
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def run(application: Application, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs `marginalia` in this process with the loaded model; returns exit code, stdout and stderr."""
    monkeypatch.setattr(Reviewer, "load", lambda **_: application.reviewer)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["marginalia", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def note_file(tmp_path: Path) -> Path:
    """A note in a file."""
    path = tmp_path / "note.txt"
    path.write_text(NOTE, encoding="utf-8")
    return path


def test_every_command_exists() -> None:
    """What `--help` lists can be imported, and its line says the same as the command itself."""
    for name, (place, words) in cli.COMMANDS.items():
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert command.name == name
        assert (command.help or "").splitlines()[0].startswith(words.rstrip(".")[:30]), name


def test_help_loads_no_model() -> None:
    """`--help` is fast: it imports neither the engine nor Flask."""
    script = (
        "import sys; from cds_service.cli import main; sys.argv = ['marginalia', '--help']\n"
        "try:\n    main()\nfinally:\n    print([m for m in ('onnxruntime', 'flask', 'numpy') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "serve" in done.stdout
    assert done.stderr.strip() == "[]"


def test_code_table(run: Callable[..., tuple[int, str, str]], note_file: Path) -> None:
    """`marginalia code FILE`: a table with codes, how sure, and excerpts with their place; exit 0."""
    status, out, err = run("code", str(note_file), "--date", "2026-03-01")
    assert (status, err) == (0, "")
    assert "J44.9" in out
    assert "“Chronic obstructive pulmonary disease" in out
    assert max(len(line) for line in out.splitlines()) <= 100


def test_code_json(run: Callable[..., tuple[int, str, str]], note_file: Path) -> None:
    """`--json`: the CodingReview on stdout and nothing else."""
    status, out, err = run("code", str(note_file), "--json", "--date", "2026-03-01", "--setting", "inpatient", "--birth-date", "1950-01-01", "--gender", "male")
    review = json.loads(out)
    assert (status, err, review["setting"]) == (0, "", "inpatient")
    assert "J44.9" in {d["code"] for d in review["diagnoses"]}


def test_code_bundle(run: Callable[..., tuple[int, str, str]], tmp_path: Path, hook_call: Call, note: Call) -> None:
    """A FHIR Bundle is coded as one; options that it tells itself are refused."""
    prefetch = hook_call()["prefetch"]
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps({"resourceType": "Bundle", "entry": [{"resource": r} for r in (prefetch["patient"], prefetch["encounter"], note(NOTE))]}))
    status, out, _ = run("code", str(path), "--json")
    assert (status, json.loads(out)["encounter"]) == (0, "Encounter/e1")
    status, out, err = run("code", str(path), "--birth-date", "1950-01-01")
    assert (status, out) == (2, "")
    assert "--birth-date" in err


def test_code_same_review_as_the_api(run: Callable[..., tuple[int, str, str]], note_file: Path, client: Any) -> None:
    """Command and API give the same review, but for its id, moment and times."""
    mine = json.loads(run("code", str(note_file), "--json", "--date", "2026-03-01")[1])
    theirs = client.post("/api/v1/review", json={"text": NOTE, "encounterDate": "2026-03-01"}).json
    for review in (mine, theirs):
        for name in ("id", "created", "timingMs"):
            del review[name]
    assert mine == theirs


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 1, "text is missing or empty"),
        (b" \n ", 1, "text is missing or empty"),
        (b"%PDF-1.7 ...", 1, "not text"),
        (b"\x00\x01\x02", 1, "not text"),
        (b'{"resourceType": "Bundle"}', 1, "no resources"),
        (b'{"resourceType": "Patient", "id": "1"}', 1, "not a FHIR Bundle"),
        (b'{"txt": "x"}', 1, "txt is not a field"),
    ],
)
def test_code_unusable_file(run: Callable[..., tuple[int, str, str]], tmp_path: Path, content: bytes, status: int, words: str) -> None:
    """A file that can't be coded: exit 1, the cause on stderr, nothing on stdout, no stack trace."""
    path = tmp_path / "input"
    path.write_bytes(content)
    ended, out, err = run("code", str(path))
    assert (ended, out) == (status, "")
    assert words in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("code",), "Missing argument"),
        (("code", "none.txt"), "No such file"),
        (("code", "{note}", "--date", "1.3.2026"), "encounterDate is not a date"),
        (("code", "{note}", "--date", "2199-01-01"), "future"),
        (("code", "{note}", "--setting", "home"), "'home'"),
        (("cod",), "No such command"),
        (("serve",), "--open"),
        (("serve", "--open", "--host", "0.0.0.0"), "0.0.0.0"),
        (("serve", "--open", "--port", "99999"), "99999"),
        (("serve", "--open", "--config", "none.toml"), "none.toml"),
    ],
)
def test_wrong_use(run: Callable[..., tuple[int, str, str]], note_file: Path, arguments: tuple[str, ...], words: str) -> None:
    """Wrong use: exit 2 and the remedy on stderr."""
    status, out, err = run(*(a.replace("{note}", str(note_file)) for a in arguments))
    assert (status, out) == (2, "")
    assert words in err
    assert "Traceback" not in err


def test_date_without_code_set(run: Callable[..., tuple[int, str, str]], note_file: Path) -> None:
    """A date before the first release fails, with the reason."""
    status, out, err = run("code", str(note_file), "--date", "2019-01-01")
    assert (status, out) == (1, "")
    assert err.startswith("Error: ")


@pytest.mark.parametrize(("data", "encoding"), [(NOTE + "Größe 1,70", "utf-8-sig"), (NOTE + "Größe 1,70", "latin-1")])
def test_code_standard_input(application: Application, monkeypatch: pytest.MonkeyPatch, data: str, encoding: str) -> None:
    """`-` reads standard input, in UTF-8 or, if it isn't, in the most likely character set."""
    monkeypatch.setattr(Reviewer, "load", lambda **_: application.reviewer)
    result: Result = CliRunner().invoke(code, ["-", "--json", "--date", "2026-03-01"], input=data.encode(encoding))
    assert result.exit_code == 0
    assert "J44.9" in {d["code"] for d in json.loads(result.stdout)["diagnoses"]}


def test_exposure() -> None:
    """It refuses to start where nobody could call, and where anyone could: without a client and without --open, open on an address that others reach."""
    check_exposure("127.0.0.1", Settings(open=True))
    check_exposure("::1", Settings(open=True))
    for host, open_mode in (("127.0.0.1", False), ("0.0.0.0", True), ("ehr.example.org", True), ("", True)):
        with pytest.raises(ConfigurationError):
            check_exposure(host, Settings(open=open_mode))
    registered = Settings(clients=(Client("ehr", issuer="https://ehr.example.org", jwks_url="https://ehr.example.org/jwks"),))
    check_exposure("127.0.0.1", registered)
    check_exposure("0.0.0.0", replace(registered, public_url="https://marginalia.example.org"))
    with pytest.raises(ConfigurationError, match="public_url"):
        check_exposure("0.0.0.0", registered)
    with pytest.raises(ConfigurationError, match="No client is registered"):
        check_exposure("127.0.0.1", Settings(clients=(Client("name-only"),)))


def test_port_in_use() -> None:
    """A taken port is told before anything is loaded."""
    with listening("127.0.0.1", 0) as taken, pytest.raises(ConfigurationError, match="in use"):
        listening("127.0.0.1", taken.getsockname()[1])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`marginalia serve --open` as a process of its own, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "MARGINALIA_DATABASE_URL": f"sqlite:///{tmp_path / 'served.sqlite'}"}
    command = [sys.executable, "-c", "from cds_service.cli import main; main()", "serve", "--open", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.kill()


def test_serve(served: tuple[str, subprocess.Popen[str]], hook_call: Call) -> None:
    """The service answers over HTTP with links to itself, says its provider in one log line, logs JSON lines, and stops on SIGTERM with exit 0."""
    url, process = served
    assert process.stderr is not None
    lines = []
    for line in process.stderr:  # the door opens before the model is loaded
        lines.append(json.loads(line))
        if lines[-1]["event"] == "serving":
            break
    answer = requests.post(f"{url}/cds-services/coding-review", json=hook_call(), timeout=30)
    assert answer.json()["cards"][0]["links"][0]["url"] == f"{url}/smart/launch"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    lines += [json.loads(line) for line in err.splitlines()]
    assert (process.returncode, out) == (0, "")
    assert [x["provider"] for x in lines if x["event"] == "model loaded"] == ["CPUExecutionProvider"]
    assert [x["route"] for x in lines if x["event"] == "request"] == ["/cds-services/<service_id>"]


def test_log_lines_hold_no_exception_text() -> None:
    """Of an exception a log line tells the type and where in the code, never its text: that may quote a note."""
    try:
        raise ValueError("words of a note")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "defect", None, sys.exc_info())
    line = json.loads(JsonLines().format(record))
    assert (line["event"], line["error"], line["level"]) == ("defect", "ValueError", "error")
    assert line["at"][0].startswith("test_commands.py:")
    assert "words of a note" not in json.dumps(line)
