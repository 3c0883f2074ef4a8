"""Lines L14 to L18, and K: what the app must never do, and the way from a card to it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from cds_service.conformance import Level
from cds_service.simulate import Chart
from cds_service.smart_conformance.browser import goes_to
from cds_service.smart_conformance.checklist import line
from cds_service.smart_conformance.ehr import MARKUP
from cds_service.smart_conformance.stage import Launch, Stage

_WORDS = "Simulated", "Elsewise"
_ANY_HOST = frozenset({"*", "https:", "http:", "https://*", "http://*"})


def _forms(value: str) -> str:
    """Return a cookie's value as it is and as base64 would hide it."""
    found = [unquote(value)]
    for part in re.split(r"[.|:!]", found[0]):
        try:
            found.append(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("latin-1"))
        except ValueError:
            continue
    return " ".join(found)


@line("L14", Level.SHALL, "Tokens stay on the server: in no cookie, on no page, in no address")
def tokens_stay(stage: Stage) -> Iterator[str]:
    """Nothing that came to the browser holds one."""
    launch = stage.opened()
    for token in stage.ehr.tokens(launch.id):
        if any(token in _forms(cookie.value or "") for cookie in launch.browser.session.cookies):
            yield "an access token is in a cookie"
        if any(token in text for text in launch.texts):
            yield "an access token is on a page"
        if any(token in answer.url + goes_to(answer) for answer in launch.browser.seen):
            yield "an access token is in an address"


@line("L14a", Level.SHALL, "No parameter leads elsewhere")
def no_open_redirect(stage: Stage) -> Iterator[str]:
    """Neither at the launch URL nor at the page."""
    page = stage.opened().page.url.partition("#")[0]
    everything = dict.fromkeys(("next", "url", "target", "redirect", "redirect_uri", "return", "goto"), "https://attacker.example/")
    for address in (stage.launch_url, page):
        if urlsplit(goes_to(stage.opened().browser.get(address, everything))).hostname == "attacker.example":
            yield f"a parameter of {urlsplit(address).path} leads elsewhere"


@line("L14b", Level.SHALL, "What comes in is never executed: markup in the chart, and in the EHR's errors, is text")
def no_markup(stage: Stage) -> Iterator[str]:
    """A name, a note, an error_description."""
    stage.opened()
    note = base64.b64encode(f"Assessment: {MARKUP} essential hypertension.".encode()).decode()
    resources = []
    for resource in stage.chart.resources:
        changed = dict(resource)
        if changed["resourceType"] == "Patient":
            changed["name"] = [{"family": MARKUP, "given": ["Ada"]}]
        elif changed["resourceType"] == "DocumentReference":
            changed |= {"description": MARKUP, "content": [{"attachment": {"contentType": "text/plain", "data": note}}]}
        resources.append(changed)
    for what, case in (("the chart", stage.case(chart=Chart(tuple(resources)))), ("the error", stage.case(error="server_error"))):
        launch = stage.launch(case)
        if any(MARKUP in text for text in launch.texts):
            yield f"markup of {what} is on a page"
        if launch.page.status_code == 500:
            yield f"markup of {what} is answered with 500"


@line("L15", Level.SHALL, "The token isn't sent to references on other hosts")
def other_hosts(stage: Stage) -> Iterator[str]:
    """A note's document, and a reference."""
    stage.opened()
    resources = []
    for resource in stage.chart.resources:
        changed = dict(resource)
        if changed["resourceType"] == "DocumentReference":
            changed["content"] = [{"attachment": {"contentType": "text/plain", "url": f"{stage.ehr.elsewhere}/Binary/1"}}]
            changed["author"] = [{"reference": f"{stage.ehr.elsewhere}/Practitioner/1"}]
        resources.append(changed)
    stage.launch(stage.case(chart=Chart(tuple(resources))))
    asked = [a for a in stage.ehr.asked if a.issuer == "elsewhere" and "authorization" in a.headers]
    yield from (f"{a.path} was asked with a token" for a in asked)


@line("L17", Level.SHALL, "One session for each launch: two charts open at once never mix")
def two_charts(stage: Stage) -> Iterator[str]:
    """The answers come back in the other order; then the first page is loaded again."""
    stage.opened()
    browser = stage.browser()
    cases = stage.case(), stage.case(chart=stage.other)
    ids = [stage.ehr.launch(case) for case in cases]
    starts = [stage.begin(id, browser=browser) for id in ids]
    last = [browser.follow(start) for start in reversed(starts)]
    launches: list[Launch] = [stage.settled(id, case, browser, page) for id, case, page in zip(ids, cases, reversed(last), strict=True)]
    for launch in launches:
        yield from _only_its_own(launch, launch.page.text)
    again = [browser.follow(browser.get(launch.page.url.partition("#")[0])).text for launch in launches]
    for launch, text in zip(launches, again, strict=True):
        yield from _only_its_own(launch, text)


def _only_its_own(launch: Launch, text: str) -> Iterator[str]:
    mine, other = _WORDS if launch.case.chart.patient_id.startswith("sim") else reversed(_WORDS)
    if not launch.opened:
        yield f"no chart opens (answered with {launch.page.status_code})"
    elif other in text or mine not in text:
        yield f"the page of {mine} shows {'the other patient' if other in text else 'nobody'}"
    wrong = [a for a in launch.reads if a.path.startswith("fhir/Patient/") and not a.path.endswith(f"/{launch.case.chart.patient_id}")]
    yield from (f"{a.path} is read with the token of {mine}" for a in wrong)


@line("L17a", Level.HOUSE, "A page's address is worth nothing in another browser")
def another_browser(stage: Stage) -> Iterator[str]:
    """It holds no session."""
    page = stage.browser().get(stage.opened().page.url.partition("#")[0])
    if "Simulated" in page.text:
        yield "the chart is shown"


@line("L18", Level.SHALL, "Content-Security-Policy with frame-ancestors that name the EHR, not everybody")
def framing(stage: Stage) -> Iterator[str]:
    """On the page of the chart."""
    policy = stage.opened().page.headers.get("Content-Security-Policy", "")
    found = re.search(r"frame-ancestors ([^;]+)", policy)
    if not found:
        yield "the page has no frame-ancestors"
    elif wide := _ANY_HOST & set(found[1].split()):
        yield f"frame-ancestors has {', '.join(sorted(wide))}"


@line("K1", Level.SHALL, "appContext is opaque: one that is invented opens nothing else, and the app goes on")
def invented_handle(stage: Stage) -> Iterator[str]:
    """It comes in the token response only."""
    stage.opened()
    for handle in ("invented", "x" * 2000, '{"patient": "other-1"}'):
        launch = stage.launch(stage.case(token={"appContext": handle}))
        yield from _only_its_own(launch, launch.page.text)


@line("K2", Level.SHOULD, "The app works where the EHR passes no appContext on")
def no_handle(stage: Stage) -> Iterator[str]:
    """Not every EHR does."""
    if not stage.good().opened:
        yield "no chart opens"
