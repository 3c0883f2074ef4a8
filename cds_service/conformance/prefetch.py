"""Lines P: prefetch templates, and what a service makes of what came and what didn't."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cds_service.conformance.checklist import Level, Skip, line
from cds_service.conformance.stage import Service, Stage
from cds_service.errors import ConfigurationError
from cds_service.hooks.template import Template
from cds_service.simulate import FhirServer
from cds_service.simulate.chart import searchset

_TOKEN = re.compile(r"\{\{(.*?)\}\}")
_USER = frozenset({"userPractitionerId", "userPractitionerRoleId", "userPatientId", "userRelatedPersonId"})
_NEVER = frozenset({"context.draftOrders", "context.selections", "context.appointments", "context.conditions"})


def _templates(stage: Stage) -> Iterator[tuple[str, str]]:
    for service in stage.services():
        prefetch = service.get("prefetch") or {}
        yield from ((f"{service['id']}.{key}", str(text)) for key, text in prefetch.items())


@line("P1", Level.SHALL, "Tokens are root-level primitives of the context, or ids of the user")
def tokens(stage: Stage) -> Iterator[str]:
    """{{context.patientId}}, {{userPractitionerId}}."""
    for name, text in _templates(stage):
        for token in _TOKEN.findall(text):
            if token not in _USER and not re.fullmatch(r"context\.[A-Za-z]+", token):
                yield f"{name}: {{{{{token}}}}}"


@line("P2", Level.SHALL, "draftOrders, selections, appointments and conditions are no tokens")
def no_resources(stage: Stage) -> Iterator[str]:
    """They are no primitives."""
    yield from (f"{name}: {{{{{token}}}}}" for name, text in _templates(stage) for token in _TOKEN.findall(text) if token in _NEVER)


@line("P3", Level.SHALL, "Queries are instance reads, or searches by reference, token and date with _count and _sort")
def queries(stage: Stage) -> Iterator[str]:
    """What every EHR can fill."""
    for name, text in _templates(stage):
        try:
            Template(text)
        except ConfigurationError as error:
            yield f"{name}: {error.message}"


@line("P4", Level.SHALL, "No FHIRPath in templates (trial use)")
def no_fhirpath(stage: Stage) -> Iterator[str]:
    """ofType, resolve, today() are off by default."""
    yield from (f"{name}: {text}" for name, text in _templates(stage) if re.search(r"ofType|resolve\(|today\(|%[a-z]", text))


def _searched(service: Service) -> str:
    """Return a prefetch key that is a search; raises Skip."""
    found = [k for k, t in (service.get("prefetch") or {}).items() if str(t).startswith("Observation?") and "laboratory" in str(t)]
    found += [k for k, t in (service.get("prefetch") or {}).items() if "?" in str(t)]
    if not found:
        raise Skip("the service has no template that searches")
    return str(found[0])


def _asked(server: FhirServer, service: Service, key: str) -> bool:
    kind, _, query = str(service["prefetch"][key]).partition("?")
    marks = [p for p in query.split("&") if p and "{{" not in p and not p.startswith("_")]
    return any(a.path == kind and all(m in a.query for m in marks) for a in server.asked)


@line("P5", Level.SHALL, "A key that is null has no data and isn't asked for; one that is absent was not supplied")
def null_and_absent(stage: Stage) -> Iterator[str]:
    """The service asks the FHIR server for the one, and not for the other."""
    service = stage.some_service()
    key = _searched(service)

    def put(value: Any, call: dict[str, Any]) -> None:
        call["prefetch"].pop(key, None)
        if value != "absent":
            call["prefetch"][key] = value

    answer, server = stage.with_fhir(lambda call: put(None, call))
    if answer.status != 200:
        yield f"prefetch.{key} = null is answered with {answer.status}"
    if _asked(server, service, key):
        yield f"prefetch.{key} is null, and was asked for again"
    answer, server = stage.with_fhir(lambda call: put("absent", call))
    if not _asked(server, service, key):
        yield f"prefetch.{key} was not supplied, and was not fetched"


@line("P5a", Level.SHOULD, "An OperationOutcome as prefetch is taken for an error of the client")
def outcome_as_prefetch(stage: Stage) -> Iterator[str]:
    """It isn't taken for data, and breaks nothing."""
    service = stage.some_service()
    key = _searched(service)
    call = stage.body(service)
    call["prefetch"][key] = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
    status = stage.ehr.call(service["id"], call).status
    if status not in (200, 412):
        yield f"prefetch.{key} as OperationOutcome is answered with {status}"


@line("P6", Level.SHALL, "Of a partial prefetch only what is missing is fetched, with the token of the call")
def partial(stage: Stage) -> Iterator[str]:
    """Everything came but one key."""
    service = stage.some_service()
    key = _searched(service)
    answer, server = stage.with_fhir(lambda call: call["prefetch"].pop(key, None))
    if answer.status != 200:
        yield f"a call without prefetch.{key} is answered with {answer.status}"
    if any(a.authorization != f"Bearer {server.token}" for a in server.asked):
        yield "the FHIR server was asked without the token of the call"
    others = [k for k in (service.get("prefetch") or {}) if k != key and _asked(server, service, k) and not _asked_by_both(service, k, key)]
    yield from (f"prefetch.{k} was supplied, and was fetched again" for k in others)


def _asked_by_both(service: Service, one: str, other: str) -> bool:
    """Tell whether two templates ask for the same type, so that a request can't be told apart."""
    kinds = {str(service["prefetch"][k]).partition("?")[0].partition("/")[0] for k in (one, other)}
    return len(kinds) == 1


@line("P7", Level.SHALL, "A Bundle with a next link is paged to its end, with the token")
def paging(stage: Stage) -> Iterator[str]:
    """The second page is on our server."""
    service = stage.some_service()
    key = next((k for k, t in (service.get("prefetch") or {}).items() if str(t).startswith("DocumentReference?")), None)
    if key is None:
        raise Skip("the service has no template for DocumentReference")
    notes = stage.chart.of_type("DocumentReference")

    def halve(call: dict[str, Any]) -> None:
        patient = stage.chart.patient_id
        call["prefetch"][key] = searchset(notes[:1], f"{call['fhirServer']}/DocumentReference?patient={patient}&_page=1")

    answer, server = stage.with_fhir(halve, page_size=1)
    if answer.status != 200:
        yield f"a prefetch with a further page is answered with {answer.status}"
    if not any("_page=1" in a.query for a in server.asked):
        yield "the second page was not asked for"


@line("P8", Level.SHALL, "Where required data can't be had, the answer is 412")
def required(stage: Stage) -> Iterator[str]:
    """No prefetch and no FHIR server: 412, or cards of a service that needs nothing."""
    for service in stage.services():
        answer = stage.ehr.call(service["id"], stage.body(service, prefetch=None))
        if answer.status != 412 and not (answer.status == 200 and isinstance(answer.json, dict) and isinstance(answer.json.get("cards"), list)):
            yield f"{service['id']}: a call without any data is answered with {answer.status}"
