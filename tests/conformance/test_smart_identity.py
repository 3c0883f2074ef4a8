"""The id_token over real HTTP: only a genuine one names a person. Each test's docstring is a line of the checklist."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.smart_ehr import rsa_key
from tests.smart_stage import Stage


def test_l12_a_genuine_token_names_the_person(stage: Stage) -> None:
    """L12 id_token: issuer, openid-configuration, JWKS, signature, `iss`, `aud` = client_id, `exp`, `nonce`; then `fhirUser`. RS256 accepted."""
    page = stage.open(stage.browser())
    assert page.status_code == 200
    assert "Dr. Ada Testing · clinician" in page.text
    order = [a.path for a in stage.ehr.asked if a.path in ("/token", "/.well-known/openid-configuration", "/jwks")]
    assert order == ["/token", "/.well-known/openid-configuration", "/jwks"]


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"iss": "https://evil.example.org"}, id="another issuer"),
        pytest.param({"iss": None}, id="no issuer"),
        pytest.param({"aud": "another-app"}, id="another audience"),
        pytest.param({"aud": ["marginalia-test", "another-app"]}, id="several audiences without azp"),
        pytest.param({"aud": None}, id="no audience"),
        pytest.param({"exp": int(time.time()) - 3600}, id="expired"),
        pytest.param({"exp": None}, id="never expires"),
        pytest.param({"nonce": "replayed"}, id="another nonce"),
        pytest.param({"nonce": None}, id="no nonce"),
        pytest.param({"sub": None}, id="no subject"),
        pytest.param({"iat": int(time.time()) + 3600}, id="from the future"),
    ],
)
def test_l12_a_token_with_a_wrong_claim_ends_the_launch(stage: Stage, claims: dict[str, Any]) -> None:
    """L12 `iss`, `aud` = client_id, `exp`, `nonce` are checked: a wrong one ends the launch, and no chart is read."""
    stage.ehr.behaviour.claims = claims
    page = stage.open(stage.browser())
    assert page.status_code == 400
    assert "smart.id-token" in page.text
    assert not any(a.path.startswith("/fhir/Patient") for a in stage.ehr.asked)


@pytest.mark.parametrize("signed_with", ["stranger", "none", "HS256"])
def test_l12_a_token_that_the_issuer_did_not_sign_ends_the_launch(stage: Stage, signed_with: str) -> None:
    """L12 signature: neither a stranger's key, nor no signature, nor the public key misused as a shared secret will do."""
    stage.ehr.behaviour.signed_with = signed_with
    page = stage.open(stage.browser())
    assert page.status_code == 400
    assert "smart.id-token" in page.text


@pytest.mark.parametrize("token", ["", "a.b.c", "not a token ü", 7])
def test_l12_what_is_no_token_names_nobody(stage: Stage, token: object) -> None:
    """L12 a malformed id_token never names a person: an absent one lets the chart be read, anything else ends the launch."""
    stage.ehr.behaviour.token = {"id_token": token}
    page = stage.open(stage.browser())
    absent = token in ("", 7)
    assert page.status_code == (200 if absent else 400)
    assert "Dr. Ada Testing · " not in page.text


def test_l12_a_configuration_that_names_another_issuer_is_refused(stage: Stage) -> None:
    """L12 openid-configuration: its `issuer` must be the one that was asked (OpenID Connect Discovery 4.3)."""
    stage.ehr.behaviour.openid = {"issuer": "https://evil.example.org"}
    assert stage.open(stage.browser()).status_code == 400


def test_l12_keys_that_changed_are_fetched_again(stage: Stage) -> None:
    """L12 JWKS: the EHR may change its keys; an unknown kid is looked up once more."""
    stage.open(stage.browser())
    stage.ehr.key = rsa_key("ehr-2", "rotated")
    page = stage.open(stage.browser())
    assert page.status_code == 200
    assert len(stage.ehr.sent("/jwks")) == 2


def test_l12_an_older_server_without_issuer_is_trusted_on_its_own_host_only(stage: Stage) -> None:
    """L12 issuer: where the smart-configuration names none, the token's must be on a host of the launch."""
    stage.ehr.behaviour.configuration = {"issuer": None}
    assert stage.open(stage.browser()).status_code == 200
    stage.ehr.behaviour.claims = {"iss": "http://127.0.0.1:9/"}
    assert stage.open(stage.browser()).status_code == 400


def test_l12_the_person_decides_the_role(stage: Stage) -> None:
    """L12 then `fhirUser`: who isn't named as a coder in the settings is a clinician."""
    stage.ehr.user = "Practitioner/someone-else"
    stage.ehr.user_name = None
    page = stage.open(stage.browser())
    assert "Practitioner/someone-else · clinician" in page.text


@pytest.mark.parametrize("fhir_user", ["javascript:alert(1)", "<b>x</b>", 7, "Patient/../Practitioner/7"])
def test_l12_a_fhir_user_of_a_wrong_form_is_not_taken_over(stage: Stage, fhir_user: object) -> None:
    """L12 fhirUser is input: only a reference or a URL is taken over."""
    stage.ehr.behaviour.claims = {"fhirUser": fhir_user, "name": None}
    page = stage.open(stage.browser())
    assert page.status_code == 200
    assert "user-7 · clinician" in page.text  # the subject stands for the person
