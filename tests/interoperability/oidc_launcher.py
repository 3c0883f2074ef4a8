"""Our app launched from `oidc_launcher.mjs`: an EHR whose authorisation server is the npm package `oidc-provider`, which somebody else wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import requests
from joserfc.jwk import RSAKey
from lxml import html

from cds_service.demo.patients import chart_folders
from cds_service.demo.patients.bundle import encounter_id
from cds_service.smart_conformance.browser import Browser, goes_to
from smart_app.settings import DEFAULT_SCOPES

_SECRET = "s3cret/with+signs:and%more"  # of a client that lives as long as the row
_METHODS = {"basic": "client_secret_basic", "signed": "private_key_jwt"}  # name of the FHIR base -> how the app proves who it is there
_USER = {"sub": "user-7", "name": "Cora Launchwright", "fhirUser": "Practitioner/ledger"}
_PATIENTS = [folder.slug for folder in chart_folders()][:3]  # one for each EHR, and one that a standalone launch picks
_SECONDS = 60


@dataclass(frozen=True)
class _Ehr:
    """The launcher and our app, and the FHIR base of one client."""

    url: str
    app: str
    base: str

    @property
    def iss(self) -> str:
        return f"{self.url}/{self.base}/fhir"

    def browser(self) -> Browser:
        """Return a browser without cookies."""
        return Browser(frozenset({self.url, self.app}), timeout_s=_SECONDS)

    def begin(self, browser: Browser, patient: str | None) -> str:
        """Return the authorisation request that our app makes: for a chart that the EHR has opened, or standalone."""
        query = {"iss": self.iss}
        if patient is not None:
            opened = requests.post(f"{self.url}/launches", json=_context(patient), timeout=_SECONDS)
            query["launch"] = str(opened.json()["launch"])
        answer = browser.get(f"{self.app}/smart/launch", query)
        goal = goes_to(answer)
        assert goal.startswith(f"{self.url}/auth?"), f"the app answers a launch with {_told(answer)}"
        return goal

    def seen(self) -> list[dict[str, Any]]:
        """Return what the token endpoint was asked by this client, and answered."""
        return [asked for asked in requests.get(f"{self.url}/seen", timeout=_SECONDS).json() if asked["client"] == f"marginalia-{self.base}"]


def launcher_settings(port: int, fhir: str, app: str) -> dict[str, Any]:
    """Return what `oidc_launcher.mjs` reads: the FHIR server behind it, and our app as two clients."""
    common = {"redirect_uris": [f"{app}/smart/callback"], "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]}
    own: dict[str, dict[str, str]] = {
        "basic": {"client_secret": _SECRET},
        "signed": {"jwks_uri": f"{app}/smart/jwks.json", "token_endpoint_auth_signing_alg": "RS384"},
    }
    clients = [
        {"path": base, "client_id": f"marginalia-{base}", "token_endpoint_auth_method": method, **common, **own[base]} for base, method in _METHODS.items()
    ]
    return {"port": port, "fhir": fhir, "user": _USER, "standalone": _context(_PATIENTS[2]), "clients": clients}


def service_settings(folder: Path, port: int) -> Path:
    """Write our service's settings, with the launcher on `port` as two EHRs, and return the file."""
    key = folder / "app-key.json"
    key.write_text(json.dumps(RSAKey.generate_key(2048).as_dict(private=True)))
    lines = ["[smart]", f"private_key = {json.dumps(str(key))}"]
    for base, method in _METHODS.items():
        values = {
            "iss": f"http://127.0.0.1:{port}/{base}/fhir",
            "client_id": f"marginalia-{base}",
            "auth": method,
            "scopes": f"{DEFAULT_SCOPES} online_access",
            "coders": [_USER["fhirUser"]],
        }
        values |= {"client_secret": _SECRET} if method == "client_secret_basic" else {}
        lines += ["[[smart.issuers]]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    config = folder / "app.toml"
    config.write_text("\n".join(lines))
    return config


def launches(url: str, app: str) -> str:
    """Return what was seen of the launcher at `url` and our app; raises AssertionError for what doesn't work."""
    marks = 0
    for base, patient in zip(_METHODS, _PATIENTS, strict=False):
        ehr = _Ehr(url, app, base)
        marks += _opens(ehr, patient) + _opens(ehr, None)
    _refusals(_Ehr(url, app, "basic"))
    return (
        f"EHR launch and standalone launch with {' and '.join(_METHODS.values())} (RS384, our keys fetched): 4 reviews open with {marks} marked excerpts, "
        "for the coder whom the id_token (RS256) names by fhirUser; tokens are refreshed, the second time with the new refresh token; "
        "the provider refuses another redirect URI on a page of its own, and another aud, no PKCE, PKCE with plain and the verifier of another launch, "
        "which our app tells the person; "
        "our app refuses an answer used twice"
    )


def _opens(ehr: _Ehr, patient: str | None) -> int:
    """Carry a launch through to the review, and return how many words of notes are marked there."""
    browser, before = ehr.browser(), len(ehr.seen())
    page = browser.follow(browser.get(ehr.begin(browser, patient)))
    told = _told(page)
    assert page.status_code == 200, f"the launch of {ehr.base} ends with {told}"
    assert page.url.startswith(f"{ehr.app}/smart/review/"), f"the launch of {ehr.base} ends with {told}"
    tree = html.fromstring(page.text)
    name = str(tree.xpath("string(//header//*[@class='patient']/strong)"))
    given, _, family = (patient or _PATIENTS[2]).partition("-")
    assert given in name.lower(), f"{name} is shown for {given} {family}"
    who = " ".join(str(tree.xpath("string(//header//*[@class='who']/span)")).split())
    assert who == f"{_USER['name']} · coder", f"the person is shown as {who}"
    assert "Partial view" not in page.text, "a scope is missing"
    again = browser.get(page.url)
    assert again.status_code == 200, f"the review loaded again: {_told(again)}"
    asked = ehr.seen()[before:]
    method = "Basic" if _METHODS[ehr.base] == "client_secret_basic" else "private_key_jwt"
    grants = [a["grant"] for a in asked]
    assert grants == ["authorization_code", *["refresh_token"] * (len(grants) - 1)], asked
    assert len(grants) > 2, "the token isn't refreshed twice"  # the second time with the refresh token that the first one brought
    assert all(a["status"] == 200 for a in asked), asked
    assert all(a["auth"] == method for a in asked), asked
    assert method == "Basic" or all(a["alg"] == "RS384" for a in asked), asked
    assert asked[0]["verifier"], "no code_verifier was sent"
    assert asked[0]["idToken"] == "RS256", asked
    marks = len(tree.xpath("//mark"))
    assert marks, f"the review of {name} shows no marked words"
    return marks


def _refusals(ehr: _Ehr) -> None:
    """What the provider must refuse, and how our app takes it."""
    assert requests.get(f"{ehr.iss}/Patient/{_PATIENTS[0]}", timeout=_SECONDS).status_code == 401, "a chart can be read without a token"
    browser = ehr.browser()
    other = browser.get(_changed(ehr.begin(browser, _PATIENTS[0]), redirect_uri=f"{ehr.app}/elsewhere"))
    assert other.status_code == 400, f"another redirect URI is answered with {_told(other)}"
    assert "redirect_uri" in other.text, _told(other)
    assert not goes_to(other), "the person is sent to a redirect URI that isn't registered"
    changed: tuple[tuple[str, dict[str, str | None]], ...] = (  # what the provider says, and why
        ("requires PKCE", {"code_challenge": None, "code_challenge_method": None}),
        ("not supported value of code_challenge_method", {"code_challenge_method": "plain"}),
        ("aud is not this FHIR server", {"aud": "https://attacker.example/fhir"}),
    )
    for reason, changes in changed:
        page = browser.follow(browser.get(_changed(ehr.begin(browser, _PATIENTS[0]), **changes)))
        assert page.url.startswith(f"{ehr.app}/smart/callback?error="), f"{changes}: {_told(page)}"
        assert reason in parse_qs(urlsplit(page.url).query)["error_description"][0], page.url
        assert "did not authorise the launch" in page.text, _told(page)
        assert 400 <= page.status_code < 500, _told(page)
    first, second = (_answer(ehr, browser) for _ in range(2))
    swapped = browser.get(_changed(first, code=parse_qs(urlsplit(second).query)["code"][0]))
    last = ehr.seen()[-1]
    assert (last["grant"], last["status"]) == ("authorization_code", 400), last
    assert "invalid_grant" in swapped.text, _told(swapped)
    fresh = _answer(ehr, browser)
    opened = browser.get(fresh)
    assert goes_to(opened).startswith(f"{ehr.app}/smart/review/"), _told(opened)
    asked = len(ehr.seen())
    again = browser.get(fresh)
    assert 400 <= again.status_code < 500, f"an answer used twice is answered with {_told(again)}"
    assert len(ehr.seen()) == asked, "a code is sent to the token endpoint twice"


def _answer(ehr: _Ehr, browser: Browser) -> str:
    """Return the address with which the provider sends the browser back to our app, which hasn't seen it yet."""
    only = Browser(frozenset({ehr.url}), timeout_s=_SECONDS, session=browser.session)
    goal = goes_to(only.follow(only.get(ehr.begin(browser, _PATIENTS[0]))))
    assert goal.startswith(f"{ehr.app}/smart/callback?code="), goal
    return goal


def _context(patient: str) -> dict[str, str | bool]:
    return {"patient": patient, "encounter": encounter_id(patient), "need_patient_banner": True}


def _changed(url: str, **changes: str | None) -> str:
    query = {**dict(parse_qsl(urlsplit(url).query)), **changes}
    return f"{url.partition('?')[0]}?{urlencode({name: value for name, value in query.items() if value is not None})}"


def _told(page: requests.Response) -> str:
    text = " ".join(str(html.fromstring(page.text or "<p>").text_content()).split())
    return f"{page.status_code} at {page.url.partition('?')[0]}: {text[:160]}"
