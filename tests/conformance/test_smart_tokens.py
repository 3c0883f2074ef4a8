"""Client authentication, scopes, launch context and refresh over real HTTP. Each test's docstring is a line of the checklist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.smart_ehr import SECRET, Ehr, ec_key, rsa_key
from tests.smart_stage import ENCOUNTER, PATIENT, running_service


@pytest.mark.parametrize("kind", ["RS384", "ES384"])
def test_l9_private_key_jwt(tmp_path: Path, ehr: Ehr, kind: str) -> None:
    """L9 private_key_jwt (`iss` = `sub` = client_id, `aud` = token URL, `exp` at most 5 minutes, `jti`; RS384 and ES384; JWKS at a fixed URL)."""
    key = ec_key() if kind == "ES384" else rsa_key("app", "app")
    file = tmp_path / "key.json"
    file.write_text(json.dumps(key.as_dict(private=True)))
    ehr.auth = "private_key_jwt"
    with running_service(tmp_path, ehr, smart={"private_key": str(file)}, issuer={"auth": "private_key_jwt"}) as stage:
        published = requests.get(f"{stage.url}/smart/jwks.json", timeout=10).json()
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & {name for entry in published["keys"] for name in entry}
        ehr.client_keys = KeySet.import_key_set(published)
        assert stage.open(stage.browser()).status_code == 200
        assert stage.open(stage.browser()).status_code == 200
    tokens = ehr.sent("/token")
    assertions = [jwt.decode(t.form["client_assertion"], ehr.client_keys, algorithms=[kind]) for t in tokens]
    assert all(t.form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" for t in tokens)
    assert all("client_id" not in t.form and "client_secret" not in t.form and "Authorization" not in t.headers for t in tokens)
    assert [a.header["alg"] for a in assertions] == [kind, kind]
    assert all(a.header["kid"] == published["keys"][0]["kid"] for a in assertions)
    assert assertions[0].claims["jti"] != assertions[1].claims["jti"]
    assert all(a.claims["exp"] - a.claims["iat"] <= 300 for a in assertions)


def test_l9_client_secret_basic(tmp_path: Path, ehr: Ehr) -> None:
    """L9 client_secret_basic supported: id and secret form-encoded in the header (RFC 6749, 2.3.1), never in the body."""
    ehr.auth = "client_secret_basic"
    with running_service(tmp_path, ehr, issuer={"client_secret": SECRET}) as stage:
        assert stage.open(stage.browser()).status_code == 200
    (token,) = ehr.sent("/token")
    assert token.headers["Authorization"].startswith("Basic ")
    assert "client_secret" not in token.form
    assert "client_id" not in token.form


def test_l9_a_method_that_the_server_does_not_offer_is_told_before_the_launch(tmp_path: Path, ehr: Ehr) -> None:
    """L9 the server's token_endpoint_auth_methods_supported are respected."""
    ehr.behaviour.configuration = {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}
    with running_service(tmp_path, ehr, issuer={"client_secret": SECRET}) as stage:
        page = requests.get(f"{stage.url}/smart/launch", params={"iss": ehr.iss, "launch": "x"}, allow_redirects=False, timeout=10)
    assert page.status_code == 502
    assert "private_key_jwt" in page.text


def test_l10_scopes_stand_in_the_order_of_v2(tmp_path: Path, ehr: Ehr) -> None:
    """L10 v2 scopes in `.cruds` order (`patient/Condition.rs`)."""
    with running_service(tmp_path, ehr) as stage:
        stage.open(stage.browser())
    (asked,) = ehr.sent("/authorize")
    suffixes = {s.rsplit(".", 1)[1] for s in asked.query["scope"].split() if "/" in s and "." in s}
    assert suffixes == {"rs", "r"}
    assert "patient/Condition.rs" in asked.query["scope"].split()


@pytest.mark.parametrize(
    ("scope", "missing"),
    [
        ("launch openid fhirUser patient/*.read", []),
        ("launch patient/*.rs", []),
        ("launch patient/*.*", []),
        ("launch patient/Encounter.rs patient/DocumentReference.rs patient/Condition.rs", ["laboratory results and vital signs", "medications"]),
        ("launch patient/DocumentReference.r patient/Condition.read patient/Observation.rs patient/MedicationRequest.read patient/Encounter.rs", ["notes"]),
    ],
)
def test_l10_what_was_not_granted_is_told(tmp_path: Path, ehr: Ehr, scope: str, missing: list[str]) -> None:
    """L10 understand v1; read the granted scopes and degrade with a clear message."""
    ehr.behaviour.token = {"scope": scope}
    with running_service(tmp_path, ehr) as stage:
        page = stage.open(stage.browser())
    assert page.status_code == 200
    told = page.text.split("The EHR gave no access to ")[1].split(".")[0] if "The EHR gave no access to " in page.text else ""
    assert told == ", ".join(missing)


def test_l10_an_answer_without_scope_grants_what_was_asked(tmp_path: Path, ehr: Ehr) -> None:
    """L10 a token response without `scope` grants the scopes asked for (RFC 6749, 5.1)."""
    ehr.behaviour.token = {"scope": None}
    with running_service(tmp_path, ehr) as stage:
        assert "gave no access" not in stage.open(stage.browser()).text


def test_l11_patient_and_encounter_of_the_context_are_read(tmp_path: Path, ehr: Ehr) -> None:
    """L11 Use `patient`, `encounter` of the token response."""
    with running_service(tmp_path, ehr) as stage:
        stage.open(stage.browser())
    assert ehr.sent(f"/fhir/Patient/{PATIENT}")
    assert ehr.sent(f"/fhir/Encounter/{ENCOUNTER}")


def test_l11_the_encounter_may_stand_in_fhir_context(tmp_path: Path, ehr: Ehr) -> None:
    """L11 Use `fhirContext[]`: references beside patient and encounter."""
    with running_service(tmp_path, ehr) as stage:
        launch = ehr.launch(PATIENT, fhirContext=[{"reference": f"Encounter/{ENCOUNTER}"}, {"reference": "../../etc"}, "nonsense"])
        page = stage.browser().launch(stage.url, ehr, launch)
    assert page.status_code == 200
    assert ehr.sent(f"/fhir/Encounter/{ENCOUNTER}")


def test_l11_the_page_opens_at_the_note_that_the_ehr_was_on(tmp_path: Path, ehr: Ehr) -> None:
    """L11 Use `fhirContext[]`: a note in it is where the page opens; one that isn't there changes nothing."""
    note = f"DocumentReference/{PATIENT}-note"
    with running_service(tmp_path, ehr) as stage:
        page = stage.open(stage.browser(), fhirContext=[{"reference": note}])
        other = stage.open(stage.browser(), fhirContext=[{"reference": "DocumentReference/other"}])
    asked = page.text.split('data-asked="')[1].split('"')[0]
    assert f'id="{asked}"' in page.text
    assert note in page.text.split(f'id="{asked}"')[1][:2000]
    assert "data-asked" not in other.text


@pytest.mark.parametrize(("context", "banner"), [({"need_patient_banner": True}, True), ({"need_patient_banner": False}, False), ({}, True)])
def test_l11_the_patient_banner_is_shown_where_the_ehr_does_not(tmp_path: Path, ehr: Ehr, context: dict[str, Any], banner: bool) -> None:
    """L11 Use `need_patient_banner`; where it is absent the banner is shown."""
    with running_service(tmp_path, ehr) as stage:
        page = stage.open(stage.browser(), **context)
    assert ('aria-label="Patient"' in page.text) is banner


def test_l11_the_style_url_is_not_trusted(tmp_path: Path, ehr: Ehr) -> None:
    """L11 `smart_style_url` (untrusted): on another host it is neither asked nor put on the page."""
    with running_service(tmp_path, ehr) as stage:
        page = stage.open(stage.browser(), smart_style_url="https://evil.example/style.json?evil", intent="<i>x</i>", tenant="t")
    assert page.status_code == 200
    assert "style.json" not in page.text
    assert "style.css" not in page.text


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ({"color_highlight": "#0a5c36", "color_background": "#f6f2ea"}, "--accent: #0a5c36; --ground: #f6f2ea;"),
        ({"color_highlight": "#ffcc00", "color_background": "#333"}, ""),  # neither is readable
        ({"color_highlight": "red; } body { display: none", "color_background": "url(https://evil.example)"}, ""),
        ({"color_highlight": 7, "font_family_body": "</style><script>alert(1)</script>"}, ""),
        ("<script>alert(1)</script>", ""),
    ],
)
def test_l11_of_the_ehr_s_style_only_harmless_colours_are_taken(tmp_path: Path, ehr: Ehr, style: object, expected: str) -> None:
    """L11 `smart_style_url` of the EHR's own server: colours in hexadecimal digits with enough contrast, nothing else."""
    ehr.style = style
    with running_service(tmp_path, ehr) as stage:
        browser = stage.browser()
        page = stage.open(browser, smart_style_url=f"{ehr.url}/style.json")
        sheet = browser.get(f"{page.url.split('#')[0]}/style.css", timeout=10)
    assert "style.json" not in page.text
    assert sheet.headers["Content-Type"].startswith("text/css")
    if expected:
        assert expected in sheet.text
    else:
        assert sheet.text == ""


@pytest.mark.parametrize("patient", [None, "", "a/b", "../x", 7, "x" * 65])
def test_l11_without_a_patient_there_is_no_chart(tmp_path: Path, ehr: Ehr, patient: object) -> None:
    """L11 a token response without a usable patient ends the launch."""
    ehr.behaviour.token = {"patient": patient}
    with running_service(tmp_path, ehr) as stage:
        page = stage.open(stage.browser())
    assert page.status_code == 400
    assert "smart.no-patient" in page.text
    assert not any(a.path.startswith("/fhir/Patient") for a in ehr.asked)


def test_l13_a_refresh_token_replaces_the_old_one(tmp_path: Path, ehr: Ehr) -> None:
    """L13 `online_access`/`offline_access`; a new refresh token replaces the old one."""
    ehr.behaviour.token = {"expires_in": 1}  # nearer than the margin: each page needs a new token
    with running_service(tmp_path, ehr, issuer={"scopes": "openid fhirUser online_access patient/*.rs"}) as stage:
        browser = stage.browser()
        page = stage.open(browser)
        again = browser.get(page.url, timeout=10)
    assert page.status_code == again.status_code == 200
    used = [t.form["refresh_token"] for t in ehr.sent("/token") if t.form["grant_type"] == "refresh_token"]
    assert len(used) >= 2
    assert len(set(used)) == len(used)
    assert all("scope" not in t.form for t in ehr.sent("/token"))


def test_l13_without_a_refresh_token_the_end_is_told(tmp_path: Path, ehr: Ehr) -> None:
    """L13 without refresh the chart ends with its token: the page says so and what to do."""
    ehr.behaviour.token = {"expires_in": 1}
    with running_service(tmp_path, ehr) as stage:
        page = stage.open(stage.browser())
    assert page.status_code == 401
    assert "smart.expired" in page.text
    assert "Decisions that you recorded are kept" in page.text


def test_l13_a_token_that_the_ehr_revoked_ends_the_chart(tmp_path: Path, ehr: Ehr) -> None:
    """L13 a token may end early: 401 of the FHIR server is told as the end of the permission."""
    with running_service(tmp_path, ehr) as stage:
        browser = stage.browser()
        page = stage.open(browser)
        ehr.tokens.clear()
        again = browser.get(page.url, timeout=10)
    assert again.status_code == 401
    assert "smart.expired" in again.text


def test_l9_the_key_set_is_empty_without_a_key(tmp_path: Path, ehr: Ehr) -> None:
    """L9 JWKS at a fixed URL: an app that signs nothing publishes no key."""
    with running_service(tmp_path, ehr) as stage:
        answer = requests.get(f"{stage.url}/smart/jwks.json", timeout=10)
    assert answer.json() == {"keys": []}
    assert answer.headers["Content-Type"] == "application/json"


def test_l8_a_token_of_another_type_is_refused(tmp_path: Path, ehr: Ehr) -> None:
    """L8 only a Bearer token is used."""
    ehr.behaviour.token = {"token_type": "mac"}
    with running_service(tmp_path, ehr) as stage:
        assert stage.open(stage.browser()).status_code == 502
