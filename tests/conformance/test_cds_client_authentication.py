"""CDS Hooks checklist, "Client authentication (JWT)", on the wire."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask.testing import FlaskClient
from joserfc.errors import SecurityWarning
from joserfc.jwk import OctKey, RSAKey

from cds_service.access import KeySets
from cds_service.access.key_sets import FRESH_S, LAST_S, PAUSE_S
from cds_service.application import Application
from cds_service.config import Client, Settings
from cds_service.errors import ConfigurationError
from cds_service.web import create_app
from tests.signing import ISSUER, PUBLIC, KeyServer, Signer, new_key, shared_secret

Call = Callable[..., dict[str, Any]]
DISCOVERY = f"{PUBLIC}/cds-services"
REVIEW = f"{PUBLIC}/cds-services/coding-review"
FEEDBACK = f"{REVIEW}/feedback"


@pytest.fixture(scope="module")
def signer() -> Signer:
    """The EHR "north"."""
    return Signer()


@pytest.fixture
def closed(make_application: Callable[..., Application], signer: Signer) -> FlaskClient:
    """The service with the EHR as its only client."""
    return web_of(make_application, signer.client())


def web_of(make_application: Callable[..., Application], *clients: Client, **settings: Any) -> FlaskClient:
    """Return a client of the service with these registrations."""
    return create_app(make_application(open=False, public_url=PUBLIC, clients=clients, **settings)).test_client()


def discover(web: FlaskClient, token: str) -> int:
    """Return the status of a discovery call with a token."""
    return web.get("/cds-services", headers={"Authorization": f"Bearer {token}"}).status_code


def test_j1_every_call_is_authenticated(closed: FlaskClient, signer: Signer, hook_call: Call) -> None:
    """J1 `Authorization: Bearer <JWT>` on every call, feedback included; D5 discovery too."""
    card = {"feedback": []}
    calls = (
        ("GET", "/cds-services", None, DISCOVERY),
        ("POST", "/cds-services/coding-review", hook_call(), REVIEW),
        ("POST", "/cds-services/coding-review/feedback", card, FEEDBACK),
    )
    for method, path, body, audience in calls:
        assert closed.open(path, method=method, json=body).status_code == 401
        assert closed.open(path, method=method, json=body, headers=signer.headers(audience)).status_code == 200


def test_j1_verified_before_the_body_is_parsed(closed: FlaskClient) -> None:
    """J1 verified before the body is parsed: a body that is no JSON, and a service that doesn't exist, still answer 401."""
    assert closed.post("/cds-services/coding-review", data=b"{", content_type="application/json").status_code == 401
    assert closed.post("/cds-services/nothing", data=b"{}", content_type="application/json").status_code == 401


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic bm9ydGg6eA==", "Bearer a.b.c", "Bearer " + "a" * 9000, "Bearer \xff.\xff.\xff", "Bearer ..", "Bearer e30.e30.e30"]
)
def test_j1_what_is_no_token(closed: FlaskClient, value: str) -> None:
    """J1: a header without a JWT in it answers 401, whatever it holds."""
    assert closed.get("/cds-services", headers={"Authorization": value}).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"header": {"typ": None}},
        {"header": {"typ": "JOSE"}},
        {"header": {"kid": None}},
        {"header": {"kid": ""}},
        *({name: None} for name in ("iss", "aud", "exp", "iat", "jti")),
    ],
)
def test_j2_required_members(closed: FlaskClient, signer: Signer, changes: dict[str, Any]) -> None:
    """J2 Header `alg`, `kid`, `typ` = `JWT`; payload `iss`, `aud`, `exp`, `iat`, `jti`."""
    assert discover(closed, signer.token(DISCOVERY)) == 200
    assert discover(closed, signer.token(DISCOVERY, **changes)) == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"jti": 7},
        {"jti": ""},
        {"jti": "x" * 300},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e30},
        {"iat": "now"},
        {"iat": -1},
        {"iss": 7},
        {"iss": [ISSUER]},
        {"aud": {}},
        {"aud": 7},
    ],
)
def test_j2_wrong_forms(closed: FlaskClient, signer: Signer, changes: dict[str, Any]) -> None:
    """J2: members of a wrong kind are refused, and break nothing."""
    assert discover(closed, signer.token(changes.pop("aud", DISCOVERY), **changes)) == 401


@pytest.mark.parametrize("payload", [b"[]", b"7", b"\xff", b'{"iss": NaN}', b"[" * 3000])
def test_j2_payload_is_an_object(closed: FlaskClient, payload: bytes) -> None:
    """J2: a payload that is no JSON object is refused."""
    parts = (json.dumps({"alg": "ES384", "kid": "k1", "typ": "JWT"}).encode(), payload, b"signature")
    assert discover(closed, ".".join(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts)) == 401


def test_j3_none_is_refused(closed: FlaskClient, signer: Signer) -> None:
    """J3 Reject `none`, in every spelling."""
    for name in ("none", "None", "NONE"):
        _, payload, _ = signer.token(DISCOVERY).split(".")
        head = base64.urlsafe_b64encode(json.dumps({"alg": name, "kid": "k1", "typ": "JWT"}).encode()).decode().rstrip("=")
        assert discover(closed, f"{head}.{payload}.") == 401


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_j3_symmetric_algorithms_are_refused(closed: FlaskClient, signer: Signer, algorithm: str) -> None:
    """J3 Reject every symmetric algorithm, also where the public key itself is the secret (RFC 8725, 2.1)."""
    assert discover(closed, signer.token(DISCOVERY, key=shared_secret("k1"), algorithm=algorithm)) == 401
    public = OctKey.import_key(json.dumps(signer.public).encode(), {"kid": "k1"})
    assert discover(closed, signer.token(DISCOVERY, key=public, algorithm=algorithm)) == 401


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_j3_es384_and_rs384_are_accepted(make_application: Callable[..., Application], kind: str) -> None:
    """J3 accept ES384 and RS384."""
    ehr = Signer(key=new_key("k1", kind))
    assert discover(web_of(make_application, ehr.client()), ehr.token(DISCOVERY)) == 200


def test_j3_other_asymmetric_algorithms_are_refused(make_application: Callable[..., Application]) -> None:
    """J3: an algorithm that the specification doesn't name is refused, with the right key too."""
    ehr = Signer(key=new_key("k1", "RSA"))
    web = web_of(make_application, ehr.client())
    for algorithm in ("RS256", "RS512", "PS384"):
        assert discover(web, ehr.token(DISCOVERY, algorithm=algorithm)) == 401


def test_j3_algorithm_and_key_must_fit(closed: FlaskClient, signer: Signer) -> None:
    """J3: a key of another kind under the same kid isn't used."""
    assert discover(closed, signer.token(DISCOVERY, key=new_key("k1", "RSA"), algorithm="RS384")) == 401


def test_j3_short_rsa_keys_are_refused(make_application: Callable[..., Application]) -> None:
    """J3: an RSA key under 2048 bits proves nothing (RFC 7518, 3.3)."""
    with pytest.warns(SecurityWarning):
        weak = RSAKey.import_key(rsa.generate_private_key(65537, 1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), {"kid": "k1"})
    ehr = Signer(key=weak)
    assert discover(web_of(make_application, ehr.client()), ehr.token(DISCOVERY)) == 401


def test_j4_unknown_issuers_are_refused(closed: FlaskClient, signer: Signer) -> None:
    """J4 Allow-list `iss`: exact, a slash more is another issuer."""
    for issuer in ("https://other.example.org", ISSUER + "/", ISSUER.upper(), ""):
        assert discover(closed, signer.token(DISCOVERY, iss=issuer)) == 401


def test_j4_nothing_is_fetched_for_a_foreign_issuer_or_jku(make_application: Callable[..., Application], serve: Callable[[Any], str]) -> None:
    """J4 Allow-list `iss` and `jku` before anything is fetched: the attacker's key server is never asked."""
    ehr, attacker = Signer(), Signer(key=new_key("k1"))
    own, foreign = KeyServer([ehr.public]), KeyServer([attacker.public])
    own_url, foreign_url = f"{serve(own.app())}/jwks.json", f"{serve(foreign.app())}/jwks.json"
    web = web_of(make_application, ehr.client(keys=(), jwks_url=own_url))
    assert discover(web, attacker.token(DISCOVERY, {"jku": foreign_url})) == 401
    assert discover(web, attacker.token(DISCOVERY, {"jku": foreign_url}, iss="https://attacker.example")) == 401
    assert discover(web, attacker.token(DISCOVERY, {"jku": own_url + "#"})) == 401
    assert (own.asked, foreign.asked) == (0, 0)
    assert discover(web, ehr.token(DISCOVERY, {"jku": own_url})) == 200
    assert (own.asked, foreign.asked) == (1, 0)


def test_j4_no_jku_where_none_is_registered(closed: FlaskClient, signer: Signer) -> None:
    """J4: for a client with keys in the settings, no `jku` is allowed."""
    assert discover(closed, signer.token(DISCOVERY, {"jku": "https://ehr.example.org/jwks.json"})) == 401


def test_j4_a_key_in_the_header_is_not_used(closed: FlaskClient) -> None:
    """J4: a token that brings its own key (`jwk`, `x5c`) proves nothing."""
    attacker = Signer(key=new_key("k1"))
    assert discover(closed, attacker.token(DISCOVERY, {"jwk": attacker.public})) == 401


def test_j5_audience_is_this_endpoint(closed: FlaskClient, signer: Signer, hook_call: Call) -> None:
    """J5 `aud` (string or array) contains the URL of this endpoint."""
    for audience in (REVIEW, [REVIEW], ["https://other.example.org", REVIEW]):
        assert closed.post("/cds-services/coding-review", json=hook_call(), headers=signer.headers(audience)).status_code == 200
    for audience in (DISCOVERY, FEEDBACK, PUBLIC, REVIEW + "/", REVIEW + "-start", REVIEW.upper(), "/cds-services/coding-review", [], [[REVIEW]]):
        assert closed.post("/cds-services/coding-review", json=hook_call(), headers=signer.headers(audience)).status_code == 401


def test_j5_the_host_header_decides_nothing(closed: FlaskClient, signer: Signer) -> None:
    """J5 computed from the configured public base URL, never from the Host header."""
    headers = signer.headers("https://attacker.example/cds-services") | {"Host": "attacker.example", "X-Forwarded-Host": "attacker.example"}
    assert closed.get("/cds-services", headers=headers).status_code == 401
    assert closed.get("/cds-services", headers=signer.headers(DISCOVERY) | {"Host": "attacker.example"}).status_code == 200


def test_j6_expired(closed: FlaskClient, signer: Signer) -> None:
    """J6 Check `exp`; half a minute is allowed for clocks."""
    now = int(time.time())
    assert discover(closed, signer.token(DISCOVERY, iat=now - 400, exp=now - 60)) == 401
    assert discover(closed, signer.token(DISCOVERY, iat=now - 400, exp=now - 5)) == 200


@pytest.mark.parametrize("changes", [{"iat": 600}, {"nbf": 600}, {"exp": 2 * 3600}])
def test_j6_times_to_come(closed: FlaskClient, signer: Signer, changes: dict[str, int]) -> None:
    """J6: issued or valid from later than now, or good for so long that it can't be remembered."""
    now = int(time.time())
    assert discover(closed, signer.token(DISCOVERY, **{name: now + seconds for name, seconds in changes.items()})) == 401


def test_j6_replay(closed: FlaskClient, signer: Signer) -> None:
    """J6 remember `jti` until `exp` (replay): a token opens the door once."""
    token = signer.token(DISCOVERY)
    assert [discover(closed, token), discover(closed, token)] == [200, 401]
    assert discover(closed, signer.token(DISCOVERY, jti="one")) == 200
    assert discover(closed, signer.token(DISCOVERY, jti="one")) == 401


def test_j6_replay_on_another_process(make_application: Callable[..., Application], signer: Signer, tmp_path: Any) -> None:
    """J6: processes that share the database share what was used."""
    url = f"sqlite:///{tmp_path / 'shared.sqlite'}"
    first, second = (web_of(make_application, signer.client(), database_url=url) for _ in range(2))
    token = signer.token(DISCOVERY)
    assert [discover(first, token), discover(second, token)] == [200, 401]


def test_j6_a_refused_token_uses_up_nothing(closed: FlaskClient, signer: Signer) -> None:
    """J6: a forged token can't spend the jti of a genuine one, nor can another issuer's."""
    forged = Signer(key=new_key("k1"))
    assert discover(closed, forged.token(DISCOVERY, jti="mine")) == 401
    assert discover(closed, signer.token(DISCOVERY, jti="mine")) == 200


def test_j6_tenant(make_application: Callable[..., Application], signer: Signer) -> None:
    """J6 check `tenant` where used: several clients of one issuer are told apart by it."""
    south = Signer(key=new_key("k2"))
    web = web_of(make_application, signer.client(jwt_tenant="n"), south.client("south", jwt_tenant="s"))
    assert discover(web, signer.token(DISCOVERY, tenant="n")) == 200
    assert discover(web, south.token(DISCOVERY, tenant="s")) == 200
    for tenant in (None, "", "s", "x", 7):
        assert discover(web, signer.token(DISCOVERY, tenant=tenant)) == 401


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the moment."""
        return self.now


def test_j7_key_sets_are_cached_and_rotated() -> None:
    """J7 cache and rotate: an unknown kid fetches anew, but not more often than every half minute; so does age."""
    old, new = Signer(key=new_key("old")), Signer(key=new_key("new"))
    asked: list[str] = []
    published = [old.public]

    def fetch(client: Client) -> dict[str, object]:
        asked.append(client.name)
        return {"keys": list(published)}

    clock, client = Clock(), Client("north", issuer=ISSUER, jwks_url="https://ehr.example.org/jwks.json")
    sets = KeySets(fetch, clock=clock)
    assert sets.find(client, "old", "ES384") is not None
    assert sets.find(client, "old", "ES384") is not None
    assert len(asked) == 1
    published[:] = [new.public]
    assert [sets.find(client, f"made-up-{n}", "ES384") for n in range(50)] == [None] * 50
    assert len(asked) == 1, "callers without a key can't make the service call out"
    clock.now += PAUSE_S
    assert sets.find(client, "new", "ES384") is not None
    assert sets.find(client, "old", "ES384") is None, "a withdrawn key is gone"
    assert len(asked) == 2
    clock.now += FRESH_S
    assert sets.find(client, "new", "ES384") is not None
    assert len(asked) == 3


def test_j7_an_outage_is_survived() -> None:
    """J7: while the key server is down the last set is used, for a day."""
    ehr, down = Signer(), False

    def fetch(_client: Client) -> dict[str, object]:
        if down:
            raise ValueError("down")
        return {"keys": [ehr.public]}

    clock, client = Clock(), Client("north", issuer=ISSUER, jwks_url="https://ehr.example.org/jwks.json")
    sets = KeySets(fetch, clock=clock)
    assert sets.find(client, "k1", "ES384") is not None
    down = True
    clock.now += LAST_S - 1
    assert sets.find(client, "k1", "ES384") is not None
    clock.now += 2
    assert sets.find(client, "k1", "ES384") is None
    down = False
    clock.now += PAUSE_S
    assert sets.find(client, "k1", "ES384") is not None


def test_j7_the_registered_set_on_the_wire(make_application: Callable[..., Application], serve: Callable[[Any], str]) -> None:
    """J7 No `jku`: the JWKS registered for that client; a server that is down or lies is a 401, not a 500."""
    ehr = Signer()
    server = KeyServer([{"kty": "oct", "kid": "k1", "k": "c2VjcmV0"}, ehr.public | {"use": "enc", "kid": "k3"}, "no key", ehr.public])  # type: ignore[list-item]
    web = web_of(make_application, ehr.client(keys=(), jwks_url=f"{serve(server.app())}/jwks.json"))
    assert discover(web, ehr.token(DISCOVERY)) == 200
    assert discover(web, ehr.token(DISCOVERY, {"kid": "k3"})) == 401
    broken = KeyServer([], down=True)
    down = web_of(make_application, ehr.client(keys=(), jwks_url=f"{serve(broken.app())}/jwks.json"))
    assert [discover(down, ehr.token(DISCOVERY)) for _ in range(3)] == [401] * 3
    assert broken.asked == 1


def test_j7_a_kid_belongs_to_its_issuer(make_application: Callable[..., Application], signer: Signer) -> None:
    """J7 a `kid` belongs to its issuer: another client's key, with its kid or under ours, opens nothing."""
    other = Signer("https://south.example.org", new_key("k2"))
    twin = Signer("https://west.example.org", new_key("k1"))
    web = web_of(make_application, signer.client(), other.client("south"), twin.client("west"))
    assert discover(web, other.token(DISCOVERY)) == 200
    assert discover(web, twin.token(DISCOVERY)) == 200
    assert discover(web, other.token(DISCOVERY, iss=ISSUER)) == 401
    assert discover(web, twin.token(DISCOVERY, iss=ISSUER)) == 401


def test_j8_a_bare_401(closed: FlaskClient, signer: Signer) -> None:
    """J8 Failure: a bare 401 without a reason; all failures look alike."""
    tokens = (signer.token(DISCOVERY, exp=1), signer.token("https://x.example"), signer.token(DISCOVERY, iss="https://x.example"), "a.b.c")
    answers = [closed.get("/cds-services", headers={"Authorization": f"Bearer {t}"}) for t in tokens]
    assert {(a.status_code, a.data, a.headers["WWW-Authenticate"]) for a in answers} == {(401, b"", "Bearer")}


def test_j8_the_log_holds_reason_and_issuer_but_no_token(closed: FlaskClient, signer: Signer, caplog: pytest.LogCaptureFixture) -> None:
    """J8 never log the JWT (`iss`, `tenant`, `jti` are fine); the operator reads why."""
    caplog.set_level(logging.DEBUG)
    good, late = signer.token(DISCOVERY), signer.token(DISCOVERY, exp=1, jti="late")
    assert [discover(closed, good), discover(closed, late)] == [200, 401]
    told = [str(r.__dict__) for r in caplog.records]
    assert any("'reason': 'expired'" in t and ISSUER in t and "late" in t for t in told)
    assert not any(part in t for t in told for token in (good, late) for part in token.split("."))


def test_j9_extra_claims(make_application: Callable[..., Application]) -> None:
    """J9 Tolerate extra claims (Epic sends `sub` and `nbf`, RS384)."""
    epic = Signer(key=new_key("k1", "RSA"))
    web = web_of(make_application, epic.client())
    token = epic.token(DISCOVERY, {"x5t": "abc", "org.example": 1}, sub=ISSUER, nbf=int(time.time()), extra={"deep": [1]})
    assert discover(web, token) == 200


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ('issuer = "https://a.example"', "no keys"),
        ('issuer = "https://a.example"\njwks_url = "http://a.example/jwks"', "jwks_url"),
        ('issuer = "https://a.example"\nkeys = [{kty = "oct", kid = "1", k = "c2VjcmV0"}]', "private or secret"),
        ('issuer = "https://a.example"\nkeys = [{kty = "EC"}]', "kid"),
        ("issuer = 7", "issuer"),
        ('api = "yes"', "true or false"),
    ],
)
def test_a_wrong_registration_stops_the_start(tmp_path: Any, client: str, words: str) -> None:
    """House: a registration that can't work, or isn't safe, is named at the start."""
    file = tmp_path / "marginalia.toml"
    file.write_text(f'[[clients]]\nname = "north"\n{client}\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=words):
        Settings.load(file, environ={})


def test_two_clients_that_a_token_could_not_tell_apart(tmp_path: Any) -> None:
    """House: one issuer for two clients wants a jwt_tenant for each."""
    file = tmp_path / "marginalia.toml"
    two = "\n".join(f'[[clients]]\nname = "{n}"\nissuer = "https://a.example"\njwks_url = "https://a.example/jwks"\n' for n in "ab")
    file.write_text(two, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="same issuer"):
        Settings.load(file, environ={})
