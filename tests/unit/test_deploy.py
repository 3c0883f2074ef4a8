"""The files of docs/deploy say what the product can do: the compose file keeps to its specification, and both name settings and commands that exist."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cds_service.cli import COMMANDS
from cds_service.config import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "docs" / "deploy"


@pytest.fixture
def compose() -> dict[str, Any]:
    """The compose file."""
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return read


def test_the_compose_file_keeps_to_the_compose_specification(compose: dict[str, Any]) -> None:
    """The schema is the one of the Compose Specification (Apache-2.0), as docker-compose 1.29.2 carries it; a wrong key is found."""
    schema = json.loads((ROOT / "tests" / "fixtures" / "deploy" / "compose_spec.json").read_text(encoding="utf-8"))
    jsonschema.validate(compose, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(compose | {"services": {"x": {"imagee": "y"}}}, schema)


def test_the_service_runs_without_rights_and_without_a_writable_root(compose: dict[str, Any]) -> None:
    """Read-only, no capabilities, no new privileges, memory bounded, a loopback port; secrets from files, never in the environment's block."""
    service = compose["services"]["marginalia"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert not {"MARGINALIA_DATA_KEYS", "MARGINALIA_AUDIT_KEY", "MARGINALIA_DATABASE_URL"} & set(service["environment"])
    assert set(service["secrets"]) <= set(compose["secrets"])
    used = {volume.partition(":")[0] for s in compose["services"].values() for volume in s["volumes"] if not volume.startswith(".")}
    assert used == set(compose["volumes"])


def test_every_setting_of_the_compose_file_exists(compose: dict[str, Any]) -> None:
    """A setting that there isn't would stop the start."""
    service = compose["services"]["marginalia"]
    named = set(re.findall(rf"{PREFIX}(\w+)=", "".join(service["command"]))) | {name.removeprefix(PREFIX) for name in service["environment"]}
    assert {name.lower() for name in named} <= {f.name for f in fields(Settings)}
    assert len(named) >= 6


def test_the_container_has_a_user_and_starts_a_command_that_exists() -> None:
    """No root; what is copied into the image is there."""
    lines = (DEPLOY / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    said = [line.partition(" ")[::2] for line in lines if line and not line.startswith("#")]
    assert ("USER", "10001:10001") in said
    command = json.loads(next(words for name, words in said if name == "CMD"))
    assert command[0] in COMMANDS
    copied = [source for name, words in said if name == "COPY" and "--from" not in words for source in words.split()[:-1]]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert {"cds_service", "fhir_mappers", "onnx_models", "smart_app"} <= set(copied)


def test_the_threat_model_names_tests_that_exist() -> None:
    """Each test file of docs/security.md is there, and each row of the threats names one, or says that there is none."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    there = {path.name for path in (ROOT / "tests").rglob("*.py")}
    assert set(re.findall(r"(test_\w+\.py)", page)) <= there
    rows = [row for row in page.split("## Threats")[1].split("## ")[0].splitlines() if row.startswith("| ")][1:]
    assert len(rows) >= 15
    assert [row for row in rows if not re.search(r"test_\w+|tests/\w+|conformance|audit's tests|none: see below", row.rpartition(" | ")[2])] == []
