"""Lines L1 to L7: launch, discovery, the authorisation request."""

from __future__ import annotations

import hashlib
import math
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, urlsplit

from cds_service.conformance import Level, Skip
from cds_service.smart_conformance.browser import goes_to
from cds_service.smart_conformance.checklist import line
from cds_service.smart_conformance.ehr import Asked
from cds_service.smart_conformance.stage import Stage

_BITS = 122
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_REQUIRED = ("response_type", "client_id", "redirect_uri", "scope", "state", "aud", "code_challenge", "code_challenge_method")


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _begun(stage: Stage, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Begin an EHR launch and return the query of the authorisation request; nothing is followed."""
    answer = stage.begin(stage.ehr.launch(stage.case()), more=more)
    return {name: values[0] for name, values in parse_qs(urlsplit(goes_to(answer)).query).items()}


@line("L1", Level.SHALL, "EHR launch: iss and launch are taken, launch is echoed, the scope has launch")
def ehr_launch(stage: Stage) -> Iterator[str]:
    """The EHR's click leads to its authorisation endpoint."""
    launch = stage.good()
    if launch.authorize is None:
        yield f"no authorisation request came; the app answered {launch.page.status_code}"
        return
    if "launch" not in launch.authorize.query.get("scope", "").split():
        yield "the scope lacks launch"


@line("L1a", Level.SHALL, "iss is allow-listed: nothing is sent to any other")
def allow_list(stage: Stage) -> Iterator[str]:
    """An issuer that nobody registered, and addresses that are none."""
    for iss in (f"{stage.ehr.elsewhere}/fhir", "https://attacker.example/fhir", "javascript:alert(1)"):
        answer = stage.begin("x", more={"iss": iss})
        if answer.status_code >= 500:
            yield f"iss {iss} is answered with {answer.status_code}"
        elif answer.is_redirect and not goes_to(answer).startswith(stage.launch_url.rpartition("/")[0]):
            yield f"iss {iss} leads to {goes_to(answer).partition('?')[0]}"
    if stage.ehr.sent("fhir/", issuer="elsewhere"):
        yield "the app asked an issuer that isn't registered"


@line("L2", Level.SHOULD, "Standalone launch: launch/patient or launch/encounter, no launch")
def standalone(stage: Stage) -> Iterator[str]:
    """The patient comes with the token."""
    stage.ehr.standalone["main"] = stage.case()
    browser = stage.browser()
    answer = stage.begin(browser=browser)
    if not stage.goes_to_the_ehr(answer):
        raise Skip(f"no standalone launch is offered (answered with {answer.status_code})")
    page = browser.follow(answer)
    asked = stage.ehr.sent("authorize")[-1]
    if "launch" in asked.query:
        yield "launch is sent"
    scopes = set(asked.query.get("scope", "").split())
    if not scopes & {"launch/patient", "launch/encounter"}:
        yield "the scope has neither launch/patient nor launch/encounter"
    if not stage.settled(asked.launch, stage.case(), browser, page).opened:
        yield f"no chart opens (answered with {page.status_code})"


@line("L3", Level.SHALL, "GET {iss}/.well-known/smart-configuration with Accept: application/json; a trailing / of iss is stripped")
def discovery(stage: Stage) -> Iterator[str]:
    """No token goes along."""
    stage.good()
    asked = stage.ehr.sent("fhir/.well-known/smart-configuration", issuer="main")
    if not asked:
        if stage.good().authorize is None:
            yield "the configuration isn't read"
            return
        raise Skip("the configuration wasn't read now: the app may remember it, start it anew")
    if "application/json" not in asked[0].headers.get("accept", ""):
        yield f"Accept is {asked[0].headers.get('accept', 'missing')}"
    if "authorization" in asked[0].headers:
        yield "an Authorization header goes along"
    answer = stage.begin(stage.ehr.launch(stage.case()), more={"iss": f"{stage.ehr.iss()}/"})
    if not stage.goes_to_the_ehr(answer):
        yield f"iss with a trailing / is answered with {answer.status_code}"


@line("L3a", Level.SHALL, "Relative addresses of the configuration are resolved")
def relative(stage: Stage) -> Iterator[str]:
    """Against the FHIR base."""
    launch = stage.launch(issuer="relative")
    if launch.authorize is None:
        yield f"no authorisation request came (answered with {launch.page.status_code})"


@line("L3b", Level.HOUSE, "capabilities are heeded: no standalone launch where the EHR offers none")
def capabilities(stage: Stage) -> Iterator[str]:
    """An error that says so instead of one at the EHR."""
    answer = stage.begin(issuer="ehr-only")
    stage.registered("ehr-only")
    if stage.goes_to_the_ehr(answer):
        yield "the person is sent to the EHR all the same"


@line("L4", Level.SHALL, "Registered, fixed launch and redirect URI")
def fixed(stage: Stage) -> Iterator[str]:
    """No parameter of a launch can change where the code goes."""
    used = stage.asked().query.get("redirect_uri", "")
    if stage.redirect_url and used != stage.redirect_url:
        yield f"redirect_uri is {used}, registered is {stage.redirect_url}"
    wish = {"redirect_uri": "https://attacker.example/", "redirect": "https://attacker.example/", "aud": "https://attacker.example/"}
    changed = _begun(stage, wish)
    if changed.get("redirect_uri", "") != used:
        yield f"a parameter changes redirect_uri to {changed.get('redirect_uri')}"
    if changed.get("aud", "") != stage.ehr.iss():
        yield f"a parameter changes aud to {changed.get('aud')}"


@line("L5", Level.SHALL, "Authorisation request: response_type=code, client_id, redirect_uri, scope, state, aud (= iss), code_challenge, S256")
def complete(stage: Stage) -> Iterator[str]:
    """Each is there and right."""
    query = stage.asked().query
    yield from (f"{name} is missing" for name in _REQUIRED if not query.get(name))
    right = {"response_type": "code", "client_id": stage.ehr.client_id, "aud": stage.ehr.iss(), "code_challenge_method": "S256"}
    yield from (f"{name} is {query[name]}, not {value}" for name, value in right.items() if query.get(name, value) != value)


@line("L6", Level.SHALL, "PKCE always, with S256: a new verifier for each launch, which only the token endpoint sees")
def pkce(stage: Stage) -> Iterator[str]:
    """RFC 7636."""
    first, second = stage.asked().query.get("code_challenge", ""), _begun(stage).get("code_challenge", "")
    if not _CHALLENGE.fullmatch(first):
        yield "code_challenge isn't 43 characters of base64url"
    if first and first == second:
        yield "two launches have the same code_challenge"
    verifier = stage.exchanged().form.get("code_verifier", "")
    if not _VERIFIER.fullmatch(verifier):
        yield "code_verifier isn't 43 to 128 unreserved characters"
    elif challenge_of(verifier) != first:
        yield "code_verifier doesn't belong to code_challenge"
    if any("code_verifier" in asked.query for asked in stage.ehr.asked):
        yield "code_verifier goes through the browser"


@line("L6a", Level.SHALL, "Never plain: a server that doesn't list S256 gets no request without it")
def never_plain(stage: Stage) -> Iterator[str]:
    """code_challenge_methods_supported is checked."""
    answer = stage.begin(stage.ehr.launch(stage.case()), issuer="no-pkce")
    stage.registered("no-pkce")
    if stage.goes_to_the_ehr(answer) and "code_challenge_method=S256" not in goes_to(answer):
        yield "the launch goes on without S256"


@line("L7", Level.SHALL, "state is unpredictable, at least 122 bits")
def unpredictable(stage: Stage) -> Iterator[str]:
    """Ten launches: none repeats, and what differs is long enough."""
    states = [_begun(stage).get("state", "") for _ in range(10)]
    if len(set(states)) < len(states):
        yield "state repeats"
        return
    same = len(_common(states))
    signs = len({sign for state in states for sign in state[same:]})
    bits = min(len(state) - same for state in states) * math.log2(max(signs, 2))
    if bits < _BITS:
        yield f"what differs has at most {bits:.0f} bits"


def _common(texts: list[str]) -> str:
    first, last = min(texts), max(texts)
    return first[: next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))]


@line("L7a", Level.SHALL, "state is bound to the browser and checked on return")
def bound(stage: Stage) -> Iterator[str]:
    """An answer in another browser, and one with an invented state, get no token."""
    stage.asked()
    mine, launch = stage.browser(), stage.ehr.launch(stage.case())
    callback = goes_to(mine.get(goes_to(stage.begin(launch, browser=mine))))
    other = stage.browser()
    stage.begin(stage.ehr.launch(stage.case()), browser=other)
    other.follow(other.get(callback))
    if stage.ehr.sent("token", launch=launch):
        yield "another browser can use the answer"
    invented = callback.replace(parse_qs(urlsplit(callback).query).get("state", ["-"])[0], "invented")
    before = len(stage.ehr.sent("token"))
    mine.follow(mine.get(invented))
    if len(stage.ehr.sent("token")) > before:
        yield "an answer with an invented state is taken"


@line("L7b", Level.HOUSE, "An answer is taken once")
def once(stage: Stage) -> Iterator[str]:
    """Going back in the browser exchanges nothing again."""
    browser = stage.browser()
    launch = stage.launch(browser=browser)
    callbacks = [answer.url for answer in browser.seen if "code=" in urlsplit(answer.url).query]
    if not callbacks or not launch.tokens:
        raise Skip("no token request came: see L8")
    before = len(stage.ehr.sent("token"))
    browser.get(callbacks[0])
    if _exchanges(stage.ehr.sent("token")[before:]):
        yield "the code is exchanged again"


def _exchanges(asked: list[Asked]) -> bool:
    return any(a.form.get("grant_type") == "authorization_code" for a in asked)
