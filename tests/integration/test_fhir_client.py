"""The FHIR client against real HTTP servers: paging, failures, deadlines, and where the token goes."""

from __future__ import annotations

import base64
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fhir_mappers import (
    DeadlineExceeded,
    FhirClient,
    ServerError,
    ServerRefused,
    ServerUnavailable,
    WrongPatient,
    fetch_attachments,
    fetch_encounter,
    read_resources,
)
from fhir_mappers.errors import BadAnswer

PATIENCE_S = 60.0  # on a machine that other work keeps busy; where time is limited, the limit is a second or so
TODAY = date(2026, 3, 10)
FHIR = "application/fhir+json; charset=utf-8"


@dataclass
class Answer:
    """One HTTP answer; `stall` keeps the connection open after the body until the server stops."""

    body: Any = b""
    status: int = 200
    content_type: str = FHIR
    headers: dict[str, str] = field(default_factory=dict)
    stall: bool = False

    def data(self) -> bytes:
        """Return the bytes of the body."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Server:
    """A server that answers by `routes` (path -> answer, answers in turn, or function of the query) and notes what it was asked."""

    url: str = ""
    routes: dict[str, Any] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, list[str]], dict[str, str]]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def paths(self) -> list[str]:
        """Return the paths asked for, in order."""
        return [path for path, _, _ in self.requests]

    def answer(self, path: str, query: dict[str, list[str]]) -> Answer:
        """Return the answer to a request."""
        found = self.routes.get(path, Answer({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found"}]}, 404))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return found(query) if callable(found) else found


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server on a free loopback port."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            server.requests.append((parts.path, query, dict(self.headers)))
            answer = server.answer(parts.path, query)
            data = answer.data()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(data) + (1 if answer.stall else 0)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()
            if answer.stall:
                server.stop.wait(10 * PATIENCE_S)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}/fhir"
    try:
        yield server
    finally:
        server.stop.set()
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    """A FHIR server."""
    with serving() as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[FhirClient]:
    """A client of the server, with a token."""
    with FhirClient(server.url, token="secret-token", deadline_s=5) as opened:
        yield opened


def bundle(*resources: dict[str, Any], next_url: str | None = None) -> dict[str, Any]:
    """Return a searchset."""
    link = [{"relation": "next", "url": next_url}] if next_url else []
    return {"resourceType": "Bundle", "type": "searchset", "link": link, "entry": [{"resource": r} for r in resources]}


def observation(number: int) -> dict[str, Any]:
    """Return an Observation with an id."""
    return {"resourceType": "Observation", "id": f"o{number}"}


def test_a_read_sends_the_token_and_asks_for_fhir_json(server: Server, client: FhirClient) -> None:
    """R4 read: Authorization bearer, Accept application/fhir+json."""
    server.routes["/fhir/Patient/p1"] = Answer({"resourceType": "Patient", "id": "p1"})
    assert client.read("Patient/p1") == {"resourceType": "Patient", "id": "p1"}
    headers = server.requests[0][2]
    assert (headers["Authorization"], headers["Accept"]) == ("Bearer secret-token", "application/fhir+json")


def test_a_search_follows_pages_and_leaves_outcomes_out(server: Server, client: FhirClient) -> None:
    """Paging by next links, relative and absolute; an OperationOutcome entry is no match."""
    outcome = {"resourceType": "OperationOutcome", "issue": []}
    server.routes["/fhir/Observation"] = Answer(bundle(observation(1), outcome, next_url=f"{server.url}/page2"))
    server.routes["/fhir/page2"] = Answer(bundle(observation(2), next_url="page3"))
    server.routes["/fhir/page3"] = Answer(bundle(observation(3)))
    found = client.search("Observation", {"patient": "p1", "category": "laboratory"})
    assert [r["id"] for r in found] == ["o1", "o2", "o3"]
    assert server.requests[0][1] == {"patient": ["p1"], "category": ["laboratory"]}


def test_a_search_stops_at_its_limit_and_at_a_page_seen_before(server: Server, client: FhirClient) -> None:
    """A server whose next link leads in a circle can't hold the client."""
    server.routes["/fhir/Observation"] = Answer(bundle(observation(1), observation(2), next_url="Observation?page=2"))
    assert [r["id"] for r in client.search("Observation", limit=1)] == ["o1"]
    assert len(client.search("Observation")) == 4
    assert len(server.requests) == 3


def test_a_prefetched_bundle_is_followed(server: Server, client: FhirClient) -> None:
    """`follow` reads the pages after a searchset that the caller has."""
    server.routes["/fhir/page2"] = Answer(bundle(observation(2)))
    assert [r["id"] for r in client.follow(bundle(observation(1), next_url=f"{server.url}/page2"))] == ["o1", "o2"]


@pytest.mark.parametrize("way", ["next link", "redirect", "attachment"])
def test_the_token_is_never_sent_to_another_origin(server: Server, client: FhirClient, way: str) -> None:
    """A next link, a redirect or an attachment on another origin is refused before anything is sent there."""
    with serving() as other:
        server.routes["/fhir/Observation"] = Answer(bundle(next_url=f"{other.url}/steal"))
        server.routes["/fhir/Patient/p1"] = Answer(status=302, headers={"Location": f"{other.url}/Patient/p1"})
        attempt: dict[str, Callable[[], object]] = {
            "next link": lambda: client.search("Observation"),
            "redirect": lambda: client.read("Patient/p1"),
            "attachment": lambda: client.content(f"{other.url}/Binary/1"),
        }
        with pytest.raises(ServerRefused, match="another origin"):
            attempt[way]()
        assert other.requests == []


def test_a_redirect_within_the_origin_is_followed(server: Server, client: FhirClient) -> None:
    """Servers move their base path."""
    server.routes["/fhir/Patient/p1"] = Answer(status=307, headers={"Location": "/r4/Patient/p1"})
    server.routes["/r4/Patient/p1"] = Answer({"resourceType": "Patient", "id": "p1"})
    assert client.read("Patient/p1")["id"] == "p1"


def test_redirects_in_a_circle_end(server: Server, client: FhirClient) -> None:
    """No endless chase."""
    server.routes["/fhir/Patient/p1"] = Answer(status=302, headers={"Location": "/fhir/Patient/p1"})
    with pytest.raises(ServerRefused, match="redirects again and again"):
        client.read("Patient/p1")


def test_a_busy_server_is_asked_again(server: Server, client: FhirClient) -> None:
    """503 and 429 are tried again, after the time that Retry-After names."""
    server.routes["/fhir/Patient/p1"] = [Answer(status=503), Answer(status=429, headers={"Retry-After": "0"}), Answer({"resourceType": "Patient", "id": "p1"})]
    assert client.read("Patient/p1")["id"] == "p1"
    assert len(server.requests) == 3


def test_retry_after_beyond_the_deadline_fails_at_once(server: Server) -> None:
    """The client doesn't wait for what can't come in time."""
    server.routes["/fhir/Patient/p1"] = Answer(status=503, headers={"Retry-After": "120"})
    with FhirClient(server.url, deadline_s=2) as hurried, pytest.raises(ServerUnavailable, match="too busy"):
        hurried.read("Patient/p1")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Answer(status=401), ServerRefused, "doesn't accept the access token .401.*new token"),
        (Answer(status=403), ServerRefused, "doesn't allow this read .403.*scope"),
        (Answer(status=404), ServerRefused, "doesn't have it .404"),
        (Answer({"resourceType": "OperationOutcome", "issue": [{"code": "not-supported"}]}, 400), ServerRefused, "refuses the request .400, not-supported"),
        (Answer(status=500), ServerUnavailable, "fails .500"),
        (Answer(status=503), ServerUnavailable, "fails .503"),
        (Answer(b"<html>Sign in</html>", content_type="text/html"), BadAnswer, "text/html, not FHIR JSON.*base URL"),
        (Answer(b"{", content_type=FHIR), BadAnswer, "not a JSON object"),
        (Answer(b"[]", content_type=FHIR), BadAnswer, "not a JSON object"),
        (Answer(b"[" * 100_000, content_type=FHIR), BadAnswer, "not a JSON object"),
        (Answer({"resourceType": "Patient", "id": "p1"}, content_type="application/xml"), BadAnswer, "application/xml, not FHIR JSON"),
        (Answer({"resourceType": "OperationOutcome"}), BadAnswer, "another resource"),
        (Answer(b"this is not gzip", headers={"Content-Encoding": "gzip"}), BadAnswer, "can't be read"),
    ],
)
def test_every_failure_is_typed_and_names_the_remedy(
    server: Server, client: FhirClient, answer: Answer, error: type[ServerError], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """FHIR server answers 401, a wrong content type, ...: a clear error, without the token."""
    server.routes["/fhir/Patient/p1"] = answer
    with caplog.at_level(logging.DEBUG), pytest.raises(error, match=words) as caught:
        client.read("Patient/p1")
    assert type(caught.value) is error
    assert caught.value.remedy
    assert "secret-token" not in str(caught.value) + caplog.text


def test_a_search_that_answers_no_bundle_is_a_bad_answer(server: Server, client: FhirClient) -> None:
    """A search answers a Bundle, or the address is no FHIR server."""
    server.routes["/fhir/Observation"] = Answer({"hello": "world"})
    with pytest.raises(BadAnswer, match="other than a Bundle"):
        client.search("Observation")


def test_a_server_that_is_down_is_unavailable() -> None:
    """FHIR server down."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/fhir"
        with FhirClient(url, deadline_s=5) as client, pytest.raises(ServerUnavailable, match="can't be reached"):
            client.read("Patient/p1")


@pytest.mark.parametrize("body", [b"", b'{"resourceType":'])
def test_a_slow_server_ends_at_the_deadline(server: Server, body: bytes) -> None:
    """FHIR server slow: before the body and in its middle."""
    server.routes["/fhir/Patient/p1"] = Answer(body, stall=True)
    started = time.monotonic()
    with FhirClient(server.url, deadline_s=0.3) as hurried, pytest.raises(DeadlineExceeded, match="in time"):
        hurried.read("Patient/p1")
    assert time.monotonic() - started < PATIENCE_S


def test_one_deadline_covers_all_pages(server: Server) -> None:
    """A server that gives page after page can't stretch the call."""
    server.routes["/fhir/Observation"] = Answer(bundle(observation(1), next_url="page2"))
    server.routes["/fhir/page2"] = Answer(b"{", stall=True)
    started = time.monotonic()
    with FhirClient(server.url, deadline_s=0.3) as hurried, pytest.raises(DeadlineExceeded):
        hurried.search("Observation")
    assert time.monotonic() - started < PATIENCE_S


def test_a_body_beyond_bounds_is_refused(server: Server, client: FhirClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer can't fill the memory."""
    monkeypatch.setattr("fhir_mappers.client.MAX_BODY", 1000)
    server.routes["/fhir/Patient/p1"] = Answer({"resourceType": "Patient", "x": "y" * 2000})
    with pytest.raises(BadAnswer, match="larger than"):
        client.read("Patient/p1")


@pytest.mark.parametrize("url", ["", "fhir.example.org", "ftp://fhir.example.org", "http://", "http://[::1"])
def test_a_base_url_must_be_http(url: str) -> None:
    """Configuration is checked when the client is made."""
    with pytest.raises(ServerUnavailable, match="not an http or https address"):
        FhirClient(url)


def test_a_token_with_line_breaks_is_refused() -> None:
    """No header can be smuggled in."""
    with pytest.raises(ServerRefused, match="characters that no token has"):
        FhirClient("http://fhir.example.org", token="a\r\nX-Evil: 1")


def test_credentials_of_a_netrc_file_are_not_sent(server: Server, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the caller's token identifies the service."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.routes["/fhir/Patient/p1"] = Answer({"resourceType": "Patient", "id": "p1"})
    with FhirClient(server.url) as anonymous:
        anonymous.read("Patient/p1")
    assert "Authorization" not in server.requests[0][2]


# Fetching an encounter


SUBJECT = {"reference": "Patient/p1"}


def chart(server: Server) -> None:
    """Give the server one encounter with a note as Binary, an unlinked note, an order of a drug by reference, and a result."""
    text = base64.b64encode("Zustand nach Übelkeit".encode("latin-1")).decode()
    own = {
        "resourceType": "DocumentReference",
        "id": "own",
        "status": "current",
        "subject": SUBJECT,
        "date": "2026-03-01T15:00:00Z",
        "content": [{"attachment": {"contentType": "text/plain", "url": f"{server.url}/Binary/b1"}}],
        "context": {"encounter": [{"reference": "Encounter/e1"}]},
    }
    near = own | {"id": "near", "context": {}, "content": [{"attachment": {"contentType": "text/plain", "data": base64.b64encode(b"Later call").decode()}}]}
    drug = {"resourceType": "MedicationRequest", "id": "m1", "status": "active", "subject": SUBJECT, "medicationReference": {"reference": "Medication/d1"}}
    result = observation(1) | {"subject": SUBJECT, "status": "final", "code": {"text": "A1c"}, "valueQuantity": {"value": 8.1, "unit": "%"}}

    def documents(query: dict[str, list[str]]) -> Answer:
        return Answer(bundle(own)) if "encounter" in query else Answer(bundle(near, own))

    def medications(query: dict[str, list[str]]) -> Answer:
        return Answer(status=400) if "_include" in query else Answer(bundle(drug))

    period = {"start": "2026-03-01T14:00:00Z", "end": "2026-03-01T15:00:00Z"}
    server.routes |= {
        "/fhir/Patient/p1": Answer({"resourceType": "Patient", "id": "p1", "gender": "female"}),
        "/fhir/Encounter/e1": Answer({"resourceType": "Encounter", "id": "e1", "class": {"code": "AMB"}, "subject": SUBJECT, "period": period}),
        "/fhir/DocumentReference": documents,
        "/fhir/MedicationRequest": medications,
        "/fhir/Medication/d1": Answer({"resourceType": "Medication", "id": "d1", "code": {"text": "metformin 500 mg"}}),
        "/fhir/Observation": Answer(bundle(result)),
        "/fhir/Binary/b1": Answer({"resourceType": "Binary", "contentType": "text/plain; charset=iso-8859-1", "data": text}),
        "/fhir/Device": Answer({"resourceType": "OperationOutcome", "issue": [{"code": "not-supported"}]}, 400),
    }
    kinds = ("Composition", "DiagnosticReport", "ClinicalImpression", "Condition", "Procedure", "ServiceRequest", "MedicationStatement", "Coverage")
    for kind in (*kinds, "MedicationAdministration"):
        server.routes[f"/fhir/{kind}"] = Answer(bundle())


def test_an_encounter_is_fetched_whole(server: Server, client: FhirClient) -> None:
    """Notes with their Binary, unlinked notes of the days, drugs by reference; a type that the server lacks is said."""
    chart(server)
    fetched = fetch_encounter(client, "p1", "e1", today=TODAY)
    record = read_resources(fetched.resources, patient_id="p1", encounter_id="e1", skipped=fetched.skipped, today=TODAY)
    assert [(n.source, n.text) for n in record.notes] == [("DocumentReference/own", "Zustand nach Übelkeit"), ("DocumentReference/near", "Later call")]
    assert [m.concept.label for m in record.medications] == ["metformin 500 mg"]
    assert [o.value for o in record.observations] == [8.1]
    assert sorted((s.source, s.reason.split(" (")[0]) for s in record.skipped) == [
        ("AllergyIntolerance", "The FHIR server doesn't have it"),
        ("Device", "The FHIR server refuses the request"),
        ("DeviceRequest", "The FHIR server doesn't have it"),
    ]


def test_observations_go_back_thirteen_months_from_the_encounter(server: Server, client: FhirClient) -> None:
    """An annual test is still seen at the next year's visit."""
    chart(server)
    fetch_encounter(client, "p1", "e1", today=TODAY)
    asked = [query for path, query, _ in server.requests if path == "/fhir/Observation"]
    assert sorted((q["category"][0], q["date"][0]) for q in asked) == [
        ("laboratory", "ge2025-01-29"),
        ("social-history,survey,exam,imaging", "ge2025-01-29"),
        ("vital-signs", "ge2025-01-29"),
    ]


def test_a_missing_binary_loses_one_note_not_the_encounter(server: Server, client: FhirClient) -> None:
    """A note whose document can't be fetched is said."""
    chart(server)
    del server.routes["/fhir/Binary/b1"]
    fetched = fetch_encounter(client, "p1", "e1", today=TODAY)
    record = read_resources(fetched.resources, patient_id="p1", encounter_id="e1", skipped=fetched.skipped, today=TODAY)
    assert [n.source for n in record.notes] == ["DocumentReference/near"]
    assert any(s.source == "DocumentReference/own" and "doesn't have it (404" in s.reason for s in record.skipped)


def test_without_the_patient_there_is_no_encounter(server: Server, client: FhirClient) -> None:
    """The one resource that can't be done without ends the call."""
    chart(server)
    server.routes["/fhir/Patient/p1"] = Answer(status=401)
    with pytest.raises(ServerRefused, match="401"):
        fetch_encounter(client, "p1", "e1", today=TODAY)


def test_a_server_that_ignores_the_patient_parameter_is_found_out(server: Server, client: FhirClient) -> None:
    """Lenient servers ignore what they don't know: another patient's result must not slip in."""
    chart(server)
    server.routes["/fhir/Observation"] = Answer(bundle(observation(2) | {"subject": {"reference": "Patient/p2"}}))
    fetched = fetch_encounter(client, "p1", "e1", today=TODAY)
    with pytest.raises(WrongPatient, match="Observation/o2"):
        read_resources(fetched.resources, patient_id="p1", encounter_id="e1", today=TODAY)


def test_one_deadline_covers_the_whole_gathering(server: Server) -> None:
    """A stalled search costs no more than the deadline; what came until then is kept, the rest said."""
    chart(server)
    server.routes["/fhir/Condition"] = Answer(b"{", stall=True)
    started = time.monotonic()
    with FhirClient(server.url, deadline_s=2) as hurried:
        fetched = fetch_encounter(hurried, "p1", "e1", today=TODAY)
    assert time.monotonic() - started < PATIENCE_S
    assert {r["resourceType"] for r in fetched.resources} >= {"Patient", "Encounter", "DocumentReference", "Observation"}
    assert any(s.source == "Condition" and "in time" in s.reason for s in fetched.skipped)


def test_ids_can_not_leave_their_place_in_the_path(server: Server, client: FhirClient) -> None:
    """An id with slashes reads no other address."""
    chart(server)
    with pytest.raises(ServerRefused, match="404"):
        fetch_encounter(client, "../Patient/p1", None, today=TODAY)
    assert "/fhir/Patient/..%2FPatient%2Fp1" in server.paths()


@pytest.mark.parametrize("url", ["Binary/b1", "/Binary/b1", "/fhir/Binary/b1"])
def test_prefetched_notes_are_completed(server: Server, client: FhirClient, url: str) -> None:
    """A document sent as raw bytes, in its declared character set, is put in place of its address."""
    server.routes["/fhir/Binary/b1"] = Answer("naïve".encode("cp1252"), content_type="text/plain; charset=windows-1252")
    note = {"resourceType": "DocumentReference", "id": "n1", "content": [{"attachment": {"contentType": "text/plain", "url": url}}]}
    fetched = fetch_attachments(client, [note, {"resourceType": "Patient", "id": "p1"}])
    assert [n.text for n in read_resources(fetched.resources, patient_id="p1", today=TODAY).notes] == ["naïve"]
    assert server.requests[0][2]["Accept"].startswith("text/plain, ")
    assert "data" not in note["content"][0]["attachment"]


def test_the_best_rendering_that_can_be_had_is_fetched(server: Server, client: FhirClient) -> None:
    """Of HTML and RTF the HTML is taken; where it is gone, the RTF."""
    server.routes["/fhir/Binary/rtf"] = Answer(rb"{\rtf1 Plan: rest}", content_type="application/rtf")
    kinds = {"application/rtf": "Binary/rtf", "text/html": "Binary/html"}
    note = {"resourceType": "DocumentReference", "id": "n1", "content": [{"attachment": {"contentType": k, "url": u}} for k, u in kinds.items()]}
    fetched = fetch_attachments(client, [note])
    assert [n.text for n in read_resources(fetched.resources, patient_id="p1", today=TODAY).notes] == ["Plan: rest"]
    assert server.paths() == ["/fhir/Binary/html", "/fhir/Binary/rtf"]


def test_parameters_that_a_server_refuses_are_left_out(server: Server, client: FhirClient) -> None:
    """A server without _include, _sort or encounter still gives its resources; those of other encounters are sorted out on reading."""
    chart(server)
    done = {"resourceType": "Procedure", "subject": SUBJECT, "status": "completed", "code": {"text": "Biopsy"}}
    own, other = done | {"id": "x1", "encounter": {"reference": "Encounter/e1"}}, done | {"id": "x2", "encounter": {"reference": "Encounter/e0"}}
    server.routes["/fhir/Procedure"] = lambda query: Answer(status=422) if "encounter" in query else Answer(bundle(own, other))
    result = server.routes["/fhir/Observation"]
    server.routes["/fhir/Observation"] = lambda query: Answer(status=400) if "_sort" in query else result
    fetched = fetch_encounter(client, "p1", "e1", today=TODAY)
    record = read_resources(fetched.resources, patient_id="p1", encounter_id="e1", skipped=fetched.skipped, today=TODAY)
    assert [p.source for p in record.procedures] == ["Procedure/x1"]
    assert [o.source for o in record.observations] == ["Observation/o1"]


def test_more_than_a_search_may_give_is_said(server: Server, client: FhirClient) -> None:
    """At most 500 resources of one search are read."""
    chart(server)
    many = [{"resourceType": "Condition", "id": f"c{i}", "subject": SUBJECT, "code": {"text": "x"}} for i in range(600)]
    server.routes["/fhir/Condition"] = Answer(bundle(*many))
    fetched = fetch_encounter(client, "p1", "e1", today=TODAY)
    assert sum(r["resourceType"] == "Condition" for r in fetched.resources) == 500
    assert [s.reason for s in fetched.skipped if s.source == "Condition"] == ["Only the first 500 were read. Review older ones by their own encounter."]


def test_a_callers_deadline_covers_attachments_too(server: Server, client: FhirClient) -> None:
    """`until` in the past: nothing is asked, everything is said."""
    note = {"resourceType": "DocumentReference", "id": "n1", "content": [{"attachment": {"contentType": "text/plain", "url": "Binary/b1"}}]}
    fetched = fetch_attachments(client, [note], until=time.monotonic() - 1)
    assert (fetched.resources, server.requests) == ((note,), [])
    assert fetched.skipped[0].source == "DocumentReference/n1"
    assert "in time" in fetched.skipped[0].reason
