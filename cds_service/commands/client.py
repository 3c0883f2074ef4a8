"""`marginalia client`: the clients of the service, EHRs and coding systems, and the keys of the API."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import requests

from cds_service.access.api_keys import ApiKeys
from cds_service.access.key_sets import read_keys
from cds_service.config import PREFIX, Client, Profile, Settings, is_loopback
from cds_service.errors import ConfigurationError, MarginaliaError, NotFoundError
from cds_service.outgoing import Outgoing
from cds_service.store import open_engine, upgrade

_CONFIG = click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with the settings; else that of MARGINALIA_CONFIG.")
_SECONDS = 5.0


@click.group()
def client() -> None:
    """Clients that may call: EHRs and coding systems, and keys of the API."""


@client.command()
@click.argument("name")
@_CONFIG
@click.option("--issuer", default="", help="What its JWTs say in `iss`.")
@click.option("--jwks-url", default="", help="Where its public keys are.")
@click.option("--jwks", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="File with its public keys (JWK set), where no address has them.")
@click.option("--tenant", default="", help="Whose data it is; the name unless given.")
@click.option("--jwt-tenant", default="", help="What its JWTs say in `tenant`, where several clients share an issuer.")
@click.option("--fhir-server", "fhir_servers", multiple=True, help="Origin of a FHIR server to which its tokens may be sent. Repeatable.")
@click.option("--link", "links", multiple=True, help="SMART launch URL registered with the EHR. Repeatable.")
@click.option("--profile", type=click.Choice([p.value for p in Profile]), default=Profile.STANDARD.value, show_default=True, help="Form of its cards.")
@click.option("--api", is_flag=True, help="It may use /api/v1.")
def add(name: str, config: Path | None, **given: Any) -> None:
    """Add a client to the settings file.

    The file is changed only where all settings are right afterwards. A running service reads it at its next start.
    """
    path = _file(config)
    fields = {key: value for key, value in given.items() if value and key != "jwks"}
    if given["jwks"]:
        fields["keys"] = _key_file(given["jwks"])
    if not (fields.get("issuer") or fields.get("api")):
        raise click.UsageError("Give --issuer for an EHR, or --api for a coding system.")
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    _replace(path, before + ("\n" if before else "") + _table({"name": name, **fields}))
    click.echo(f"{name} is registered in {path}. `marginalia client check {name}` tries its addresses.", err=True)


@client.command("list")
@_CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_clients(config: Path | None, as_json: bool) -> None:
    """List the clients and the keys of the API."""
    settings = Settings.load(config)
    keys = [
        {"id": k.id, "client": k.client, "label": k.label, "created": k.created.isoformat(), "expires": _day(k.expires), "revoked": _day(k.revoked)}
        for k in _api_keys(settings).all()
    ]
    clients = [_told(c) for c in settings.clients]
    if as_json:
        click.echo(json.dumps({"clients": clients, "keys": [{n: v for n, v in k.items() if v} for k in keys]}, indent=2))
        return
    for told in clients:
        click.echo(f"{told['name']}  tenant {told['tenant']}, {told['profile']}, {told['proof']}")
        for server in told["fhirServers"]:
            click.echo(f"    FHIR server {server}")
    for key in keys:
        state = f"revoked {key['revoked']}" if key["revoked"] else f"until {key['expires'] or 'revoked'}"
        click.echo(f"key {key['id']}  {key['client']}, {key['label'] or 'no label'}, {state}")
    if not clients:
        click.echo("No client is registered.", err=True)


@client.command()
@click.argument("name")
@_CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(context: click.Context, name: str, config: Path | None, as_json: bool) -> None:
    """Try what a client's registration names: its keys, its FHIR servers, the address it signs for."""
    settings = Settings.load(config)
    found = list(checks(settings, _named(settings, name)))
    if as_json:
        click.echo(json.dumps([{"what": what, "ok": not problem, **({"problem": problem} if problem else {})} for what, problem in found], indent=2))
    else:
        for what, problem in found:
            click.echo(f"{'FAIL' if problem else 'ok  '}  {what}{': ' + problem if problem else ''}")
    context.exit(1 if any(problem for _, problem in found) else 0)


@client.command()
@click.argument("name")
@_CONFIG
@click.option("--label", default="", help="What the key is for.")
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long it is good.")
def key(name: str, config: Path | None, label: str, days: int) -> None:
    """Make a key of the API for a client, and print it: it can't be shown again."""
    settings = Settings.load(config)
    if not _named(settings, name).api:
        raise ConfigurationError(f"The client {name} may not use the API.", "Set `api = true` for it.", field="clients")
    secret, record = _api_keys(settings).create(name, label, days=days)
    click.echo(secret)
    click.echo(f"Key {record.id} of {name}, good until {_day(record.expires)}. Only its hash is kept.", err=True)


@client.command()
@click.argument("key_id")
@_CONFIG
def revoke(key_id: str, config: Path | None) -> None:
    """Make a key of the API useless at once."""
    record = _api_keys(Settings.load(config)).revoke(key_id)
    click.echo(f"Key {record.id} of {record.client} is revoked.", err=True)


def _private_enough(url: str) -> bool:
    """Return whether nobody on the way can read along: https, or this machine alone."""
    return url.startswith("https://") or is_loopback(urlsplit(url).hostname or "")


def checks(settings: Settings, chosen: Client) -> Iterator[tuple[str, str]]:
    """Yield what was tried, and what is wrong with it ('' where nothing is)."""
    yield f"calls are signed for {settings.public_url}/cds-services/…", "" if _private_enough(settings.public_url) else "no https address"
    out = Outgoing(settings)
    try:
        if chosen.keys:
            yield f"{len(chosen.keys)} keys in the settings", "" if read_keys(chosen.keys) else "none is P-384, or RSA of 2048 bits or more"
        elif chosen.jwks_url:
            yield f"keys at {chosen.jwks_url}", _key_problem(out, chosen)
        for server in chosen.fhir_servers:
            yield f"FHIR server {server}", _reach_problem(out, replace(chosen, fhir_servers=(server,)))
        if chosen.profile is Profile.ORACLE:
            launch = f"{settings.public_url}/smart/launch"
            yield "the SMART link is registered", "" if launch in chosen.links else f"links lacks {launch}, so cards come without it"
        if not chosen.fhir_servers and chosen.issuer:
            yield "FHIR servers", "none is registered: what the prefetch lacks can't be fetched"
    finally:
        out.close()


def _key_problem(out: Outgoing, chosen: Client) -> str:
    try:
        entries = out.to_keys(chosen).fetch_json(chosen.jwks_url, seconds=_SECONDS).get("keys")
    except (requests.RequestException, ValueError) as error:
        return _words(error)
    return "" if isinstance(entries, list) and read_keys(entries) else "no key is P-384, or RSA of 2048 bits or more, with a kid"


def _reach_problem(out: Outgoing, chosen: Client) -> str:
    try:
        out.to_fhir(chosen).get(chosen.fhir_servers[0], timeout=_SECONDS, stream=True, allow_redirects=False).close()
    except requests.RequestException as error:
        return _words(error)
    return ""


def _words(error: Exception) -> str:
    return {
        "ForbiddenAddress": "the address may not be called (see private_networks)",
        "SSLError": "its certificate is not trusted (see ca_file)",
        "ConnectTimeout": "no connection in time",
        "ReadTimeout": "no answer in time",
        "ConnectionError": "it can't be reached",
        "HTTPError": f"it answers with {error}",
    }.get(type(error).__name__, "its answer can't be read")


def _told(chosen: Client) -> dict[str, Any]:
    proof = [f"JWT of {chosen.issuer}" + (f" for tenant {chosen.jwt_tenant}" if chosen.jwt_tenant else "")] if chosen.issuer else []
    proof += ["API"] if chosen.api else []
    return {
        "name": chosen.name,
        "tenant": chosen.tenant,
        "profile": chosen.profile.value,
        "proof": " and ".join(proof) or "no way to prove who it is",
        "fhirServers": list(chosen.fhir_servers),
    }


def _named(settings: Settings, name: str) -> Client:
    found = next((c for c in settings.clients if c.name == name), None)
    if found is None:
        raise NotFoundError(f"There is no client '{name}'.", "`marginalia client list` shows the clients.")
    return found


def _api_keys(settings: Settings) -> ApiKeys:
    engine = open_engine(settings.database_url)
    upgrade(engine)
    return ApiKeys(engine)


def _file(config: Path | None) -> Path:
    named = config or (Path(os.environ[f"{PREFIX}CONFIG"]) if os.environ.get(f"{PREFIX}CONFIG") else None)
    if named is None:
        raise click.UsageError("Name the settings file with --config, or set MARGINALIA_CONFIG.")
    return named


def _key_file(path: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        entries = document.get("keys", [document])
        return [{k: v for k, v in entry.items() if isinstance(v, str)} for entry in entries]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ConfigurationError(f"{path} is no JWK set.", 'Give a file such as {"keys": [...]}.') from error


def _table(fields: Mapping[str, Any]) -> str:
    return "[[clients]]\n" + "".join(f"{name} = {_toml(value)}\n" for name, value in fields.items())


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return json.dumps(value)  # what JSON writes of strings and truth values is TOML as well


def _replace(path: Path, text: str) -> None:
    """Put a settings file in place of the old one, once it has been read as the service will read it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be written ({error.strerror}).", "Choose another file, or the right to write it.") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Settings.load(Path(draft), environ={})
        if path.exists():
            os.chmod(draft, path.stat().st_mode & 0o777)
        os.replace(draft, path)
    except MarginaliaError:
        os.unlink(draft)
        raise


def _day(moment: Any) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""
