"""SMART App Launch 2.2 over real HTTP: from the EHR's click to the chart. Each test's docstring is a line of the checklist."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from smart_app.scopes import Scopes
from tests.smart_ehr import CLIENT
from tests.smart_stage import ENCOUNTER, PATIENT, Stage, chart_resources


def authorize_url(stage: Stage, **query: str) -> dict[str, str]:
    """Begin a launch and return the query that the EHR's authorisation endpoint is asked with."""
    answer = requests.get(f"{stage.url}/smart/launch", params={"iss": stage.ehr.iss, **query}, allow_redirects=False, timeout=10)
    assert answer.status_code == 303
    goal = urlsplit(answer.headers["Location"])
    assert f"{goal.scheme}://{goal.netloc}{goal.path}" == f"{stage.ehr.url}/authorize"
    return {name: values[0] for name, values in parse_qs(goal.query).items()}


def test_l1_ehr_launch_echoes_launch_and_asks_for_its_scope(stage: Stage) -> None:
    """L1 EHR launch: take `iss` and `launch`; echo `launch`; scope includes `launch`."""
    asked = authorize_url(stage, launch="opaque-42")
    assert asked["launch"] == "opaque-42"
    assert "launch" in asked["scope"].split()
    assert "launch/patient" not in asked["scope"].split()


@pytest.mark.parametrize("iss", ["https://evil.example.org/fhir", "http://127.0.0.1:1/fhir", "javascript:alert(1)"])
def test_l1_an_issuer_that_is_not_allow_listed_is_refused(stage: Stage, iss: str) -> None:
    """L1 `iss` is allow-listed: nothing is sent to any other."""
    answer = requests.get(f"{stage.url}/smart/launch", params={"iss": iss, "launch": "x"}, allow_redirects=False, timeout=10)
    assert answer.status_code == 400
    assert "smart.iss-unknown" in answer.text
    assert iss not in answer.text
    assert stage.ehr.asked == []


def test_l1_a_launch_without_iss_says_so(stage: Stage) -> None:
    """L1 EHR launch: without `iss` there is no server to ask."""
    answer = requests.get(f"{stage.url}/smart/launch", params={"launch": "x"}, timeout=10)
    assert answer.status_code == 400
    assert "smart.no-iss" in answer.text


def test_l2_standalone_launch_asks_for_the_patient_and_sends_no_launch(stage: Stage) -> None:
    """L2 Standalone launch: `launch/patient` and/or `launch/encounter`, no `launch` parameter."""
    asked = authorize_url(stage)
    assert "launch" not in asked
    assert {"launch/patient", "launch/encounter"} <= set(asked["scope"].split())
    assert "launch" not in asked["scope"].split()


def test_l2_standalone_launch_opens_the_patient_chosen_at_the_ehr(stage: Stage) -> None:
    """L2 Standalone launch: the patient comes back in the token response."""
    stage.ehr.standalone = {"patient": PATIENT, "encounter": ENCOUNTER}
    page = stage.browser().launch(stage.url, stage.ehr, None)
    assert page.status_code == 200
    assert "Testwood, Amalia" in page.text


def test_l2_without_an_issuer_the_person_chooses_the_ehr(stage: Stage) -> None:
    """L2 Standalone launch from the app itself: the registered EHRs are offered, no other."""
    page = requests.get(f"{stage.url}/smart/launch", timeout=10)
    assert page.status_code == 200
    assert "Test EHR" in page.text
    assert re.findall(r'href="/smart/launch\?iss=([^"]+)"', page.text) == [stage.ehr.iss]


def test_l3_discovery_asks_for_json_at_the_base_without_its_slash(stage: Stage) -> None:
    """L3 `GET {iss}/.well-known/smart-configuration` with `Accept: application/json` (strip a trailing `/` of iss first)."""
    answer = requests.get(f"{stage.url}/smart/launch", params={"iss": f"{stage.ehr.iss}/", "launch": "x"}, allow_redirects=False, timeout=10)
    assert answer.status_code == 303
    (asked,) = stage.ehr.sent("/fhir/.well-known/smart-configuration")
    assert asked.headers["Accept"] == "application/json"
    assert "Authorization" not in asked.headers


def test_l3_relative_urls_are_resolved_against_the_base(stage: Stage) -> None:
    """L3 resolve relative URLs."""
    stage.ehr.behaviour.configuration = {"authorization_endpoint": "../authorize"}
    assert authorize_url(stage, launch="x")["aud"] == stage.ehr.iss


@pytest.mark.parametrize("methods", [None, [], ["plain"]])
def test_l3_a_server_without_s256_is_refused(stage: Stage, methods: list[str] | None) -> None:
    """L3 check `code_challenge_methods_supported`; L6 PKCE always, never `plain`."""
    stage.ehr.behaviour.configuration = {"code_challenge_methods_supported": methods}
    answer = requests.get(f"{stage.url}/smart/launch", params={"iss": stage.ehr.iss, "launch": "x"}, allow_redirects=False, timeout=10)
    assert answer.status_code == 502
    assert "S256" in answer.text


def test_l3_capabilities_decide_whether_a_standalone_launch_is_possible(stage: Stage) -> None:
    """L3 check `capabilities`."""
    stage.ehr.behaviour.configuration = {"capabilities": ["launch-ehr"]}
    answer = requests.get(f"{stage.url}/smart/launch", params={"iss": stage.ehr.iss}, allow_redirects=False, timeout=10)
    assert answer.status_code == 502
    assert "Open Marginalia from the patient&#39;s chart" in answer.text


@pytest.mark.parametrize("endpoint", ["http://ehr.example.org/authorize", "javascript:alert(1)", 7, None])
def test_l3_an_endpoint_that_is_not_https_is_refused(stage: Stage, endpoint: object) -> None:
    """L3 only usable endpoints are taken from the configuration."""
    stage.ehr.behaviour.configuration = {"authorization_endpoint": endpoint}
    answer = requests.get(f"{stage.url}/smart/launch", params={"iss": stage.ehr.iss, "launch": "x"}, allow_redirects=False, timeout=10)
    assert answer.status_code == 502
    assert "authorization_endpoint" in answer.text


def test_l4_launch_and_redirect_urls_are_fixed(stage: Stage) -> None:
    """L4 Registered, fixed launch URL and redirect URI: no request can change them."""
    asked = authorize_url(stage, launch="x", redirect_uri="https://evil.example.org/", aud="https://evil.example.org/")
    assert asked["redirect_uri"] == f"{stage.url}/smart/callback"
    assert asked["aud"] == stage.ehr.iss


def test_l5_the_authorisation_request_is_complete(stage: Stage) -> None:
    """L5 Authorize: `response_type=code`, `client_id`, `redirect_uri`, `scope`, `state`, `aud` (= iss), `code_challenge`, `code_challenge_method=S256`."""
    asked = authorize_url(stage, launch="x")
    assert asked.keys() == {"response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "aud", "launch", "code_challenge", "code_challenge_method"}
    assert asked["response_type"] == "code"
    assert asked["client_id"] == CLIENT
    assert asked["code_challenge_method"] == "S256"


def test_l6_each_launch_has_its_own_verifier_of_full_length(stage: Stage) -> None:
    """L6 PKCE always: a fresh challenge for each launch, 43 characters of base64url (RFC 7636, 4.2); the verifier only at the token endpoint."""
    first, second = authorize_url(stage, launch="x"), authorize_url(stage, launch="x")
    assert first["code_challenge"] != second["code_challenge"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", first["code_challenge"])
    stage.open(stage.browser())
    (token,) = stage.ehr.sent("/token")
    assert len(token.form["code_verifier"]) >= 43
    assert not any("code_verifier" in asked.query for asked in stage.ehr.asked)


def test_l7_state_is_unpredictable(stage: Stage) -> None:
    """L7 `state` unpredictable, at least 122 bits: 43 characters of base64url carry 256."""
    states = {authorize_url(stage, launch="x")["state"] for _ in range(20)}
    assert len(states) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", state) for state in states)


def test_l7_an_answer_in_another_browser_is_refused(stage: Stage) -> None:
    """L7 `state` bound to the browser's session, checked on return: another browser can't use it, with or without a cookie of its own."""
    mine, other = stage.browser(), stage.browser()
    launch = stage.ehr.launch(PATIENT, ENCOUNTER)
    begun = mine.get(f"{stage.url}/smart/launch", params={"iss": stage.ehr.iss, "launch": launch}, allow_redirects=False, timeout=10)
    answer = mine.get(begun.headers["Location"], allow_redirects=False, timeout=10).headers["Location"]
    assert other.get(answer, timeout=10).status_code == 400
    other.get(f"{stage.url}/smart/launch", params={"iss": stage.ehr.iss, "launch": launch}, allow_redirects=False, timeout=10)
    refused = other.get(answer, timeout=10)
    assert refused.status_code == 400
    assert "smart.state" in refused.text
    assert stage.ehr.sent("/token") == []
    assert mine.settle(mine.get(answer, timeout=10)).status_code == 200


@pytest.mark.parametrize("query", ["", "?code=abc", "?code=abc&state=", "?code=abc&state=invented"])
def test_l7_an_answer_without_a_known_state_is_refused(stage: Stage, query: str) -> None:
    """L7 `state` checked on return."""
    answer = requests.get(f"{stage.url}/smart/callback{query}", timeout=10)
    assert answer.status_code == 400
    assert stage.ehr.sent("/token") == []


def test_l7_an_answer_is_taken_once(stage: Stage) -> None:
    """L7 a state that came back is used up: going back in the browser doesn't exchange a code again."""
    browser = stage.browser()
    launch = stage.ehr.launch(PATIENT, ENCOUNTER)
    begun = browser.get(f"{stage.url}/smart/launch", params={"iss": stage.ehr.iss, "launch": launch}, allow_redirects=False, timeout=10)
    callback = browser.get(begun.headers["Location"], allow_redirects=False, timeout=10).headers["Location"]
    assert browser.get(callback, timeout=20).status_code == 200
    assert browser.get(callback, timeout=10).status_code == 400
    assert len(stage.ehr.sent("/token")) == 1


def test_l8_the_token_request_of_a_public_app(stage: Stage) -> None:
    """L8 Token request: `grant_type`, `code`, the same `redirect_uri`, `code_verifier`; `client_id` for public apps only."""
    stage.open(stage.browser())
    (token,) = stage.ehr.sent("/token")
    assert token.form.keys() == {"grant_type", "code", "redirect_uri", "code_verifier", "client_id"}
    assert token.form["grant_type"] == "authorization_code"
    assert token.form["redirect_uri"] == f"{stage.url}/smart/callback"
    assert token.form["client_id"] == CLIENT
    assert token.headers["Content-Type"].startswith("application/x-www-form-urlencoded")


@pytest.mark.parametrize("code", ["access_denied", "server_error", "<script>"])
def test_l8_a_launch_that_the_ehr_refuses_is_told_without_its_words(stage: Stage, code: str) -> None:
    """L8, L14 an error from the EHR is a page with a remedy; what it says is never put on the page."""
    stage.ehr.behaviour.authorize_error = code
    page = stage.open(stage.browser())
    assert page.status_code == 400
    assert "alert(1)" not in page.text
    assert "<script>" not in page.text


def test_l8_a_refused_code_is_told(stage: Stage) -> None:
    """L8 an error of the token endpoint ends the launch: no session, no chart."""
    stage.ehr.behaviour.token_status = 400
    page = stage.open(stage.browser())
    assert page.status_code == 502
    assert "invalid_grant" in page.text
    assert "<b>" not in page.text


def test_l17_two_charts_at_once_never_mix(stage: Stage) -> None:
    """L17 One session for each launch (keyed by state), so two charts open at once never mix: each page keeps its patient and its token."""
    stage.ehr.resources |= chart_resources("Other note: Essential hypertension.", "bert", "visit-9")
    browser = stage.browser()
    first_launch, second_launch = stage.ehr.launch(PATIENT, ENCOUNTER), stage.ehr.launch("bert", "visit-9")
    starts = [
        browser.get(f"{stage.url}/smart/launch", params={"iss": stage.ehr.iss, "launch": launch}, allow_redirects=False, timeout=10).headers["Location"]
        for launch in (first_launch, second_launch)
    ]
    # The answers come back in the other order.
    second = browser.settle(browser.get(starts[1], timeout=20))
    first = browser.settle(browser.get(starts[0], timeout=20))
    assert "Testwood, Amalia" in first.text
    assert "Bert" not in first.text
    assert "Testwood, Bert" in second.text
    assert first.url != second.url
    again = browser.get(second.url, timeout=20)
    assert "Testwood, Bert" in again.text
    read = [a for a in stage.ehr.asked if a.path.startswith("/fhir/Patient/")]
    assert all(stage.ehr.tokens[a.headers["Authorization"].removeprefix("Bearer ")] == a.path.rsplit("/", 1)[1] for a in read)


def test_l17_a_chart_of_another_browser_is_not_to_be_had(stage: Stage) -> None:
    """L17 the address of a chart is worth nothing without the browser that opened it."""
    page = stage.open(stage.browser())
    stranger = requests.get(page.url, timeout=10)
    assert stranger.status_code == 401
    assert "Testwood" not in stranger.text


def test_l17_the_review_address_alone_never_shows_an_earlier_chart(stage: Stage) -> None:
    """L17 what others get wrong: the first patient shown after the chart was changed."""
    browser = stage.browser()
    stage.open(browser)
    page = browser.get(f"{stage.url}/smart/review", timeout=10)
    assert page.status_code == 401
    assert "Testwood" not in page.text


def test_l17_the_next_person_at_a_shared_computer_ends_the_last_ones_charts(stage: Stage) -> None:
    """L17 sessions shared between two people: a launch by somebody else ends the charts that were open in this browser."""
    browser = stage.browser()
    first = stage.open(browser)
    stage.ehr.user = "Practitioner/8"
    stage.open(browser)
    assert browser.get(first.url, timeout=10).status_code == 401


def test_default_scopes_are_read_only(stage: Stage) -> None:
    """L10 least privilege: the app asks for nothing that could change a chart."""
    scopes = Scopes.parse(authorize_url(stage, launch="x")["scope"])
    assert not any(scopes.allows(kind, change) for kind in ("Condition", "DocumentReference", "Observation") for change in "cud")
    assert scopes.missing() == ()
