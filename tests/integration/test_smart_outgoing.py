"""What the SMART app may call: server-side request forgery tried by names, DNS answers, redirects and answers without end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask, Response, redirect, request

from cds_service.config import Settings
from cds_service.outgoing import ForbiddenAddress, Outgoing
from smart_app.branding import Branding
from smart_app.charts import fetch
from smart_app.context import LaunchContext
from smart_app.delivery import FhirWriter, Outcome
from smart_app.discovery import Discovery, ServerMetadata
from smart_app.errors import SmartError
from smart_app.identity import IdTokens
from smart_app.keys import SigningKeys
from smart_app.oauth import Client
from smart_app.session import ChartSession
from smart_app.settings import Issuer
from smart_app.transport import get_json
from tests.integration.test_service_outgoing import packed_spaces, trickling
from tests.smart_ehr import Ehr, Server
from tests.smart_stage import Stage, chart_resources, running_service

PATIENCE_S = 60.0  # on a machine that other work keeps busy
METADATA = "169.254.169.254"  # where clouds keep credentials
LISTED = "https://ehr.example.org/fhir"


def issuer_at(url: str) -> Issuer:
    """Return an EHR of the settings."""
    return Issuer(iss=url, client_id="app")


def chart_at(url: str) -> ChartSession:
    """Return an open chart of that EHR."""
    context = LaunchContext(patient="1", encounter="e1", scope="")
    return ChartSession(iss=url, context=context, access_token="secret-token", token_expires=2e9, refresh_token=None, person=None, csrf="x", opened=0.0)


def protocol_at(url: str, outgoing: Outgoing, seconds: float) -> Client:
    """Return the app as a client of an authorisation server."""
    metadata = ServerMetadata(url, f"{url}/authorize", f"{url}/token")
    return Client(issuer_at(url), metadata, SigningKeys(), "http://127.0.0.1/x", seconds, launching(url, outgoing))


def launching(url: str, outgoing: Outgoing) -> Callable[[], Any]:
    """Return what opens sessions for launches."""
    return partial(outgoing.to_launching, (url,))


CALLS: dict[str, Callable[[str, Outgoing, float], Any]] = {
    "discovery": lambda url, out, s: Discovery(launching(url, out), timeout_s=s).find(url),
    "keys": lambda url, out, s: IdTokens(launching(url, out), timeout_s=s)._key_set(url),
    "code": lambda url, out, s: protocol_at(url, out, s).exchange(code="c", code_verifier="v"),
    "refresh": lambda url, out, s: protocol_at(url, out, s).refresh("r"),
    "chart": lambda url, out, s: fetch(chart_at(url), issuer_at(url), partial(out.to_chart, url), timeout_s=s),
}


@pytest.mark.parametrize("call", sorted(CALLS))
@pytest.mark.parametrize("answer", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::ffff:169.254.169.254"], ["64:ff9b::7f00:1"], [METADATA], []])
def test_a_listed_name_that_leads_inside(call: str, answer: list[str]) -> None:
    """Each call of the app judges the address behind the name: one forbidden answer is enough, and no connection is made."""
    with pytest.raises(SmartError):
        CALLS[call](LISTED, Outgoing(Settings(), resolver=lambda *_: answer), 5)


@pytest.mark.parametrize("answer", [["127.0.0.1"], [METADATA]])
def test_nothing_is_written_to_a_name_that_leads_inside(answer: list[str]) -> None:
    """A diagnosis of a patient doesn't go to whoever answers for the name; the person is told, and it stays in the outbox."""
    with FhirWriter(LISTED, "secret-token", partial(Outgoing(Settings(), resolver=lambda *_: answer).to_chart, LISTED), timeout_s=5) as writer:
        told = writer.create({"resourceType": "Condition"}, {"identifier": "x"})
        assert told.outcome is Outcome.REFUSED
        assert "may not be called" in (told.problem or "")
        assert writer.find("Condition", {"identifier": "x"}) is None


@pytest.mark.parametrize("url", ["https://other.example.org/fhir", "http://ehr.example.org/fhir", "https://ehr.example.org:8443/fhir", "https://127.0.0.1/"])
def test_a_chart_is_read_from_its_own_ehr_only(url: str) -> None:
    """Scheme, host and port are those of the issuer that launched; a name is not even looked up for another."""

    def resolver(*_: Any) -> Sequence[str]:
        raise AssertionError("a name was resolved")

    with Outgoing(Settings(), resolver=resolver).to_chart(LISTED) as session, pytest.raises(requests.RequestException):
        session.get(url, timeout=2)


@pytest.mark.parametrize(
    "url", ["http://ehr.example.org/x", "http://169.254.169.254/latest", "ftp://ehr.example.org/", "https://user@ehr.example.org/x", "//ehr.example.org/x"]
)
def test_documents_over_https_only(url: str) -> None:
    """What a smart-configuration names is asked over https (or on this machine), without credentials in the address."""
    with pytest.raises(SmartError):
        get_json(url, launching(LISTED, Outgoing(Settings(), resolver=lambda *_: ["93.184.215.14"])), timeout_s=2, what="x")


class Trap:
    """An EHR that misbehaves in one way at every address, and a neighbour that must not be called."""

    def __init__(self, server: Server, neighbour: Server) -> None:
        self.url = server.url
        self.elsewhere = f"{neighbour.url}/stolen"
        self.kind = ""
        self.seen: list[str] = []
        app, other = Flask("trap"), Flask("neighbour")
        app.add_url_rule("/", defaults={"path": ""}, view_func=self._answer, methods=["GET", "POST"])
        app.add_url_rule("/<path:path>", view_func=self._answer, methods=["GET", "POST"])
        other.add_url_rule("/<path:path>", view_func=self._take, methods=["GET", "POST"])
        server.app, neighbour.app = app, other

    def _take(self, path: str) -> Response:
        self.seen.append(str(request.headers))
        return Response('{"access_token": "x", "token_type": "Bearer"}', content_type="application/json")

    def _answer(self, path: str) -> Any:
        if self.kind == "bomb":
            return Response(packed_spaces(), headers={"Content-Encoding": "gzip", "Content-Type": "application/fhir+json"})
        if self.kind == "deep":
            return Response(b'{"a":' * 50_000, content_type="application/fhir+json")
        if self.kind == "twice":
            return Response(b"{}", headers={"Content-Encoding": "gzip, gzip", "Content-Type": "application/fhir+json"})
        return redirect(self.elsewhere, 307)


@pytest.fixture
def trap() -> Iterator[Trap]:
    """The EHR."""
    with Server() as server, Server() as neighbour:
        yield Trap(server, neighbour)


@pytest.mark.parametrize("call", sorted(CALLS))
@pytest.mark.parametrize("kind", ["away", "bomb", "deep", "twice"])
def test_an_ehr_that_misbehaves(trap: Trap, call: str, kind: str) -> None:
    """A redirect to another origin, 200 MB in 200 kB, 50,000 levels, two layers of gzip: an error of the app's own, soon, and nothing leaves the origin."""
    trap.kind = kind
    packed_spaces()  # made once, outside of the time limits
    began = time.monotonic()
    with pytest.raises(SmartError):
        CALLS[call](trap.url, Outgoing(Settings()), 5)
    assert time.monotonic() - began < PATIENCE_S
    assert trap.seen == []


@pytest.mark.parametrize("call", ["discovery", "code", "chart"])
def test_an_ehr_that_trickles(call: str) -> None:
    """A byte now and then keeps no thread of the app beyond the time limit."""
    with trickling(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n") as url:
        began = time.monotonic()
        with pytest.raises(SmartError):
            CALLS[call](url, Outgoing(Settings()), 0.5)
        assert time.monotonic() - began < PATIENCE_S


def test_a_written_entry_with_an_answer_too_large(trap: Trap) -> None:
    """A write that is answered by a bomb is asked after later; it isn't taken as done, and doesn't fill memory."""
    trap.kind = "bomb"
    packed_spaces()
    with FhirWriter(trap.url, "t", partial(Outgoing(Settings()).to_chart, trap.url), timeout_s=5) as writer:
        assert writer.create({"resourceType": "Condition"}, {"identifier": "x"}).outcome is Outcome.LATER


def test_a_style_from_inside_is_no_style() -> None:
    """Not even a colour is asked of an address inside."""
    out = Outgoing(Settings(), resolver=lambda *_: [METADATA])
    assert Branding(launching(LISTED, out), timeout_s=2).sheet("/style.json", issuer_at(LISTED)) == ""


def test_a_hospital_s_own_network_is_named_in_the_settings() -> None:
    """An EHR behind a name inside is called where `private_networks` holds its address; its neighbour isn't."""
    settings = Settings(private_networks=("10.20.0.0/16",))
    for address, allowed in (("10.20.0.9", True), ("10.21.0.9", False)):
        with Outgoing(settings, resolver=lambda *_, a=address: [a]).to_chart("https://ehr.example.org:1/fhir") as session:
            with pytest.raises(requests.RequestException) as told:
                session.get("https://ehr.example.org:1/fhir/Patient/1", timeout=0.05)
            assert isinstance(told.value, ForbiddenAddress) is not allowed


def test_an_open_chart_whose_name_is_turned_inside(tmp_path: Path) -> None:
    """On the wire: DNS changes its answer after the launch. The page says that the address may not be called, a write stays here, nothing is sent."""
    with Server() as server:
        ehr = Ehr(server.url.replace("127.0.0.1", "localhost"))
        server.app = ehr.app()
        ehr.resources = chart_resources()
        with running_service(tmp_path, ehr, issuer={"writes": ["Condition"]}) as stage:
            _turned_inside(stage)


def _turned_inside(stage: Stage) -> None:
    browser = stage.browser()
    page = stage.open(browser)
    assert page.status_code == 200, page.text
    browser.decide(page, "E11.22", "accept")
    form = {"csrf": browser.csrf(page)}
    stage.web.extensions["marginalia.outgoing"].resolver = lambda *_: [METADATA]
    before = len(stage.ehr.asked)
    url = page.url.split("#")[0]
    again = browser.get(url, timeout=20)
    assert again.status_code == 502
    assert "may not be called" in again.text.replace("&#39;", "'")
    written = browser.post(f"{url}/write", data=form, headers={"Accept": "application/json"}, timeout=20)
    assert written.status_code == 200
    assert {e["state"] for e in written.json()["entries"]} == {"refused"}
    assert len(stage.ehr.asked) == before
