"""CDS Hooks checklist, "Transport and JSON" and "Discovery"."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.application import Application
from cds_service.config import Settings
from cds_service.errors import ConfigurationError
from cds_service.hooks import Registry, pruned
from cds_service.hooks.services import BUILT_IN
from cds_service.web import create_app

Call = Callable[..., dict[str, Any]]


def empties(value: object, path: str = "$") -> Iterator[str]:
    """Yield the paths of null, "", [] and {} in a JSON value."""
    if value is None or value == "" or value == [] or value == {}:
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from empties(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from empties(inner, f"{path}[{index}]")


@pytest.mark.parametrize("name", ["public_url", "cors_origins"])
def test_t1_https_in_production(name: str) -> None:
    """T1 HTTPS in production (SHALL)."""
    with pytest.raises(ConfigurationError, match="https"):
        Settings.load(environ={f"MARGINALIA_{name.upper()}": "http://marginalia.example.org"})
    assert Settings.load(environ={f"MARGINALIA_{name.upper()}": "http://127.0.0.1:9000"})


def test_t1_fhir_server_is_https(tmp_path: Any) -> None:
    """T1 `fhirServer` is https for production data: no other origin can be registered."""
    file = tmp_path / "marginalia.toml"
    file.write_text('[[clients]]\nname = "ehr"\nfhir_servers = ["http://ehr.example.org"]\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="fhir_servers"):
        Settings.load(file, environ={})


def test_t2_json_bodies(client: FlaskClient, hook_call: Call) -> None:
    """T2 JSON bodies; embedded FHIR is standard FHIR JSON."""
    answer = client.post("/cds-services/coding-review", json=hook_call())
    assert answer.content_type == "application/json"
    resources = [a["resource"] for c in answer.json["cards"] for s in c["suggestions"] for a in s["actions"]]
    assert {r["resourceType"] for r in resources} == {"Condition"}


def test_t3_no_empty_values_in_responses(client: FlaskClient, hook_call: Call) -> None:
    """T3 No `null`, `""`, `[]`, `{}` in responses except `cards: []`; unset optional fields are left out (SHALL)."""
    assert list(empties(client.get("/cds-services").json)) == []
    full = client.post("/cds-services/coding-review", json=hook_call()).json
    assert full["cards"]
    assert list(empties(full)) == []
    nothing = client.post("/cds-services/coding-review", json=hook_call(prefetch={"notes": None})).json
    assert list(empties(nothing)) == ["$.cards"]
    wrong = client.post("/cds-services/coding-review", json={})
    assert list(empties(wrong.json)) == []


def test_t3_pruning_reaches_every_depth() -> None:
    """T3: what becomes empty by pruning goes as well; false and 0 are values."""
    value = {"a": None, "b": [{"c": ""}, {"d": [{}]}], "e": False, "f": 0, "g": [[], ["x", None]], "h": {"i": {"j": []}}}
    assert pruned(value) == {"e": False, "f": 0, "g": [["x"]]}


def test_d1_discovery(client: FlaskClient) -> None:
    """D1 `GET {base}/cds-services` answers 200 `{"services": [...]}`."""
    answer = client.get("/cds-services")
    assert answer.status_code == 200
    assert list(answer.json) == ["services"]
    assert {s["id"]: s["hook"] for s in answer.json["services"]} == {
        "coding-review": "patient-view",
        "coding-review-start": "encounter-start",
        "coding-review-discharge": "encounter-discharge",
        "order-claim-check": "order-sign",
        "problem-specificity": "problem-list-item-create",
    }


def test_d1_no_services(application: Application) -> None:
    """D1 an empty array if none."""
    answer = create_app(application, Registry()).test_client().get("/cds-services")
    assert answer.json == {"services": []}


def test_d2_members_of_a_service(client: FlaskClient) -> None:
    """D2 Each service: `hook`, `description`, `id` (strings, required); `title` recommended; `prefetch` (string to string) and `usageRequirements` optional."""
    for service in client.get("/cds-services").json["services"]:
        for name in ("hook", "description", "id", "title", "usageRequirements"):
            assert isinstance(service[name], str), name
            assert service[name], name
        assert all(isinstance(k, str) and isinstance(v, str) for k, v in service["prefetch"].items())


def test_d3_versions(client: FlaskClient) -> None:
    """D3 (3.0) `version` = version of the specification, `hookVersion` = version of the published hook."""
    services = {s["id"]: s for s in client.get("/cds-services").json["services"]}
    assert {s["version"] for s in services.values()} == {"2.0"}
    assert services["coding-review"]["hookVersion"] == "1.0"
    assert services["order-claim-check"]["hookVersion"] == "1.1"


def test_d4_an_id_belongs_to_one_service() -> None:
    """D4 The same `id` on several hooks would replace earlier cards: here that is never meant, so a duplicate is an error."""
    with pytest.raises(ConfigurationError, match="coding-review"):
        Registry([*BUILT_IN, BUILT_IN[0]])
