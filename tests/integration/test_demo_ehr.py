"""The demo's EHR: a real authorisation server, a FHIR endpoint that keeps to its token, and an honest client of CDS Hooks."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import Flask, jsonify, request
from joserfc import jwt
from joserfc.jwk import KeySet
from werkzeug.serving import make_server

from cds_service.demo.child import free_port
from cds_service.demo.ehr import Site, create_ehr
from cds_service.demo.ehr.exchange import shortened
from cds_service.demo.ehr.markdown import rendered
from cds_service.demo.ehr.prefetch import filled
from cds_service.demo.ehr.reader import read_hook
from cds_service.demo.ehr.scopes import allows, granted
from cds_service.demo.fhir_server import FhirServer

PATIENT = "amalia-testwood"
OTHER = "gus-dummond"
STAY = "ignacio-specimen"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPE = "openid fhirUser launch patient/*.rs patient/Condition.cruds user/Practitioner.r system/*.cruds"


class StandIn:
    """A CDS service that answers with one card, and keeps what it was sent: the EHR is under test here, not the service."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.feedback: list[dict[str, Any]] = []
        self.status = 200
        self.app = Flask("stand-in")
        self.app.add_url_rule("/cds-services", view_func=self.discovery)
        self.app.add_url_rule("/cds-services/one", view_func=self.one, methods=["POST"])
        self.app.add_url_rule("/cds-services/one/feedback", view_func=self.take_feedback, methods=["POST"])
        self.url = ""

    def discovery(self) -> Any:
        templates = {"patient": "Patient/{{context.patientId}}", "gone": "Observation/none", "broken": "Nonsense?patient={{context.patientId}}"}
        return jsonify(services=[{"id": "one", "hook": "patient-view", "description": "", "prefetch": templates}])

    def one(self) -> Any:
        body = request.get_json()
        self.requests.append(body)
        if self.status != 200:
            return jsonify(resourceType="OperationOutcome"), self.status
        condition = {
            "resourceType": "Condition",
            "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "encounter-diagnosis"}]}],
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E03.9"}], "text": "Hypothyroidism, unspecified"},
            "subject": {"reference": f"Patient/{body['context']['patientId']}"},
            "encounter": {"reference": f"Encounter/{body['context']['encounterId']}"},
        }
        action = {"type": "create", "description": "Add", "resource": condition}
        card = {
            "uuid": "card-1",
            "summary": "A card <b>with</b> markup",
            "detail": '**E03.9** <img src=x onerror="alert(1)"> [bad](javascript:alert(1))',
            "indicator": "warning",
            "source": {"label": "Stand-in"},
            "selectionBehavior": "any",
            "suggestions": [{"uuid": "suggestion-1", "label": "E03.9 Hypothyroidism", "actions": [action]}],
            "overrideReasons": [{"code": "no", "system": "urn:x", "display": "No"}],
            "links": [
                {"label": "Open", "type": "smart", "url": f"{self.url}/smart/launch", "appContext": "handle-1"},
                {"label": "Elsewhere", "type": "smart", "url": "https://elsewhere.example.org/launch"},
            ],
        }
        return jsonify(cards=[card])

    def take_feedback(self) -> Any:
        self.feedback.append(request.get_json())
        return "", 200


class Running:
    """An EHR with its FHIR server and stand-in service, and a browser's session on it."""

    def __init__(self, site: Site, service: StandIn) -> None:
        self.site = site
        self.service = service
        self.session = requests.Session()

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.session.get(f"{self.site.ehr_url}{path}", allow_redirects=False, timeout=20, **more)

    def post(self, path: str, form: dict[str, str] | None = None, **more: Any) -> requests.Response:
        return self.session.post(f"{self.site.ehr_url}{path}", data=form, allow_redirects=False, timeout=20, **more)

    def launch(self, patient: str = PATIENT) -> str:
        """Open the app from the chart; return the launch token."""
        return parse_qs(urlsplit(self.get(f"/patients/{patient}/launch").headers["Location"]).query)["launch"][0]

    def authorize(self, **changed: str | None) -> requests.Response:
        parameters: dict[str, str | None] = {
            "response_type": "code",
            "client_id": "marginalia-demo",
            "redirect_uri": self.site.redirect_url,
            "scope": SCOPE,
            "state": "s" * 30,
            "aud": self.site.fhir_url,
            "nonce": "n" * 30,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        parameters |= changed
        if "launch" not in parameters:
            parameters["launch"] = self.launch()
        return self.get("/oauth/authorize", params={k: v for k, v in parameters.items() if v is not None})

    def code(self, **changed: str | None) -> str:
        return parse_qs(urlsplit(self.authorize(**changed).headers["Location"]).query)["code"][0]

    def token(self, code: str, **changed: str) -> requests.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.site.redirect_url, "code_verifier": VERIFIER}
        return self.post("/oauth/token", form | {"client_id": "marginalia-demo"} | changed)

    def fhir(self, path: str, token: str | None = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.get(f"{self.site.fhir_url}/{path}", headers=headers, timeout=20)


def serve(app: Flask, port: int) -> Any:
    """Start a server in a thread."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """One EHR for all tests of this file."""
    service = StandIn()
    ports = free_port(), free_port()
    service.url = f"http://127.0.0.1:{ports[1]}"
    ehr_url = f"http://127.0.0.1:{ports[0]}"
    with FhirServer(public_base=f"{ehr_url}/fhir") as fhir:
        fhir.load()
        site = Site(ehr_url, fhir.base_url, service.url)
        servers = [serve(service.app, ports[1]), serve(create_ehr(site), ports[0])]
        running = Running(site, service)
        yield running
        running.session.close()
        for server in servers:
            server.shutdown()
            server.server_close()


def test_discovery_says_what_a_smart_app_needs(running: Running) -> None:
    """L3: smart-configuration with endpoints, S256 and capabilities; no token is asked for it."""
    document = running.fhir(".well-known/smart-configuration").json()
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert {"launch-ehr", "client-public", "sso-openid-connect", "permission-v2", "context-ehr-patient"} <= set(document["capabilities"])
    openid = requests.get(f"{document['issuer']}/.well-known/openid-configuration", timeout=20).json()
    assert openid["issuer"] == document["issuer"]
    assert openid["jwks_uri"] == document["jwks_uri"]


def test_a_launch_ends_in_a_token_with_its_context(running: Running) -> None:
    """L5, L8, L11: code for token with PKCE; the response names patient, encounter and granted scopes."""
    answer = running.token(running.code())
    body = answer.json()
    assert answer.status_code == 200
    assert (body["token_type"], body["patient"], body["encounter"]) == ("Bearer", PATIENT, f"{PATIENT}-encounter")
    assert body["scope"] == "openid fhirUser launch patient/*.rs patient/Condition.crus user/Practitioner.r"
    assert "appContext" not in body
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_id_token_is_signed_and_names_the_user(running: Running) -> None:
    """L12: RS256 by a key of the published set; iss, aud, nonce and fhirUser are right."""
    body = running.token(running.code()).json()
    keys = KeySet.import_key_set(requests.get(f"{running.site.ehr_url}/oauth/jwks.json", timeout=20).json())
    token = jwt.decode(body["id_token"], keys, algorithms=["RS256"])
    assert token.claims["iss"] == running.site.ehr_url
    assert token.claims["aud"] == "marginalia-demo"
    assert token.claims["nonce"] == "n" * 30
    assert token.claims["fhirUser"] == f"{running.site.fhir_url}/Practitioner/mockwell"


def test_the_published_keys_hold_nothing_private(running: Running) -> None:
    """The JWK set has public members only."""
    (key,) = requests.get(f"{running.site.ehr_url}/oauth/jwks.json", timeout=20).json()["keys"]
    assert set(key) <= {"kty", "n", "e", "kid", "use", "alg", "key_ops"}


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain", "code_challenge": VERIFIER},
        {"code_challenge_method": None},
        {"aud": "https://elsewhere.example.org/fhir"},
        {"launch": "made-up"},
        {"launch": None},
        {"response_type": "token"},
    ],
    ids=["no PKCE", "plain PKCE", "no PKCE method", "wrong aud", "unknown launch", "no launch", "implicit grant"],
)
def test_a_wrong_authorisation_request_gets_no_code(running: Running, changed: dict[str, str | None]) -> None:
    """L5, L6: the answer goes back to the app as an error, without a code."""
    answer = running.authorize(**changed)
    query = parse_qs(urlsplit(answer.headers.get("Location", "")).query)
    assert "code" not in query
    assert "error" in query or answer.status_code >= 400


@pytest.mark.parametrize("changed", [{"redirect_uri": "http://127.0.0.1:9/smart/callback"}, {"client_id": "somebody"}], ids=["redirect", "client"])
def test_an_unregistered_client_or_redirect_is_never_redirected_to(running: Running, changed: dict[str, str]) -> None:
    """L4: the browser stays here."""
    answer = running.authorize(**changed)
    assert answer.status_code in (400, 401)
    assert "Location" not in answer.headers


def test_a_code_works_once(running: Running) -> None:
    """RFC 6749 4.1.2: a second use is refused."""
    code = running.code()
    assert running.token(code).status_code == 200
    assert running.token(code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changed", "error"),
    [({"code_verifier": "w" * 50}, "invalid_grant"), ({"redirect_uri": "http://127.0.0.1:9/x"}, "invalid_grant"), ({"code_verifier": ""}, "invalid_request")],
    ids=["wrong verifier", "other redirect", "no verifier"],
)
def test_a_wrong_token_request_gets_no_token(running: Running, changed: dict[str, str], error: str) -> None:
    """L6, L8: the verifier and the redirect URL must be those of the authorisation request."""
    answer = running.token(running.code(), **changed)
    assert answer.status_code == 400
    assert answer.json()["error"] == error


def test_a_launch_belongs_to_who_opened_it(running: Running) -> None:
    """Another person's browser can't use the launch token."""
    launch = running.launch()
    running.post("/user", {"user": "ledger"})
    try:
        query = parse_qs(urlsplit(running.authorize(launch=launch).headers["Location"]).query)
    finally:
        running.post("/user", {"user": "mockwell"})
    assert query["error"] == ["invalid_request"]


def test_without_a_token_the_fhir_endpoint_answers_401(running: Running) -> None:
    """Reads and searches want a token; the answer says so in FHIR's own way."""
    for token in (None, "made-up"):
        answer = running.fhir(f"Patient/{PATIENT}", token)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["resourceType"] == "OperationOutcome"


def test_a_token_reads_its_own_patient_only(running: Running) -> None:
    """The same token reads this patient and is refused for another, by read and by search."""
    token = running.token(running.code()).json()["access_token"]
    assert running.fhir(f"Patient/{PATIENT}", token).json()["id"] == PATIENT
    assert running.fhir(f"DocumentReference?patient={PATIENT}", token).json()["total"] == 3
    for query in (f"Patient/{OTHER}", f"Observation?patient={OTHER}", "Condition", f"Encounter/{OTHER}-encounter"):
        assert running.fhir(query, token).status_code == 403, query


def test_links_of_a_page_lead_through_the_fhir_endpoint(running: Running) -> None:
    """P7: a next link names the EHR's own FHIR base, where the token is good."""
    token = running.token(running.code()).json()["access_token"]
    links = {link["relation"]: link["url"] for link in running.fhir(f"Observation?patient={PATIENT}&_count=2", token).json()["link"]}
    assert links["next"].startswith(f"{running.site.fhir_url}/Observation?")


def test_a_scope_is_needed_for_each_type(running: Running) -> None:
    """A token for Patient alone reads no observations."""
    token = running.token(running.code(scope="openid patient/Patient.r")).json()["access_token"]
    assert running.fhir(f"Patient/{PATIENT}", token).status_code == 200
    assert running.fhir(f"Observation?patient={PATIENT}", token).status_code == 403


@pytest.mark.parametrize("path", ["Patient/..", "Patient/_history", "Patient/$everything", "patient/x"])
def test_odd_paths_lead_nowhere(running: Running, path: str) -> None:
    """Only Type and Type/id pass the gateway."""
    token = running.token(running.code()).json()["access_token"]
    prepared = requests.Request("GET", "http://x", headers={"Authorization": f"Bearer {token}"}).prepare()
    prepared.url = f"{running.site.fhir_url}/{path}"  # as it is: requests itself would tidy ".."
    with requests.Session() as session:
        assert session.send(prepared, timeout=20).status_code in (403, 404)


@pytest.mark.parametrize(
    ("requested", "given"),
    [
        ("patient/*.read", "patient/*.read"),
        ("patient/*.write", ""),
        ("patient/Condition.write", "patient/Condition.cu"),
        ("patient/Observation.cruds", "patient/Observation.rs"),
        ("system/*.rs", ""),
        ("offline_access launch", "launch"),
        ("patient/Observation.rs?category=laboratory", "patient/Observation.rs?category=laboratory"),
    ],
)
def test_scopes_are_cut_to_what_this_ehr_gives(requested: str, given: str) -> None:
    """L10: v1 and v2 are understood; what isn't given is left out, the rest stays as it was asked for."""
    assert granted(requested) == given


@pytest.mark.parametrize(
    ("scope", "resource_type", "permission", "allowed"),
    [
        ("patient/Condition.rs", "Condition", "r", True),
        ("patient/Condition.rs", "Condition", "c", False),
        ("patient/*.read", "Observation", "s", True),
        ("patient/Condition.c", "Observation", "c", False),
        ("openid launch", "Patient", "r", False),
    ],
)
def test_a_scope_allows_what_it_says(scope: str, resource_type: str, permission: str, allowed: bool) -> None:
    """SMART v1 read is r and s; a letter missing is a permission missing."""
    assert allows(scope, resource_type, permission) is allowed


def test_a_hook_call_is_complete(running: Running) -> None:
    """R1, R4, P5: ids, context, token for this patient; what isn't found is null, what failed is absent."""
    running.post(f"/patients/{PATIENT}/hooks/patient-view")
    body = running.service.requests[-1]
    assert body["hook"] == "patient-view"
    assert body["fhirServer"] == running.site.fhir_url
    assert body["context"] == {"userId": "Practitioner/mockwell", "patientId": PATIENT, "encounterId": f"{PATIENT}-encounter"}
    assert body["fhirAuthorization"]["patient"] == PATIENT
    assert body["prefetch"]["patient"]["id"] == PATIENT
    assert body["prefetch"]["gone"] is None
    assert "broken" not in body["prefetch"]
    token = body["fhirAuthorization"]["access_token"]
    assert running.fhir(f"Condition?patient={PATIENT}", token).status_code == 200
    assert running.fhir(f"Condition?patient={OTHER}", token).status_code == 403


def test_a_card_is_drawn_without_its_markup_running(running: Running) -> None:
    """C5: Markdown is rendered; HTML of a service is shown as text, and script links are none."""
    fragment = running.post(f"/patients/{PATIENT}/hooks/patient-view").text
    (card,) = read_hook(fragment).cards
    assert card.summary == "A card <b>with</b> markup"
    assert card.indicator == "warning"
    assert "<strong>E03.9</strong>" in fragment
    assert "<img src=x" not in fragment
    assert 'href="javascript' not in fragment


def test_an_accepted_suggestion_becomes_a_condition_and_feedback(running: Running) -> None:
    """B1, B2: the resource is created in the FHIR server, and the service hears of it."""
    (card,) = read_hook(running.post(f"/patients/{PATIENT}/hooks/patient-view").text).cards
    done = running.post(card.accept, {"card": card.uuid, "suggestion": card.suggestions[0].uuid})
    assert 'class="done"' in done.text
    created = requests.get(f"{running.site.fhir_upstream}/Condition?patient={PATIENT}&category=encounter-diagnosis", timeout=20).json()
    assert [e["resource"]["code"]["coding"][0]["code"] for e in created["entry"]] == ["E03.9"]
    (item,) = running.service.feedback[-1]["feedback"]
    assert (item["card"], item["outcome"], item["acceptedSuggestions"]) == ("card-1", "accepted", [{"id": "suggestion-1"}])
    assert "Hypothyroidism, unspecified" in running.get(f"/patients/{PATIENT}/diagnoses").text


def test_a_dismissed_card_tells_its_reason(running: Running) -> None:
    """B2: overridden, with the coded reason that the card offered."""
    (card,) = read_hook(running.post(f"/patients/{PATIENT}/hooks/patient-view").text).cards
    running.post(card.override, {"card": card.uuid, "reason": "no"})
    (item,) = running.service.feedback[-1]["feedback"]
    assert item["outcome"] == "overridden"
    assert item["overrideReason"] == {"reason": {"code": "no", "system": "urn:x", "display": "No"}}


def test_a_cards_link_carries_its_context_into_the_token(running: Running) -> None:
    """C11: the launch URL gets iss and launch only; appContext comes with the token."""
    (card,) = read_hook(running.post(f"/patients/{PATIENT}/hooks/patient-view").text).cards
    location = running.get(card.launch or "").headers["Location"]
    query = parse_qs(urlsplit(location).query)
    assert location.startswith(f"{running.service.url}/smart/launch?")
    assert set(query) == {"iss", "launch"}
    assert running.token(running.code(launch=query["launch"][0])).json()["appContext"] == "handle-1"


def test_a_signed_order_is_active(running: Running) -> None:
    """Signing changes the order in the FHIR server and on the page; another patient's order can't be signed here."""
    reference = f"ServiceRequest/{PATIENT}-order-1"
    assert f'value="{reference}"' in running.get(f"/patients/{PATIENT}/orders").text
    assert 'class="done"' in running.post(f"/patients/{PATIENT}/orders/sign", {"order": reference}).text
    assert requests.get(f"{running.site.fhir_upstream}/{reference}", timeout=20).json()["status"] == "active"
    assert f'value="{reference}"' not in running.get(f"/patients/{PATIENT}/orders").text
    assert running.post(f"/patients/{OTHER}/orders/sign", {"order": reference}).status_code == 404


def test_a_discharged_stay_is_finished(running: Running) -> None:
    """Completing the discharge closes the encounter, and the button goes away."""
    page = f"/patients/{STAY}"
    assert "/hooks/encounter-discharge" in running.get(page).text
    assert 'class="done"' in running.post(f"{page}/discharge").text
    assert requests.get(f"{running.site.fhir_upstream}/Encounter/{STAY}-encounter", timeout=20).json()["status"] == "finished"
    assert "/hooks/encounter-discharge" not in running.get(page).text


def test_a_failing_service_is_told_not_hidden(running: Running) -> None:
    """A failure looks like a failure: never an empty list of cards."""
    running.service.status = 412
    try:
        seen = read_hook(running.post(f"/patients/{PATIENT}/hooks/patient-view").text)
    finally:
        running.service.status = 200
    assert seen.cards == ()
    assert "412" in seen.failures[0]


def test_the_raw_call_shows_no_token(running: Running) -> None:
    """R5: request and response can be looked at, without the token."""
    fragment = running.post(f"/patients/{PATIENT}/hooks/patient-view").text
    token = running.service.requests[-1]["fhirAuthorization"]["access_token"]
    page = running.get(f"/calls/{running.service.requests[-1]['hookInstance']}").text
    assert "Request and response" in fragment
    assert token not in page
    assert "(hidden)" in page


def test_pages_run_own_scripts_only(running: Running) -> None:
    """No inline script or style, none from elsewhere; no other site may frame or post."""
    answer = running.get(f"/patients/{PATIENT}")
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "<script>" not in answer.text
    assert "style=" not in answer.text
    assert running.post(f"/patients/{PATIENT}/hooks/patient-view", headers={"Origin": "https://elsewhere.example.org"}).status_code == 403
    assert running.get("/", headers={"Host": "elsewhere.example.org"}).status_code == 400


def test_localhost_leads_to_the_one_address(running: Running) -> None:
    """A session and a launch belong to one host name."""
    answer = running.get("/patients/x?a=1", headers={"Host": running.site.ehr_url.replace("http://127.0.0.1", "localhost")})
    assert (answer.status_code, answer.headers["Location"]) == (307, f"{running.site.ehr_url}/patients/x?a=1")


@pytest.mark.parametrize("path", ["/patients/nobody", "/calls/none"])
def test_what_does_not_exist_is_404(running: Running, path: str) -> None:
    """An unknown patient or call is told as such."""
    assert running.get(path).status_code == 404


def test_long_documents_are_shortened_for_reading() -> None:
    """Base64 of a note is cut on the page that shows a call."""
    shown = json.loads(shortened({"a": [{"data": "A" * 5000}], "access_token": "secret"}))
    assert shown["access_token"] == "(hidden)"
    assert shown["a"][0]["data"].endswith("(5,000 characters of base64)")


def test_a_template_is_filled_or_left() -> None:
    """P1: tokens are context fields or the user's id; without a value the key isn't sent."""
    context = {"patientId": "p", "draftOrders": {"resourceType": "Bundle"}}
    assert filled("Observation?patient={{context.patientId}}&_count=5", context, "u") == "Observation?patient=p&_count=5"
    assert filled("Practitioner/{{userPractitionerId}}", context, "u") == "Practitioner/u"
    assert filled("Encounter/{{context.encounterId}}", context, "u") is None
    assert filled("X/{{context.draftOrders}}", context, "u") is None


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "[x](javascript:alert(1))", "[x](data:text/html;base64,PHM+)", "![x](javascript:alert(1))", "<a href=javascript:x>y</a>"],
)
def test_markdown_of_others_can_do_no_harm(text: str) -> None:
    """No element or link that runs anything comes out of a card's detail."""
    html = rendered(text)
    assert "<script" not in html
    assert "<a" not in html


def test_markdown_loads_no_pictures() -> None:
    """A card's detail can't call another server when it is drawn."""
    assert "<img" not in rendered("![x](https://elsewhere.example.org/p.png)")
