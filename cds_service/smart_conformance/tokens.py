"""Lines L8 to L13: token request, client authentication, scopes, context, id_token, refresh."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus, urlsplit

import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from cds_service.conformance import Level, Skip
from cds_service.errors import UpstreamError
from cds_service.smart_conformance.checklist import line
from cds_service.smart_conformance.ehr import Asked
from cds_service.smart_conformance.stage import Stage

_SCOPE_V2 = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]+)\.(?=.)c?r?u?d?s?(\?.+)?")
_RESOURCE_SCOPE = re.compile(r"(patient|user|system)/")
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
_LONGEST_S = 300
_NO_JWT = "a.b.c"
_TOLD = re.compile(r"access|permission|permit|scope|allow|granted|authori[sz]", re.IGNORECASE)


@line("L8", Level.SHALL, "Token request: grant_type, code, the same redirect_uri, code_verifier; client_id for public apps only")
def token_request(stage: Stage) -> Iterator[str]:
    """A form, sent once."""
    asked = stage.asked()
    if not stage.good().tokens:
        yield "no token request came"
        return
    token = stage.exchanged()
    if not token.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        yield f"Content-Type is {token.headers.get('content-type')}"
    yield from (f"{name} is missing" for name in ("grant_type", "code", "redirect_uri", "code_verifier") if not token.form.get(name))
    if token.form.get("grant_type") != "authorization_code":
        yield f"grant_type is {token.form.get('grant_type')}"
    if token.form.get("redirect_uri") != asked.query.get("redirect_uri"):
        yield "redirect_uri isn't the one of the authorisation request"
    if stage.auth == "public" and token.form.get("client_id") != stage.ehr.client_id:
        yield "client_id is missing or wrong"
    if stage.auth != "public" and "client_id" in token.form:
        yield "client_id is sent by a confidential app"


def _keys(stage: Stage) -> tuple[KeySet, list[dict[str, Any]]]:
    if not stage.jwks_url:
        raise Skip("give --jwks-url")
    try:
        document = requests.get(stage.jwks_url, timeout=30).json()
        return KeySet.import_key_set(document), list(document["keys"])
    except (requests.RequestException, ValueError, KeyError, JoseError) as error:
        raise UpstreamError(f"{stage.jwks_url} holds no JWK set ({type(error).__name__}).", "Check the address.") from error


@line("L9", Level.SHALL, "Confidential app: private_key_jwt (iss = sub = client_id, aud = token URL, exp within 5 minutes, jti new; RS384 or ES384), or basic")
def client_authentication(stage: Stage) -> Iterator[str]:
    """As the app is registered (--auth)."""
    if stage.auth == "public":
        raise Skip("the app is registered as public")
    token = stage.exchanged()
    if stage.auth == "client_secret_basic":
        yield from _basic(stage, token)
        return
    keys, _ = _keys(stage)
    claims = []
    for request in (token, *stage.launch().tokens[:1]):
        if request.form.get("client_assertion_type") != _ASSERTION:
            yield "client_assertion_type is missing or wrong"
        try:
            assertion = jwt.decode(request.form.get("client_assertion", ""), keys, algorithms=["RS384", "ES384"])
        except (JoseError, ValueError) as error:
            yield f"client_assertion isn't signed by a key of {stage.jwks_url} with RS384 or ES384 ({type(error).__name__})"
            return
        claims.append(assertion.claims)
    right = {"iss": stage.ehr.client_id, "sub": stage.ehr.client_id, "aud": f"{stage.ehr.url}/main/token"}
    yield from (f"{name} is {claims[0].get(name)}" for name, value in right.items() if claims[0].get(name) != value)
    if not time.time() < float(claims[0].get("exp", 0)) <= time.time() + _LONGEST_S:
        yield "exp is missing, past, or more than 5 minutes ahead"
    if not claims[0].get("jti") or len({c.get("jti") for c in claims}) < len(claims):
        yield "jti is missing or repeats"


def _basic(stage: Stage, token: Asked) -> Iterator[str]:
    kind, _, pair = token.headers.get("authorization", "").partition(" ")
    try:
        name, _, secret = base64.b64decode(pair, validate=True).decode().partition(":")
    except ValueError:
        kind, name, secret = "", "", ""
    if kind.lower() != "basic":
        yield "the Authorization header isn't Basic"
    elif unquote_plus(name) != stage.ehr.client_id or (stage.client_secret and unquote_plus(secret) != stage.client_secret):
        yield "client_id or secret in the Authorization header is wrong (RFC 6749, 2.3.1: form-encoded)"
    if "client_secret" in token.form:
        yield "the secret stands in the body"


@line("L9a", Level.SHOULD, "client_secret_basic is supported beside private_key_jwt")
def basic_too(stage: Stage) -> Iterator[str]:
    """At an EHR that registers the app so."""
    if stage.auth == "public":
        raise Skip("the app is registered as public")
    launch = stage.launch(issuer="symmetric")
    if not launch.tokens:
        yield f"no token request came (answered with {launch.page.status_code})"
        return
    yield from _basic(stage, launch.tokens[0])


@line("L9b", Level.SHALL, "The app's key set is at a fixed address and holds public keys only")
def key_set(stage: Stage) -> Iterator[str]:
    """Each with a kid."""
    if stage.auth != "private_key_jwt":
        raise Skip("the app signs nothing")
    _, entries = _keys(stage)
    yield from (f"a key has the private member {name}" for entry in entries for name in sorted(_PRIVATE & set(entry)))
    yield from ("a key has no kid" for entry in entries if not entry.get("kid"))


@line("L10", Level.SHALL, "Scopes of version 2, letters in the order cruds")
def scopes(stage: Stage) -> Iterator[str]:
    """patient/Condition.rs"""
    for scope in stage.asked().query.get("scope", "").split():
        if _RESOURCE_SCOPE.match(scope) and not _SCOPE_V2.fullmatch(scope):
            yield scope


@line("L10a", Level.SHALL, "Scopes of version 1 are understood when they are granted")
def scopes_v1(stage: Stage) -> Iterator[str]:
    """patient/*.read"""
    stage.opened()
    launch = stage.launch(stage.case(token={"scope": "launch openid fhirUser patient/*.read"}))
    if not launch.opened:
        yield f"no chart opens (answered with {launch.page.status_code})"


@line("L10b", Level.HOUSE, "What was granted is read; where less was granted the app goes on and says so")
def degraded(stage: Stage) -> Iterator[str]:
    """Without results and drugs."""
    whole = stage.opened()
    kinds = "patient/Patient.rs patient/Encounter.rs patient/DocumentReference.rs patient/Condition.rs"
    launch = stage.launch(stage.case(token={"scope": f"launch openid fhirUser {kinds}"}))
    if not launch.opened:
        yield f"no chart opens (answered with {launch.page.status_code})"
    elif len(_TOLD.findall(launch.page.text)) <= len(_TOLD.findall(whole.page.text)):
        yield "the page says nothing of access"


@line("L11", Level.SHALL, "patient and encounter of the token response are what is read")
def context(stage: Stage) -> Iterator[str]:
    """And no other patient's."""
    launch, chart = stage.good(), stage.chart
    if not launch.opened:
        yield f"no chart opens (answered with {launch.page.status_code})"
    asked = [f"{a.path}?{a.query.get('patient', '')}{a.query.get('subject', '')}" for a in launch.reads]
    if not any(f"Patient/{chart.patient_id}" in a or a.endswith(chart.patient_id) for a in asked):
        yield "nothing of the patient is read"
    others = [a for a in launch.reads if a.path.startswith("fhir/Patient/") and a.path != f"fhir/Patient/{chart.patient_id}"]
    yield from (f"{a.path} is read" for a in others)
    if not any(a.path == f"fhir/Encounter/{chart.encounter_id}" or chart.encounter_id in (a.query.get("encounter"), a.query.get("_id")) for a in launch.reads):
        yield "the encounter isn't read"


@line("L11a", Level.SHALL, "fhirContext, intent, tenant and unknown members do no harm")
def odd_context(stage: Stage) -> Iterator[str]:
    """References in it may be of any form."""
    stage.opened()
    odd: dict[str, Any] = {"fhirContext": [{"reference": "../../etc"}, "x", {}, {"reference": f"Encounter/{stage.chart.encounter_id}"}]}
    launch = stage.launch(stage.case(token=odd | {"intent": "<i>", "tenant": "t", "made_up": {"a": [1]}}))
    if not launch.opened:
        yield f"no chart opens (answered with {launch.page.status_code})"


@line("L11b", Level.SHALL, "need_patient_banner true: the patient's name is shown")
def banner(stage: Stage) -> Iterator[str]:
    """The EHR shows it nowhere then."""
    page = stage.opened().page
    if "Simulated" not in page.text:
        yield "the patient's name isn't on the page"


@line("L11c", Level.HOUSE, "smart_style_url is untrusted: on a foreign host it is neither read nor put on the page")
def style(stage: Stage) -> Iterator[str]:
    """It could show anything."""
    stage.opened()
    url = f"{stage.ehr.elsewhere}/style.json"
    launch = stage.launch(stage.case(token={"smart_style_url": url}))
    if stage.ehr.sent("style.json", issuer="elsewhere"):
        yield "it is read"
    if url in launch.page.text:
        yield "it is on the page"


@line("L11d", Level.SHALL, "Without a patient there is no chart")
def no_patient(stage: Stage) -> Iterator[str]:
    """Nor with one that is no id."""
    for patient in (None, "", "../Patient", 7):
        launch = stage.launch(stage.case(token={"patient": patient, "encounter": None}))
        if launch.opened:
            yield f"patient {patient!r} opens a chart"
        elif launch.page.status_code >= 500 and launch.page.status_code not in (502, 503):
            yield f"patient {patient!r} is answered with {launch.page.status_code}"


@line("L12", Level.SHALL, "id_token: openid-configuration and keys of the issuer are read, RS256 is accepted")
def identity(stage: Stage) -> Iterator[str]:
    """Where openid is asked for."""
    if "openid" not in stage.asked().query.get("scope", "").split():
        raise Skip("the app doesn't ask for openid")
    if not stage.good().opened:
        yield "a genuine id_token opens no chart"
    if not stage.ehr.sent("jwks", issuer="main"):
        yield "the issuer's keys aren't read"


@line("L12a", Level.SHALL, "id_token: iss, aud = client_id, exp and nonce are checked")
def claims(stage: Stage) -> Iterator[str]:
    """A wrong one ends the launch."""
    _openid(stage)
    wrong: dict[str, dict[str, Any]] = {
        "another iss": {"iss": "https://attacker.example"},
        "another aud": {"aud": "another-app"},
        "an old one": {"iat": int(time.time()) - 7200, "exp": int(time.time()) - 3600},
        "without exp": {"exp": None},
        "another nonce": {"nonce": "replayed"},
    }
    if not stage.asked().query.get("nonce"):
        del wrong["another nonce"]  # SMART doesn't ask for a nonce; OpenID Connect has it checked where one was sent
    for what, changes in wrong.items():
        if stage.launch(stage.case(claims=changes)).opened:
            yield f"{what} opens a chart"


@line("L12b", Level.SHALL, "id_token: the signature is checked")
def signature(stage: Stage) -> Iterator[str]:
    """A stranger's key, none, the public key as a shared secret, no token at all."""
    _openid(stage)
    for signing in ("stranger", "none", "HS256"):
        if stage.launch(stage.case(signing=signing)).opened:
            yield f"a token signed by {signing} opens a chart"
    if stage.launch(stage.case(token={"id_token": _NO_JWT})).opened:
        yield "what is no token opens a chart"


def _openid(stage: Stage) -> None:
    stage.opened()
    if "openid" not in stage.asked().query.get("scope", "").split():
        raise Skip("the app doesn't ask for openid")


@line("L13", Level.SHALL, "online_access or offline_access: a new refresh token replaces the old one")
def refresh(stage: Stage) -> Iterator[str]:
    """The EHR takes each once."""
    browser = stage.browser()
    launch = stage.launch(stage.case(token={"expires_in": 1}), issuer="refresh", browser=browser)
    asked = launch.authorize.query.get("scope", "").split() if launch.authorize else []
    if not {"online_access", "offline_access"} & set(asked):
        raise Skip("the app asks for neither")

    def renewals() -> list[Asked]:
        return [a for a in stage.ehr.sent("token", issuer="refresh") if a.form.get("grant_type") == "refresh_token"]

    page = launch.page
    for _ in range(3):
        before = len(renewals())
        page = browser.follow(browser.get(page.url.partition("#")[0]))
        if len(renewals()) == before:
            time.sleep(1.2)  # the app may use a token to its last moment
    used = [a.form.get("refresh_token") for a in renewals()]
    if len(used) < 2:
        yield f"after the end of the token {len(used)} refreshes came"
    if len(set(used)) < len(used) or any(a.status != 200 for a in renewals()):
        yield "a refresh token is used again"
    if page.status_code != 200:
        yield f"the page answers {page.status_code} after a refresh"
    if urlsplit(page.url).path != urlsplit(launch.page.url).path:
        yield "the page is left for another"
