"""Lines R and H: the request, its access to the FHIR server, and the contexts of the hooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cds_service.conformance.checklist import Level, Skip, line
from cds_service.conformance.stage import Stage
from cds_service.simulate import FhirServer

_CONTEXTS = {
    "patient-view": ("userId", "patientId"),
    "order-sign": ("userId", "patientId", "draftOrders"),
    "order-select": ("userId", "patientId", "draftOrders", "selections"),
    "encounter-start": ("userId", "patientId", "encounterId"),
    "encounter-discharge": ("userId", "patientId", "encounterId"),
    "problem-list-item-create": ("userId", "patientId", "conditions"),
    "appointment-book": ("userId", "patientId", "appointments"),
}
_AUTHORIZATION = {"access_token": "conformance-secret-token", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "cds-service"}


def _status(stage: Stage, **changes: Any) -> int:
    return stage.ehr.call(stage.some_service()["id"], stage.body(**changes)).status


@line("R1", Level.SHALL, "hook, hookInstance and context are required; fhirServer with fhirAuthorization")
def required_members(stage: Stage) -> Iterator[str]:
    """A call without one of them is refused."""
    for name in ("hook", "hookInstance", "context"):
        status = _status(stage, **{name: None})
        if not 400 <= status < 500:
            yield f"a call without {name} is answered with {status}"
    status = _status(stage, fhirAuthorization=_AUTHORIZATION)
    if not 400 <= status < 500:
        yield f"fhirAuthorization without fhirServer is answered with {status}"


@line("R2", Level.SHALL, "An unknown extension is accepted")
def extension(stage: Stage) -> Iterator[str]:
    """Vendors send their own."""
    status = _status(stage, extension={"com.example.some-ehr": {"value": [1, {"x": None}]}})
    if status != 200:
        yield f"a call with an unknown extension is answered with {status}"


@line("R3", Level.HOUSE, "Wrong hook 400, unknown service 404, no JSON 400, missing context 400")
def wrong_calls(stage: Stage) -> Iterator[str]:
    """Each wrong call is told as what it is."""
    service = stage.some_service()
    path = f"/cds-services/{service['id']}"
    told = {
        "another hook": (_status(stage, hook="appointment-book" if service["hook"] != "appointment-book" else "patient-view"), 400),
        "an unknown service id": (stage.ehr.call("no-such-service-here", stage.body()).status, 404),
        "a body that is no JSON": (stage.ehr.send("POST", path, raw=b"{").status, 400),
        "a body that is a list": (stage.ehr.call(service["id"], []).status, 400),
        "a hookInstance that is no UUID": (_status(stage, hookInstance="7"), 400),
    }
    yield from (f"{what} is answered with {status}, not {wanted}" for what, (status, wanted) in told.items() if status != wanted)


@line("R3a", Level.HOUSE, "A 400 names the field that is wrong")
def named_fields(stage: Stage) -> Iterator[str]:
    """An integration engineer reads what to change."""
    body = stage.body()
    del body["context"]["patientId"]
    answer = stage.ehr.call(stage.some_service()["id"], body)
    if b"patientId" not in answer.body:
        yield f"a call without context.patientId is answered with {answer.status}, and the body doesn't name the field"


@line("R4", Level.HOUSE, "fhirAuthorization has access_token, token_type Bearer, expires_in, scope, subject")
def authorization(stage: Stage) -> Iterator[str]:
    """An incomplete one is refused."""
    for name in _AUTHORIZATION:
        given = {k: v for k, v in _AUTHORIZATION.items() if k != name}
        status = _status(stage, fhirServer="https://fhir.example.org/r4", fhirAuthorization=given)
        if status != 400:
            yield f"fhirAuthorization without {name} is answered with {status}"


@line("R5", Level.SHALL, "The access token is never sent back")
def no_echo(stage: Stage) -> Iterator[str]:
    """Neither in a good answer nor in an error. (That it isn't logged can't be seen from outside.)"""
    secret = _AUTHORIZATION["access_token"]
    wrong: tuple[dict[str, Any], ...] = ({}, {"hook": "x"}, {"context": {}})
    for changes in wrong:
        body = stage.body(fhirServer="https://fhir.example.org/r4", fhirAuthorization=_AUTHORIZATION, **changes)
        answer = stage.ehr.call(stage.some_service()["id"], body)
        if str(secret).encode() in answer.body or any(str(secret) in v for v in answer.headers.values()):
            yield f"the token comes back in an answer {answer.status}"


@line("R6", Level.HOUSE, "A token for another patient is refused")
def other_patient(stage: Stage) -> Iterator[str]:
    """fhirAuthorization.patient equals context.patientId."""
    status = _status(stage, fhirServer="https://fhir.example.org/r4", fhirAuthorization={**_AUTHORIZATION, "patient": "someone-else"})
    if status != 400:
        yield f"fhirAuthorization.patient of someone else is answered with {status}"


@line("R6a", Level.HOUSE, "A token goes to the registered FHIR servers of its client only")
def other_server(stage: Stage) -> Iterator[str]:
    """A server of ours that nobody registered isn't asked."""
    if stage.ehr.signer is None:
        raise Skip("calls aren't signed, so every server on this machine may be asked")
    if not stage.on_this_machine:
        raise Skip("the service can't reach this machine, so it couldn't ask in any case")
    with FhirServer(stage.chart) as server:
        body = stage.body(fhirServer=server.url, fhirAuthorization=server.authorization(), prefetch=None)
        stage.ehr.call(stage.some_service()["id"], body)
        if server.asked:
            yield f"an unregistered server was asked {len(server.asked)} times"


@line("H1", Level.SHALL, "Each hook's required context is required")
def contexts(stage: Stage) -> Iterator[str]:
    """By the HL7 hook library."""
    for service in stage.services():
        for name in _CONTEXTS.get(service["hook"], ()):
            body = stage.body(service)
            body["context"].pop(name, None)
            status = stage.ehr.call(service["id"], body).status
            if not 400 <= status < 500:
                yield f"{service['id']}: a call without context.{name} is answered with {status}"


@line("H2", Level.SHALL, "Each hook is answered with cards")
def hooks(stage: Stage) -> Iterator[str]:
    """A good call for each service."""
    for id, answer in stage.answers():
        if answer.status != 200 or not isinstance(answer.json, dict) or not isinstance(answer.json.get("cards"), list):
            yield f"{id}: {answer.status}"


@line("H3", Level.SHALL, "patient-view is answered without an encounter")
def without_encounter(stage: Stage) -> Iterator[str]:
    """encounterId is optional there."""
    found = [s for s in stage.services() if s["hook"] == "patient-view"]
    if not found:
        raise Skip("no service for patient-view")
    for service in found:
        body = stage.body(service)
        body["context"].pop("encounterId", None)
        body.get("prefetch", {}).pop("encounter", None)
        status = stage.ehr.call(service["id"], body).status
        if status != 200:
            yield f"{service['id']}: answered with {status}"
