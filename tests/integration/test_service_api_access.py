"""Who may use /api/v1: access tokens by client credentials (private_key_jwt), and keys that are kept as hashes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import inspect, text

from cds_service import cli
from cds_service.access import ApiKeys
from cds_service.access.tokens import ASSERTION_TYPE
from cds_service.application import Application
from cds_service.config import Client, Settings
from cds_service.web import create_app
from tests.signing import PUBLIC, KeyServer, Signer, new_key

TOKEN_URL = f"{PUBLIC}/oauth/token"
NOTE = {"text": "Assessment: essential hypertension.", "encounterDate": "2026-03-01"}


@pytest.fixture(scope="module")
def signer() -> Signer:
    """The coding system."""
    return Signer("cac")


@pytest.fixture
def running(make_application: Callable[..., Application], signer: Signer) -> Application:
    """The application with a coding system, and an EHR that may not use the API."""
    coding = Client("cac", tenant="north", keys=(signer.public,), api=True)
    return make_application(open=False, public_url=PUBLIC, clients=(coding, Signer().client("ehr")))


@pytest.fixture
def web(running: Application) -> FlaskClient:
    """A client of the service."""
    return create_app(running).test_client()


def ask(web: FlaskClient, signer: Signer, form: dict[str, str] | None = None, **claims: Any) -> Any:
    """Ask for an access token."""
    assertion = signer.token(claims.pop("aud", TOKEN_URL), **{"sub": "cac", **claims})
    whole = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion} | (form or {})
    return web.post("/oauth/token", data={k: v for k, v in whole.items() if v})


def review(web: FlaskClient, secret: str) -> Any:
    """Ask for a review."""
    return web.post("/api/v1/review", json=NOTE, headers={"Authorization": f"Bearer {secret}"})


def test_client_credentials(web: FlaskClient, signer: Signer) -> None:
    """RFC 6749 section 4.4 with RFC 7523: an assertion gives a token, the token a review, and the kept review again."""
    answer = ask(web, signer)
    assert answer.status_code == 200
    assert (answer.json["token_type"], answer.json["expires_in"], answer.json["scope"]) == ("Bearer", 300, "review.create review.read")
    assert answer.headers["Cache-Control"] == "no-store"
    done = review(web, answer.json["access_token"])
    assert done.status_code == 200
    kept = web.get(f"/api/v1/reviews/{done.json['id']}", headers={"Authorization": f"Bearer {answer.json['access_token']}"})
    assert kept.status_code == 200


@pytest.mark.parametrize(
    "claims", [{"sub": "other"}, {"sub": None}, {"iss": "ehr", "sub": "ehr"}, {"iss": "nobody"}, {"aud": PUBLIC}, {"exp": 1}, {"jti": None}, {"exp": 2**53}]
)
def test_a_wrong_assertion_gives_no_token(web: FlaskClient, signer: Signer, claims: dict[str, Any]) -> None:
    """RFC 6749 section 5.2: 401 invalid_client, without saying what is wrong with the assertion."""
    answer = ask(web, signer, **claims)
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
    assert answer.json["error_description"] == "The client assertion is not accepted."


def test_an_assertion_is_good_once_and_from_its_client_only(web: FlaskClient, signer: Signer) -> None:
    """RFC 7523 section 3: jti is remembered; another key proves nothing."""
    assert [ask(web, signer, jti="one").status_code, ask(web, signer, jti="one").status_code] == [200, 401]
    assert ask(web, Signer("cac", new_key("k1"))).status_code == 401


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
        ({"client_assertion_type": "x"}, "invalid_request"),
        ({"client_assertion": ""}, "invalid_request"),
        ({"scope": "everything"}, "invalid_scope"),
    ],
)
def test_errors_of_the_token_endpoint(web: FlaskClient, signer: Signer, form: dict[str, str], error: str) -> None:
    """RFC 6749 section 5.2: 400 with the protocol's word."""
    answer = ask(web, signer, form)
    assert (answer.status_code, answer.json["error"]) == (400, error)


def test_a_scope_is_a_limit(web: FlaskClient, signer: Signer) -> None:
    """A token that may only read makes no review."""
    token = ask(web, signer, {"scope": "review.read"}).json["access_token"]
    assert review(web, token).status_code == 401
    assert web.get("/api/v1/reviews/none", headers={"Authorization": f"Bearer {token}"}).status_code == 404


def test_the_metadata_names_the_endpoint(web: FlaskClient) -> None:
    """RFC 8414: what a client library needs to know."""
    told = web.get("/.well-known/oauth-authorization-server").json
    assert (told["issuer"], told["token_endpoint"]) == (PUBLIC, TOKEN_URL)
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]


def test_a_token_ends(running: Application) -> None:
    """After five minutes a token opens nothing."""
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    keys = ApiKeys(running.store.engine, now=lambda: moment)
    token = keys.issue("cac", frozenset({"review.read"}))
    assert keys.find(token) is not None
    moment += timedelta(minutes=5)
    assert keys.find(token) is None


def test_static_keys(running: Application, web: FlaskClient) -> None:
    """A key opens the API until it is revoked or too old; a key of a client that may not use it opens nothing."""
    keys = ApiKeys(running.store.engine)
    secret, record = keys.create("cac", "coding room", days=1)
    assert review(web, secret).status_code == 200
    assert review(web, keys.create("ehr", "")[0]).status_code == 401
    assert review(web, keys.create("gone", "")[0]).status_code == 401
    later = ApiKeys(running.store.engine, now=lambda: datetime.now(UTC) + timedelta(days=2))
    assert later.find(secret) is None
    keys.revoke(record.id)
    assert review(web, secret).status_code == 401


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer mgk_x", "Bearer mgt_x", "Basic mgk_x", "Bearer \x00", "Bearer '; DROP TABLE api_key"])
def test_without_a_key_there_is_a_bare_401(web: FlaskClient, value: str) -> None:
    """No reason is told, and nothing of the body is read."""
    answer = web.post("/api/v1/review", data=b"{", headers={"Authorization": value})
    assert (answer.status_code, answer.data) == (401, b"")


def test_a_hook_token_is_no_api_token(web: FlaskClient, signer: Signer) -> None:
    """An EHR's JWT doesn't open the API, nor a key of the API the hooks."""
    assert review(web, Signer().token(f"{PUBLIC}/api/v1/review")).status_code == 401
    token = ask(web, signer).json["access_token"]
    assert web.get("/cds-services", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_the_database_holds_no_secret(running: Application, web: FlaskClient, signer: Signer) -> None:
    """Only hashes of keys and tokens are kept: the whole database is searched."""
    secret, _ = ApiKeys(running.store.engine).create("cac", "x")
    token = ask(web, signer).json["access_token"]
    with running.store.engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        dump = "".join(str(connection.execute(text(f'SELECT * FROM "{t}"')).all()) for t in tables)
    assert {"api_key", "access_token", "used_token"} <= set(tables)
    assert not any(part in dump for s in (secret, token) for part in (s, s[4:]))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Runs `marginalia client` with a settings file and a database of its own."""
    monkeypatch.setenv("MARGINALIA_CONFIG", str(tmp_path / "conf" / "marginalia.toml"))
    monkeypatch.setenv("MARGINALIA_DATABASE_URL", f"sqlite:///{tmp_path / 'clients.sqlite'}")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["marginalia", "client", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


def test_add_check_and_list(
    command: Callable[..., tuple[int, str, str]], serve: Callable[[Any], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`marginalia client add`, `check`, `list`: what is added is what the service reads; a check tries it."""
    ehr = Signer()
    base = serve(KeyServer([ehr.public]).app())
    assert command("add", "north", "--issuer", ehr.issuer, "--jwks-url", f"{base}/jwks.json", "--fhir-server", base, "--profile", "epic")[0] == 0
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [ehr.public]}), encoding="utf-8")
    assert command("add", 'the "south"', "--jwks", str(keys), "--api", "--tenant", "s")[0] == 0
    settings = Settings.load(environ={"MARGINALIA_CONFIG": str(tmp_path / "conf" / "marginalia.toml")})
    assert settings.clients == (
        Client("north", "north", fhir_servers=(base,), issuer=ehr.issuer, jwks_url=f"{base}/jwks.json", profile=settings.clients[0].profile),
        Client('the "south"', "s", keys=(ehr.public,), api=True),
    )
    status, out, _ = command("list", "--json")
    assert status == 0
    assert [c["name"] for c in json.loads(out)["clients"]] == ["north", 'the "south"']
    status, out, _ = command("check", "north", "--json")
    told = {line["what"]: line["ok"] for line in json.loads(out)}
    assert told[f"keys at {base}/jwks.json"] is True
    assert told[f"FHIR server {base}"] is True
    assert status == 0, "on one machine nobody reads along"
    monkeypatch.setenv("MARGINALIA_PUBLIC_URL", "http://marginalia.example.org")
    status, out, told_why = command("check", "north")
    assert status != 0
    assert "https" in out + told_why


def test_a_wrong_addition_changes_nothing(command: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """The file stays as it was where the settings would be wrong afterwards."""
    file = tmp_path / "conf" / "marginalia.toml"
    assert command("add", "north", "--issuer", "https://a.example", "--jwks-url", "https://a.example/jwks")[0] == 0
    before = file.read_bytes()
    for arguments in (("north", "--api"), ("b", "--issuer", "https://a.example", "--jwks-url", "https://a.example/jwks"), ("c", "--issuer", "x"), ("d",)):
        status, _, err = command("add", *arguments)
        assert status == 2
        assert err
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_keys_by_command(command: Callable[..., tuple[int, str, str]]) -> None:
    """`marginalia client key` prints a key once; `list` shows its id; `revoke` ends it."""
    assert command("add", "cac", "--api")[0] == 0
    status, secret, err = command("key", "cac", "--label", "night shift")
    assert status == 0
    assert secret.startswith("mgk_")
    assert secret.strip() not in err
    (listed,) = json.loads(command("list", "--json")[1])["keys"]
    assert (listed["client"], listed["label"]) == ("cac", "night shift")
    assert command("revoke", listed["id"])[0] == 0
    assert "revoked" in command("list")[1]
    assert command("revoke", "nothing")[0] == 1
    assert command("key", "nobody")[0] == 1
