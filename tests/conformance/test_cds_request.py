"""CDS Hooks checklist, "Request" and "Hooks"."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

Call = Callable[..., dict[str, Any]]
AUTHORIZATION = {
    "access_token": "secret-token-of-the-call",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.rs",
    "subject": "cds",
    "patient": "1",
}
SERVICES = {
    "patient-view": "coding-review",
    "encounter-start": "coding-review-start",
    "encounter-discharge": "coding-review-discharge",
    "order-sign": "order-claim-check",
    "problem-list-item-create": "problem-specificity",
}
RESOURCES = {"order-sign": "draftOrders", "problem-list-item-create": "conditions"}


def without(call: dict[str, Any], path: str) -> dict[str, Any]:
    """Remove the member at a dotted path."""
    *parents, last = path.split(".")
    at = call
    for name in parents:
        at = at[name]
    del at[last]
    return call


def refused(client: FlaskClient, call: object, service: str = "coding-review") -> dict[str, Any]:
    """Return the issue of a call that must answer 400."""
    answer = client.post(f"/cds-services/{service}", json=call)
    assert answer.status_code == 400
    return dict(answer.json["issue"][0])


@pytest.mark.parametrize("path", ["hook", "hookInstance", "context", "context.userId", "context.patientId"])
def test_r1_required_members(client: FlaskClient, hook_call: Call, path: str) -> None:
    """R1 `POST {base}/cds-services/{id}` with `hook`, `hookInstance` (UUID), `context`. R3: the message names the field."""
    issue = refused(client, without(hook_call(), path))
    assert issue["expression"] == [path]
    assert issue["details"]["text"] == f"{path} is missing."


def test_r1_hook_instance_is_a_uuid(client: FlaskClient, hook_call: Call) -> None:
    """R1 `hookInstance` (UUID)."""
    assert refused(client, hook_call(hookInstance="7"))["expression"] == ["hookInstance"]


def test_r1_fhir_server_with_authorization(client: FlaskClient, hook_call: Call) -> None:
    """R1 `fhirServer` is required when `fhirAuthorization` is present."""
    assert refused(client, hook_call(fhirAuthorization=AUTHORIZATION))["expression"] == ["fhirServer"]


def test_r2_unknown_extension(client: FlaskClient, hook_call: Call) -> None:
    """R2 Accept an unknown `extension` object."""
    call = hook_call(extension={"com.epic.cdshooks.request.bpa-trigger-action": 60, "org.example": {"x": [1]}}, unknownMember=1)
    assert client.post("/cds-services/coding-review", json=call).status_code == 200


def test_r3_wrong_hook(client: FlaskClient, hook_call: Call) -> None:
    """R3 House: hook not that of the service: 400."""
    issue = refused(client, hook_call("order-sign"))
    assert issue["expression"] == ["hook"]
    assert "patient-view" in issue["details"]["text"]


def test_r3_unknown_service(client: FlaskClient, hook_call: Call) -> None:
    """R3 House: unknown service id: 404."""
    answer = client.post("/cds-services/nothing", json=hook_call())
    assert answer.status_code == 404
    assert answer.json["issue"][0]["code"] == "not-found"


@pytest.mark.parametrize(
    "body", [b"", b"   ", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"hook": NaN}', b'{"hook": "\\ud800"}', b"[" * 200_000, b"1" * 10_000]
)
def test_r3_body_is_not_a_json_object(client: FlaskClient, body: bytes) -> None:
    """R3 House: body not JSON: 400."""
    answer = client.post("/cds-services/coding-review", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json["resourceType"] == "OperationOutcome"
    assert "body" in answer.json["issue"][0]["details"]["text"].lower()


@pytest.mark.parametrize("name", ["access_token", "token_type", "expires_in", "scope", "subject"])
def test_r4_members_of_the_authorization(client: FlaskClient, hook_call: Call, name: str) -> None:
    """R4 `fhirAuthorization`: `access_token`, `token_type` = `Bearer`, `expires_in`, `scope`, `subject` required."""
    given = {k: v for k, v in AUTHORIZATION.items() if k != name}
    issue = refused(client, hook_call(fhirServer="https://ehr.example.org/r4", fhirAuthorization=given))
    assert issue["expression"] == [f"fhirAuthorization.{name}"]


def test_r4_token_type_is_bearer(client: FlaskClient, hook_call: Call) -> None:
    """R4 `token_type` = `Bearer`."""
    issue = refused(client, hook_call(fhirServer="https://ehr.example.org/r4", fhirAuthorization=AUTHORIZATION | {"token_type": "MAC"}))
    assert issue["expression"] == ["fhirAuthorization.token_type"]


def test_r5_the_token_is_never_logged_or_sent_back(client: FlaskClient, hook_call: Call, caplog: pytest.LogCaptureFixture) -> None:
    """R5 Never store, share or log the access token."""
    caplog.set_level(logging.DEBUG)
    call = hook_call(fhirServer="https://ehr.example.org/r4", fhirAuthorization=AUTHORIZATION)
    answers = [client.post("/cds-services/coding-review", json=call), client.post("/cds-services/coding-review", json=call | {"hook": "x"})]
    assert [a.status_code for a in answers] == [200, 400]
    secret = AUTHORIZATION["access_token"]
    assert all(str(secret) not in a.text for a in answers)
    assert all(str(secret) not in str(record.__dict__) for record in caplog.records)


def test_r6_token_of_another_patient(client: FlaskClient, hook_call: Call) -> None:
    """R6 House: `fhirAuthorization.patient` equals `context.patientId`."""
    issue = refused(client, hook_call(fhirServer="https://ehr.example.org/r4", fhirAuthorization=AUTHORIZATION | {"patient": "2"}))
    assert issue["expression"] == ["fhirAuthorization.patient"]


WRONG_IDS: tuple[object, ...] = ("1/../2", "Patient/1/x", "a b", "1?x=y")
WRONG: tuple[object, ...] = ("x" * 200, 7, "", [])


@pytest.mark.parametrize(("name", "value"), [*((n, v) for n in ("patientId", "encounterId") for v in WRONG_IDS + WRONG), *(("userId", v) for v in WRONG)])
def test_r3_ids(client: FlaskClient, hook_call: Call, name: str, value: object) -> None:
    """R3: an id that is none is refused with its field, and never reaches a URL."""
    assert refused(client, hook_call(context={name: value}))["expression"] == [f"context.{name}"]


@pytest.mark.parametrize("name", ["patientId", "encounterId"])
def test_r3_references_as_ids(client: FlaskClient, hook_call: Call, name: str) -> None:
    """House: "Patient/1" is taken for "1"."""
    kind = {"patientId": "Patient", "encounterId": "Encounter"}[name]
    value = hook_call()["context"][name]
    assert client.post("/cds-services/coding-review", json=hook_call(context={name: f"{kind}/{value}"})).json["cards"]


@pytest.mark.parametrize("hook", ["encounter-start", "encounter-discharge"])
def test_hooks_encounter_required(client: FlaskClient, hook_call: Call, hook: str) -> None:
    """Hooks: encounter-start, encounter-discharge: encounterId required."""
    issue = refused(client, without(hook_call(hook), "context.encounterId"), SERVICES[hook])
    assert issue["expression"] == ["context.encounterId"]


def test_hooks_encounter_optional_in_patient_view(client: FlaskClient, hook_call: Call) -> None:
    """Hooks: patient-view: encounterId optional."""
    assert client.post("/cds-services/coding-review", json=without(hook_call(), "context.encounterId")).status_code == 200


@pytest.mark.parametrize("hook", sorted(RESOURCES))
def test_hooks_resources_required(client: FlaskClient, hook_call: Call, hook: str) -> None:
    """Hooks: order-sign: and `draftOrders`; problem-list-item-create: and `conditions`."""
    path = f"context.{RESOURCES[hook]}"
    assert refused(client, hook_call(hook), SERVICES[hook])["expression"] == [path]
    for wrong in ([], "x", {"resourceType": "ServiceRequest"}, {"resourceType": "Bundle", "entry": {}}):
        issue = refused(client, hook_call(hook, context={RESOURCES[hook]: wrong}), SERVICES[hook])
        assert issue["expression"][0].startswith(path)


@pytest.mark.parametrize("hook", sorted(SERVICES))
def test_every_service_answers(client: FlaskClient, hook_call: Call, hook: str) -> None:
    """C1 200 with `cards`, for every hook."""
    context = {RESOURCES[hook]: {"resourceType": "Bundle", "type": "collection", "entry": []}} if hook in RESOURCES else {}
    answer = client.post(f"/cds-services/{SERVICES[hook]}", json=hook_call(hook, context=context))
    assert answer.status_code == 200
    assert isinstance(answer.json["cards"], list)
