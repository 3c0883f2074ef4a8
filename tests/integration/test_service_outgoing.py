"""Server-side request forgery: what the service calls, and what it takes as an answer. Hostile names, DNS answers, redirects, bodies."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import pytest
import requests
from flask import Flask, Response, redirect, request

from cds_service.application import Application
from cds_service.config import Client, Settings
from cds_service.outgoing import AddressPolicy, ForbiddenAddress, GuardedSession, Outgoing, TooMuch
from cds_service.web import create_app
from fhir_mappers import FhirClient, FhirError
from tests.conformance.test_cds_request import AUTHORIZATION

Call = Callable[..., dict[str, Any]]
Serve = Callable[[Any], str]
PATIENCE_S = 60.0  # on a machine that other work keeps busy
FORBIDDEN = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "not an address",
    "",
)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_that_may_not_be_called(address: str) -> None:
    """Loopback, link-local, private, shared, multicast, reserved: in every form in which IPv6 can hold an IPv4 address."""
    assert not AddressPolicy().permits(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    """What is public may be called."""
    assert AddressPolicy().permits(address)


def test_configured_networks() -> None:
    """A private network that the settings name may be called, its neighbour not; an address written in an origin is meant."""
    policy = AddressPolicy.for_origins(["https://10.9.8.7:8443", "https://ehr.example.org"])
    assert policy.permits("10.9.8.7")
    assert not policy.permits("10.9.8.8")
    out = Outgoing(Settings(private_networks=("10.20.0.0/16",)), resolver=lambda *_: ["10.20.1.1"])
    policy = out._policy(())
    assert policy.permits("10.20.1.1")
    assert not policy.permits("10.21.1.1")
    assert not policy.permits("127.0.0.1")


def session(origin: str, resolver: Callable[[str, int, float], Sequence[str]] | None = None, **more: Any) -> GuardedSession:
    """Return a session that may call one origin on this machine's loopback address."""
    allowed = more.pop("policy", AddressPolicy.for_origins([origin]))
    return GuardedSession(lambda o: o == origin, allowed, **({"resolver": resolver} if resolver else {}), **more)


@pytest.fixture
def hits() -> list[str]:
    """The paths that were asked for."""
    return []


@lru_cache(maxsize=1)
def packed_spaces() -> bytes:
    """Return 200 MB of spaces, in 200 kB of gzip."""
    bomb = zlib.compressobj(9, wbits=31)
    return b"".join(bomb.compress(b" " * 10_000_000) for _ in range(20)) + bomb.flush()


@pytest.fixture
def victim(serve: Serve, hits: list[str]) -> str:
    """A server on this machine that must not be reached by a trick; it has a few bad answers as well."""
    app = Flask("victim")

    @app.before_request
    def note() -> None:
        hits.append(request.path)

    @app.get("/")
    def root() -> Any:
        return {"secret": "yes"}

    @app.get("/headers")
    def headers() -> Any:
        return dict(request.headers)

    @app.get("/cookie")
    def cookie() -> Any:
        answer = Response("{}")
        answer.set_cookie("seen", request.cookies.get("seen", "") + "x")
        answer.headers["X-Seen"] = request.cookies.get("seen", "")
        return answer

    @app.get("/bomb")
    def gzip_bomb() -> Any:
        return Response(packed_spaces(), headers={"Content-Encoding": "gzip", "Content-Type": "application/fhir+json"})

    @app.get("/twice")
    def twice() -> Any:
        return Response(gzip.compress(gzip.compress(b"{}")), headers={"Content-Encoding": "gzip, gzip"})

    @app.get("/brotli")
    def other() -> Any:
        return Response(b"{}", headers={"Content-Encoding": "br"})

    @app.get("/large")
    def large() -> Any:
        return Response((b" " * 1_000_000 for _ in range(40)), headers={"Content-Type": "application/fhir+json"})

    @app.get("/deep")
    def deep() -> Any:
        return Response(b'{"a":' * 50_000, content_type="application/json")

    @app.get("/round")
    def round_and_round() -> Any:
        return redirect("/round")

    @app.get("/away")
    def away() -> Any:
        return redirect(request.args["to"])

    return serve(app)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_spellings_of_this_machine(victim: str, hits: list[str], host: str) -> None:
    """However this machine is written, an allow-listed name doesn't make it a public address."""
    port = victim.rsplit(":", 1)[1]
    with GuardedSession(lambda _: True, AddressPolicy()) as guarded, pytest.raises((ForbiddenAddress, requests.ConnectionError)):
        guarded.get(f"http://{host}:{port}/", timeout=PATIENCE_S)
    assert hits == []


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::1"], ["169.254.169.254"], []])
def test_dns_answers(victim: str, hits: list[str], answer: list[str]) -> None:
    """A name of the allow-list that leads here: one forbidden address among good ones is enough to refuse."""
    port = int(victim.rsplit(":", 1)[1])
    origin = f"http://ehr.example.org:{port}"
    with session(origin, lambda *_: answer) as guarded, pytest.raises(ForbiddenAddress):
        guarded.get(f"{origin}/", timeout=PATIENCE_S)
    assert hits == []


def test_dns_rebinding(victim: str, hits: list[str]) -> None:
    """The address that was judged is the one that is called: a name is looked up once for a connection, so a second answer can't lead elsewhere."""
    port = int(victim.rsplit(":", 1)[1])
    origin, asked = f"http://ehr.example.org:{port}", []

    def resolver(host: str, _port: int, _seconds: float) -> list[str]:
        asked.append(host)
        return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.1"]

    # 127.0.0.2 stands for the honest address: nothing of the tests listens there.
    policy = AddressPolicy.for_origins(["http://127.0.0.2"])
    with session(origin, resolver, policy=policy) as guarded:
        with pytest.raises(requests.ConnectionError):
            guarded.get(f"{origin}/", timeout=PATIENCE_S)
        assert asked == ["ehr.example.org"]
        with pytest.raises(ForbiddenAddress):
            guarded.get(f"{origin}/", timeout=PATIENCE_S)
    assert hits == []


def test_a_name_that_is_not_resolved_in_time() -> None:
    """A DNS server that keeps silent costs the time of the call and no more."""
    gate = threading.Event()

    def resolver(_host: str, _port: int, seconds: float) -> list[str]:
        if not gate.wait(seconds):
            raise TimeoutError
        return []

    began = time.monotonic()
    with session("http://ehr.example.org", resolver) as guarded, pytest.raises(requests.Timeout):
        guarded.get("http://ehr.example.org/", timeout=0.2)
    assert time.monotonic() - began < PATIENCE_S


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example.org/",
        "https://ehr.example.org/",
        "http://ehr.example.org:81/",
        "http://ehr.example.org@127.0.0.1/",
        "http://ehr.example.org.attacker.example/",
        "http://attacker.example/#ehr.example.org",
        "file:///etc/passwd",
        "ftp://ehr.example.org/",
        "gopher://127.0.0.1:25/_x",
        "http://еhr.example.org/",
    ],
)
def test_origins_that_are_not_allowed(url: str) -> None:
    """Scheme, host and port are compared as a whole; tricks with user, fragment, look-alikes and other schemes fail before anything is resolved."""

    def resolver(*_: Any) -> list[str]:
        raise AssertionError("a name was resolved")

    with session("http://ehr.example.org", resolver) as guarded, pytest.raises(requests.exceptions.RequestException):
        guarded.get(url, timeout=1)


@pytest.mark.parametrize(
    "target", ["http://localhost:{port}/", "http://169.254.169.254/latest/meta-data", "https://127.0.0.1:{port}/", "//localhost:{port}/", "file:///etc/passwd"]
)
def test_redirects_to_another_origin(victim: str, hits: list[str], target: str) -> None:
    """A redirect that leaves the origin is an error, also where the other origin is this machine too."""
    with session(victim) as guarded, pytest.raises(requests.exceptions.RequestException):
        guarded.get(f"{victim}/away", params={"to": target.format(port=victim.rsplit(":", 1)[1])}, timeout=PATIENCE_S)
    assert hits == ["/away"]


def test_redirects_within_the_origin(victim: str) -> None:
    """A redirect on the same origin is followed, but not without end."""
    with session(victim) as guarded:
        assert guarded.get(f"{victim}/away", params={"to": "/"}, timeout=PATIENCE_S).json() == {"secret": "yes"}
        with pytest.raises(requests.TooManyRedirects):
            guarded.get(f"{victim}/round", timeout=PATIENCE_S)


@pytest.mark.parametrize("path", ["/bomb", "/twice", "/brotli", "/large"])
def test_bombs_and_large_answers(victim: str, path: str) -> None:
    """200 MB behind 200 kB of gzip, two layers, another packing, 40 MB in plain: the answer is given up before memory is filled."""
    with session(victim) as guarded, pytest.raises(TooMuch):
        guarded.get(f"{victim}{path}", timeout=10)


@pytest.mark.parametrize("path", ["bomb", "twice", "large", "deep"])
def test_the_fhir_client_survives_them(victim: str, path: str) -> None:
    """The FHIR client turns each of them into its own typed error."""
    with session(victim) as guarded, FhirClient(victim, session=guarded, deadline_s=10) as fhir, pytest.raises(FhirError):
        fhir.search(path)


def test_nothing_of_this_machine_goes_along(victim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, no netrc, no cookie of an earlier call."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with session(victim) as guarded:
        sent = guarded.get(f"{victim}/headers", timeout=PATIENCE_S).json()
        assert set(sent) == {"Host", "User-Agent", "Accept-Encoding", "Accept"}
        assert [guarded.get(f"{victim}/cookie", timeout=PATIENCE_S).headers["X-Seen"] for _ in range(2)] == ["", ""]


@contextmanager
def trickling(head: bytes) -> Iterator[str]:
    """A server that sends a few bytes and then one more every 50 ms, for ever."""
    door = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            try:
                caller, _ = door.accept()
            except OSError:
                return
            with caller:
                try:
                    caller.recv(65536)
                    caller.sendall(head)
                    while not stop.wait(0.05):
                        caller.sendall(b"x")
                except OSError:
                    continue

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
    finally:
        stop.set()
        with socket.socket() as last:
            last.settimeout(1)
            last.connect_ex(door.getsockname())
        door.close()
        thread.join(5)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"])
def test_a_server_that_trickles(head: bytes) -> None:
    """One byte every 50 ms keeps a socket's own limit from ever being reached: head and body have one time limit as a whole."""
    with trickling(head) as url, session(url) as guarded:
        began = time.monotonic()
        with pytest.raises(requests.exceptions.RequestException):
            guarded.get(f"{url}/", timeout=0.5)
        assert time.monotonic() - began < PATIENCE_S


def test_a_hook_call_cannot_make_the_service_call_this_machine(
    make_application: Callable[..., Application], serve: Serve, victim: str, hits: list[str], hook_call: Call
) -> None:
    """On the wire: a registered name that leads to loopback is told in the coverage, and nothing is sent; no token leaves."""
    port = victim.rsplit(":", 1)[1]
    origin = f"http://ehr.example.org:{port}"
    app = create_app(make_application(clients=(Client("open", fhir_servers=(origin,)),)))
    app.extensions["marginalia.outgoing"].resolver = lambda *_: ["127.0.0.1"]
    app.extensions["marginalia.outgoing"].settings = Settings()  # as in production: loopback is not allowed
    call = hook_call(fhirServer=f"{origin}/r4", fhirAuthorization=AUTHORIZATION)
    del call["prefetch"]["laboratory"]
    answer = app.test_client().post("/cds-services/coding-review", json=call)
    assert answer.status_code == 200
    reasons = " ".join(s["reason"] for s in answer.json["extension"]["org.marginalia.coverage"]["notesSkipped"])
    assert "may not be called" in reasons
    assert hits == []
