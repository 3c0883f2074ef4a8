"""CDS Hooks checklist, "Prefetch": against a real FHIR endpoint over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request
from flask.testing import FlaskClient

from cds_service.application import Application
from cds_service.config import Client
from cds_service.errors import ConfigurationError
from cds_service.hooks import HookRequest, Template, complete, prefetch, read_request
from cds_service.hooks.prefetch import refusal_of_access
from cds_service.hooks.services import BUILT_IN
from cds_service.web import create_app
from fhir_mappers import Fetched, FhirClient, fetch_attachments

Call = Callable[..., dict[str, Any]]
TOKEN = "token-for-this-call"
COVERAGE = "org.marginalia.coverage"


class Endpoint:
    """A FHIR endpoint that answers from a table and remembers what it was asked."""

    def __init__(self) -> None:
        self.app = Flask("endpoint")
        self.answers: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        self.refused: set[str] = set()
        self.app.add_url_rule("/<path:path>", view_func=self.answer)

    def answer(self, path: str) -> Response:
        """Answer a read or search; an unknown search is empty."""
        self.asked.append(path)
        self.tokens.add(request.headers.get("Authorization"))
        if path in self.refused:
            refusal = jsonify({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-supported"}]})
            refusal.status_code = 404
            return refusal
        return jsonify(self.answers.get(path, {"resourceType": "Bundle", "type": "searchset"}))


@pytest.fixture
def endpoint() -> Endpoint:
    """An empty endpoint."""
    return Endpoint()


def authorized(url: str) -> dict[str, Any]:
    """Return the members that give access to a server."""
    return {
        "fhirServer": url,
        "fhirAuthorization": {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "cds", "patient": "1"},
    }


def searchset(*resources: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    """Return a searchset Bundle."""
    links = {"link": [{"relation": "next", "url": following}]} if following else {}
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources]} | links


def left_out(answer: Any) -> dict[str, str]:
    """Return what the answer says was not read, and why."""
    return {s["source"]: s["reason"] for s in answer.json.get("extension", {}).get(COVERAGE, {}).get("notesSkipped", [])}


TEMPLATES = sorted({t.text for s in BUILT_IN for t in s.prefetch.values()})


@pytest.mark.parametrize("text", TEMPLATES)
def test_p1_to_p4_advertised_templates_are_valid(text: str) -> None:
    """P1-P4: the templates advertised pass the same parser that refuses all of the wrong ones below, and can be filled in."""
    query = Template(text).fill({"patientId": "1", "encounterId": "e1", "userId": "Practitioner/7"})
    assert query is not None
    assert "{{" not in str(query)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("P1", "Patient/{{context.patient.id}}"),
        ("P1", "Patient/{{patientId}}"),
        ("P1", "Patient/{{user.id}}"),
        ("P2", "ServiceRequest?_id={{context.draftOrders}}"),
        ("P2", "Condition?_id={{context.conditions}}"),
        ("P3", "Patient/{{context.patientId}}/$everything"),
        ("P3", "Observation?patient={{context.patientId}}&date=sa2020-01-01"),
        ("P3", "Observation?patient={{context.patientId}}&code:not-in=http://x"),
        ("P3", "Observation?subject:Patient.name=x"),
        ("P3", "patient?x=1"),
        ("P4", "Observation?date=ge{{today() - 90 days}}"),
        ("P4", "Practitioner?_id={{%resources.resolve().ofType(Practitioner).id}}"),
    ],
)
def test_p1_to_p4_other_templates_are_refused(rule: str, text: str) -> None:
    """P1 root-level primitives; P2 never draftOrders, selections, appointments, conditions; P3 plain queries; P4 no FHIRPath."""
    with pytest.raises(ConfigurationError, match="not valid"):
        Template(text)


def test_p5_null_has_no_data_and_is_not_asked_for(client: FlaskClient, hook_call: Call, endpoint: Endpoint, serve: Callable[[Any], str]) -> None:
    """P5 A key that is `null` has no data (don't ask again)."""
    answer = client.post("/cds-services/coding-review", json=hook_call(prefetch={"notes": None}, **authorized(serve(endpoint.app))))
    assert answer.json == {"cards": []}
    assert endpoint.asked == []


def test_p5_absent_is_fetched(client: FlaskClient, hook_call: Call, note: Call, endpoint: Endpoint, serve: Callable[[Any], str]) -> None:
    """P5 A key that is absent was not supplied (fetch it)."""
    endpoint.answers["r4/DocumentReference"] = searchset(note())
    call = hook_call(**authorized(serve(endpoint.app) + "/r4"))
    del call["prefetch"]["notes"]
    answer = client.post("/cds-services/coding-review", json=call)
    assert answer.json["cards"][0]["source"]["topic"]["code"] == "diagnosissuggestions"
    assert left_out(answer) == {}


def test_p5_operation_outcome_is_an_error_of_the_client(client: FlaskClient, hook_call: Call) -> None:
    """P5 an OperationOutcome is an error of the client (SHOULD check): noted, and never read as "no data"."""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "security"}]}
    answer = client.post("/cds-services/coding-review", json=hook_call(prefetch={"conditions": outcome}))
    assert answer.status_code == 200
    assert "OperationOutcome" in left_out(answer)["prefetch.conditions"]
    required = client.post("/cds-services/coding-review", json=hook_call(prefetch={"notes": outcome}))
    assert required.status_code == 412


def test_p6_only_what_is_missing_is_fetched_with_the_token(client: FlaskClient, hook_call: Call, endpoint: Endpoint, serve: Callable[[Any], str]) -> None:
    """P6 Partial prefetch: fetch only what is missing, with the token of `fhirAuthorization`."""
    call = hook_call(**authorized(serve(endpoint.app)))
    del call["prefetch"]["conditions"], call["prefetch"]["medications"]
    assert client.post("/cds-services/coding-review", json=call).status_code == 200
    assert sorted(endpoint.asked) == ["Condition", "MedicationRequest"]
    assert endpoint.tokens == {f"Bearer {TOKEN}"}


VISIT = [("coding-review", "patient-view"), ("coding-review-start", "encounter-start"), ("coding-review-discharge", "encounter-discharge")]


@pytest.mark.parametrize(("service", "hook"), VISIT)
def test_visits_ask_for_notes_in_every_form(client: FlaskClient, service: str, hook: str) -> None:
    """D2, P3: the services that read a visit ask for documents in all the forms that FHIR has for notes."""
    (found,) = [s for s in client.get("/cds-services").json["services"] if s["id"] == service]
    asked = {query.partition("?")[0] for query in found["prefetch"].values()}
    assert found["hook"] == hook
    assert {"DocumentReference", "Composition", "ClinicalImpression", "DiagnosticReport"} <= asked


def test_compositions_and_impressions_are_read(client: FlaskClient, hook_call: Call, endpoint: Endpoint, serve: Callable[[Any], str]) -> None:
    """P5, P6: what is absent is fetched, and a visit that is documented in these two forms alone is reviewed from them."""
    visit = {"status": "final", "subject": {"reference": "Patient/1"}, "encounter": {"reference": "Encounter/e1"}, "date": "2026-03-01T10:00:00Z"}
    narrative = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Essential hypertension, at goal on lisinopril.</div>'}
    composition = visit | {"resourceType": "Composition", "id": "c1", "title": "Visit note", "section": [{"title": "Assessment", "text": narrative}]}
    impression = visit | {"resourceType": "ClinicalImpression", "id": "i1", "status": "completed"}
    impression["summary"] = "Assessment: Chronic obstructive pulmonary disease, stable on tiotropium."
    endpoint.answers |= {"Composition": searchset(composition), "ClinicalImpression": searchset(impression)}
    call = hook_call(prefetch={"notes": None}, **authorized(serve(endpoint.app)))
    del call["prefetch"]["compositions"], call["prefetch"]["impressions"]
    answer = client.post("/cds-services/coding-review", json=call)
    assert sorted(endpoint.asked) == ["ClinicalImpression", "Composition"]
    assert {s["label"].split()[0] for s in answer.json["cards"][0]["suggestions"]} >= {"I10", "J44.9"}


@pytest.mark.parametrize("how", ["left out", "OperationOutcome", "refused"])
@pytest.mark.parametrize(("service", "hook"), VISIT)
def test_an_ehr_without_compositions(
    client: FlaskClient, hook_call: Call, endpoint: Endpoint, serve: Callable[[Any], str], service: str, hook: str, how: str
) -> None:
    """P5, P8: an EHR that doesn't serve these two resources leaves them out: the notes are read all the same, and the answer says what it lacked."""
    keys = ("compositions", "impressions")
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-supported"}]}
    access: dict[str, Any] = {}
    if how == "refused":
        endpoint.refused = {"Composition", "ClinicalImpression"}
        access = authorized(serve(endpoint.app))
    call = hook_call(hook, prefetch=dict.fromkeys(keys, outcome), **access)
    if how != "OperationOutcome":
        for key in keys:
            del call["prefetch"][key]
    answer = client.post(f"/cds-services/{service}", json=call)
    assert answer.status_code == 200
    assert set(left_out(answer)) == {f"prefetch.{key}" for key in keys}
    assert answer.json["extension"][COVERAGE]["notesRead"] == 1
    if service == "coding-review":
        assert answer.json["cards"][0]["source"]["topic"]["code"] == "diagnosissuggestions"


def test_p7_pages_are_followed(client: FlaskClient, hook_call: Call, note: Call, endpoint: Endpoint, serve: Callable[[Any], str]) -> None:
    """P7 A Bundle with a `next` link: page through it with the token."""
    url = serve(endpoint.app)
    endpoint.answers["page2"] = searchset(note("Assessment: Essential hypertension, at goal on lisinopril.", id="d2"))
    first = searchset(note("Assessment: Chronic obstructive pulmonary disease, stable."), following=f"{url}/page2")
    answer = client.post("/cds-services/coding-review", json=hook_call(prefetch={"notes": first}, **authorized(url)))
    assert {s["label"].split()[0] for s in answer.json["cards"][0]["suggestions"]} >= {"J44.9", "I10"}
    assert endpoint.tokens == {f"Bearer {TOKEN}"}


def test_p7_pages_elsewhere_get_no_token(client: FlaskClient, hook_call: Call, note: Call, endpoint: Endpoint, serve: Callable[[Any], str]) -> None:
    """P7, R6: a `next` link that leads to another origin is not followed, and that is said."""
    elsewhere = Endpoint()
    first = searchset(note(), following=f"{serve(elsewhere.app)}/page2")
    answer = client.post("/cds-services/coding-review", json=hook_call(prefetch={"notes": first}, **authorized(serve(endpoint.app))))
    assert answer.json["cards"]
    assert elsewhere.asked == []
    assert "nothing was sent there" in left_out(answer)["prefetch.notes"]


def test_p7_pages_without_access_are_told(client: FlaskClient, hook_call: Call, note: Call) -> None:
    """P7: what can't be paged is not passed over in silence."""
    answer = client.post("/cds-services/coding-review", json=hook_call(prefetch={"notes": searchset(note(), following="https://ehr.example.org/page2")}))
    assert "More pages" in left_out(answer)["prefetch.notes"]


@pytest.mark.parametrize("key", ["patient", "notes"])
def test_p8_required_data(client: FlaskClient, hook_call: Call, key: str) -> None:
    """P8 Required data cannot be had: 412 (SHALL)."""
    call = hook_call()
    del call["prefetch"][key]
    answer = client.post("/cds-services/coding-review", json=call)
    assert answer.status_code == 412
    issue = answer.json["issue"][0]
    assert issue["expression"] == [f"prefetch.{key}"]
    assert "fhirAuthorization" in issue["diagnostics"]


def test_p8_no_prefetch_at_all(client: FlaskClient, hook_call: Call) -> None:
    """P8: a call without prefetch and without access is not a call with empty data."""
    call = hook_call()
    del call["prefetch"]
    assert client.post("/cds-services/coding-review", json=call).status_code == 412


def test_s3_documents_not_opened_in_time_are_told(make_application: Callable[..., Application], hook_call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3, house: opening documents ends with the time of the call, and what wasn't opened is no empty list of cards."""
    monkeypatch.setattr(prefetch, "_LEAST_OPENING_S", 0.0)
    answer = create_app(make_application(hook_budget_ms=0)).test_client().post("/cds-services/coding-review", json=hook_call())
    assert "time was up" in left_out(answer)["notes"]
    (card,) = answer.json["cards"]
    assert card["source"]["topic"]["code"] == "notesnotread"
    assert "time was up" in card["detail"]


def test_s3_attachments_are_fetched_within_the_time_of_fetching(
    hook_call: Call, note: Call, endpoint: Endpoint, serve: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3: one moment ends all fetching, of searches and of the documents that they point to."""
    url = serve(endpoint.app)
    linked = note(content=[{"attachment": {"contentType": "text/plain", "url": "Binary/b1"}}])
    call = hook_call(prefetch={"notes": searchset(linked)}, **authorized(url))
    until = time.monotonic() + 30
    given: list[float | None] = []

    def fetched(client: FhirClient, resources: Any, *, until: float | None = None) -> Fetched:
        given.append(until)
        return fetch_attachments(client, resources, until=until)

    monkeypatch.setattr(prefetch, "fetch_attachments", fetched)
    (service,) = [s for s in BUILT_IN if s.hook == "patient-view"]
    complete(service, read_request(call, hook="patient-view"), Client("ehr"), open_mode=True, until=until, answer_by=until)
    assert given == [until]
    assert endpoint.asked == ["Binary/b1"]


def request_to(server: str, hook_call: Call) -> HookRequest:
    """Return a typed call that gives access to a server."""
    return read_request(hook_call(**authorized(server)), hook="patient-view")


@pytest.mark.parametrize(
    ("server", "registered", "open_mode", "allowed"),
    [
        ("https://ehr.example.org/r4", ("https://ehr.example.org",), False, True),
        ("https://EHR.example.org:443/r4", ("https://ehr.example.org",), False, True),
        ("https://ehr.example.org:8443/r4", ("https://ehr.example.org",), False, False),
        ("http://ehr.example.org/r4", ("https://ehr.example.org",), False, False),
        ("https://ehr.example.org.evil.example/r4", ("https://ehr.example.org",), False, False),
        ("https://ehr.example.org@evil.example/r4", ("https://ehr.example.org",), False, False),
        ("https://evil.example/r4", (), True, False),
        ("http://127.0.0.1:9000/fhir", (), True, True),
        ("http://localhost:9000/fhir", (), True, True),
        ("http://127.0.0.1:9000/fhir", (), False, False),
        ("http://127.0.0.1.evil.example/fhir", (), True, False),
        ("ftp://ehr.example.org", ("https://ehr.example.org",), True, False),
        ("not a url", (), True, False),
    ],
)
def test_r6_token_goes_to_registered_origins_only(hook_call: Call, server: str, registered: tuple[str, ...], open_mode: bool, allowed: bool) -> None:
    """R6 House: the token goes only to the allow-listed `fhirServer` origin of that client; in open mode to loopback origins too."""
    why_not = refusal_of_access(request_to(server, hook_call), Client("ehr", fhir_servers=registered), open_mode=open_mode)
    assert (why_not is None) is allowed


def test_r6_unregistered_server_is_said(client: FlaskClient, hook_call: Call) -> None:
    """R6, P8: the answer tells that no token was sent, and why."""
    call = hook_call(**authorized("https://unregistered.example.org/r4"))
    del call["prefetch"]["notes"]
    answer = client.post("/cds-services/coding-review", json=call)
    assert answer.status_code == 412
    assert "isn't registered" in answer.json["issue"][0]["details"]["text"]
