"""The front documents say what is: commands run, addresses and settings exist, links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from cds_service.config import Settings
from cds_service.demo.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs" / "integration-guide.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """Base URL of a running service."""
    with Stack() as stack:
        yield stack.site.service_url


def curls() -> list[str]:
    """Return the curl commands of the README, one line each."""
    return [line for line in README.replace("\\\n", " ").splitlines() if line.startswith("curl ")]


@pytest.mark.parametrize("command", curls())
def test_a_curl_example_works(service: str, command: str) -> None:
    """Each curl of the README is answered with JSON and status 200."""
    arguments = [a.replace("http://127.0.0.1:8080", service) for a in shlex.split(command)]
    done = subprocess.run([*arguments, "--fail-with-body"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert isinstance(json.loads(done.stdout), dict)


def test_the_note_of_the_readme_is_coded() -> None:
    """The `marginalia code` command of the README prints diagnoses of its note."""
    (command,) = re.findall(r"^\.venv/bin/marginalia (code .*)$", README, re.MULTILINE)
    script = "from cds_service.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script, *shlex.split(command)], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "E11" in done.stdout


def test_the_example_call_brings_a_card(service: str) -> None:
    """The hook call of the README is a whole example: cards come back."""
    body = json.loads((ROOT / "docs/examples/patient-view.json").read_text())
    assert requests.post(f"{service}/cds-services/coding-review", json=body, timeout=30).json()["cards"]


def test_the_guide_lists_the_services_that_there_are(service: str) -> None:
    """Ids and hooks of the table are those of discovery."""
    told = dict(re.findall(r"^\| `([a-z-]+)` \| `([a-z-]+)` \|", GUIDE, re.MULTILINE))
    found = {s["id"]: s["hook"] for s in requests.get(f"{service}/cds-services", timeout=30).json()["services"]}
    assert told == found


def test_the_guide_lists_the_addresses_that_there_are(service: str) -> None:
    """Every address of the first table is served (a launch without parameters is refused, not unknown)."""
    for path in re.findall(r"`BASE(/[a-z0-9./-]+)`", GUIDE):
        assert requests.get(f"{service}{path}", timeout=30, allow_redirects=False).status_code != 404, path


def test_the_example_settings_are_good(tmp_path: Path) -> None:
    """The TOML of the guide is read without a complaint."""
    file = tmp_path / "marginalia.toml"
    file.write_text(re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)[0])
    settings = Settings.load(file, environ={})
    assert settings.clients[0].name == "main-ehr"
    assert settings.smart["issuers"][0]["client_id"] == "marginalia"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_pictures_lead_to_files(page: Path) -> None:
    """A relative link names something that is in the repository."""
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_pictures_are_small() -> None:
    """No picture of the documents is over 400 kB."""
    assert [p.name for p in (ROOT / "docs/images").iterdir() if p.stat().st_size > 400_000] == []
