"""Settings: from MARGINALIA_* environment variables and a TOML file; the environment wins.

A wrong value stops the start with a ConfigurationError that names the setting, what it was and what was expected.
"""

from __future__ import annotations

import ipaddress
import itertools
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cds_service.errors import ConfigurationError

DEFAULT_PUBLIC_URL = "http://127.0.0.1:8080"
PREFIX = "MARGINALIA_"


class Profile(StrEnum):
    """Which EHR family's form of cards a client wants."""

    STANDARD = "standard"
    EPIC = "epic"
    ORACLE = "oracle"


@dataclass(frozen=True, slots=True)
class Client:
    """One EHR that calls the service.

    `fhir_servers` are the only origins ("https://ehr.example.org") to which its tokens are sent (R6).
    `links` are the SMART launch URLs registered with the EHR; Oracle Health shows no others.
    `issuer` is the `iss` of the JWTs that an EHR sends with hook calls, `jwt_tenant` the `tenant` in them where several
    clients share an issuer. `jwks_url` is where its public keys are, `keys` the keys themselves (JWKs) where there is no such place.
    `api` lets it use /api/v1, with a key of `marginalia client key` or with an access token.
    `when_busy` chooses what a hook call gets beyond capacity: "refuse" (503 with Retry-After) or "empty" (no cards, and the coverage says why).
    """

    name: str  # what logs and commands call it
    tenant: str = "default"  # whose data it is; in a file the name unless given
    profile: Profile = Profile.STANDARD  # form of its cards
    fhir_servers: tuple[str, ...] = ()  # origins to which its tokens may be sent
    links: tuple[str, ...] = ()  # SMART launch URLs registered with the EHR
    when_busy: str = "refuse"  # what a hook call gets beyond capacity: refuse, or empty
    issuer: str = ""  # `iss` of its JWTs
    jwt_tenant: str = ""  # `tenant` of its JWTs, where several clients share an issuer
    jwks_url: str = ""  # https address of its public keys
    keys: tuple[Mapping[str, Any], ...] = ()  # its public keys (JWKs), where there is no such address
    api: bool = False  # whether it may use /api/v1

    @property
    def can_authenticate(self) -> bool:
        """Whether there is a way to prove to be this client."""
        return bool(self.issuer) or self.api


OPEN_CLIENT = Client("open")


@dataclass(frozen=True)
class Settings:
    """Everything that can be set. `open` is set by `serve --open` only: no client is authenticated then."""

    public_url: str = DEFAULT_PUBLIC_URL  # where EHR and browser reach the service; `serve` puts its own address in place of the default
    database_url: str = field(default_factory=lambda: f"sqlite:///{_state_folder() / 'marginalia.sqlite'}")  # PostgreSQL: with the extra `postgres`
    provider: str = "auto"  # "auto" | "cpu" | "cuda"
    threads: int = 2  # of one inference
    workers: int = 8  # requests served at the same time
    hook_budget_ms: int = 380  # from the arrival of a hook call to its answer
    fetch_budget_ms: int = 2000  # at most for what the EHR left out of the prefetch
    api_budget_ms: int = 20_000  # for a review asked through the API
    remember_minutes: int = 15  # how long readings of notes stay in memory for the next hook on the chart; 0: not at all
    max_body_mb: int = 16  # largest request
    processes: int = 1  # that serve; each holds the model and the tables, and serves `workers` calls at the same time
    waiting: int = 16  # calls of one process that may wait for a free worker; more are refused at once (503)
    data_keys: tuple[str, ...] = field(default=(), repr=False)  # Fernet keys that seal what is kept, the newest first; a file beside SQLite unless given
    audit_key: str = field(default="", repr=False)  # Ed25519 seed, base64, that signs the audit's checkpoints; a file beside SQLite unless given
    retention_days: Mapping[str, int] = field(default_factory=dict)  # tenant ("default": the others) -> days; what is older is deleted. 0 or absent: kept
    handle_hours: int = 12  # how long a card's SMART link stays good
    ask_again_days: int = 7  # how long a documentation query that was asked isn't put again on a card, unless it rests on something else now; 0: not at all
    cors_origins: tuple[str, ...] = ()  # origins whose pages may call the service
    clients: tuple[Client, ...] = ()  # who may call, see below
    private_networks: tuple[str, ...] = ()  # networks beside the public ones that the service may call, e.g. 10.20.0.0/16
    ca_file: str = ""  # PEM file with the authorities of EHRs' certificates, in place of the public ones
    data: Path = field(default_factory=lambda: _state_folder() / "data")  # folder of imported code sets and payers' rules
    shadow_model: Path | None = None  # folder with another model's artefacts: it reads after the answers, and only counters tell how it differs
    traces_url: str = ""  # OTLP/HTTP address of a trace collector, e.g. https://collector.example.org/v1/traces; needs the extra `telemetry`
    claim_tables: Path | None = None  # folder with official files: NCCI pairs, unit limits, Medicare Coverage Database
    smart: Mapping[str, Any] = field(default_factory=dict)  # the SMART app, see below
    open: bool = False

    @property
    def open_client(self) -> Client:
        """The client that every caller is in open mode: the one named "open" in the settings, else a standard one."""
        return next((c for c in self.clients if c.name == OPEN_CLIENT.name), OPEN_CLIENT)

    @classmethod
    def load(cls, path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the TOML file (if any) and the environment.

        Raises:
            ConfigurationError: a value is wrong, a name unknown, or the file can't be read.
        """
        environment = os.environ if environ is None else environ
        chosen = path or (Path(environment[f"{PREFIX}CONFIG"]) if environment.get(f"{PREFIX}CONFIG") else None)
        values = _read_toml(chosen) if chosen else {}
        for name, value in environment.items():
            if not name.startswith(PREFIX) or name == f"{PREFIX}CONFIG":
                continue
            key = name.removeprefix(PREFIX).lower()
            if key.startswith("smart_"):
                values["smart"] = {**values.get("smart", {}), key.removeprefix("smart_"): value}
            else:
                values[key] = value
        return cls(**_checked(values))


def is_loopback(host: str) -> bool:
    """Tell whether `host` is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def origin_of(url: str) -> str:
    """Return scheme, host and port of an http(s) URL in one form (lower case, no default port); '' if it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")


def _state_folder() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "marginalia"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"The settings file {path} can't be read ({error.strerror}).", "Give the path of a readable TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The settings file {path} is not TOML: {error}.", "Correct the file.") from error


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    known = {f.name for f in fields(Settings)} - {"open"}
    result: dict[str, Any] = {}
    for name, value in values.items():
        if name == "open":
            raise ConfigurationError("'open' is not a setting.", "Start the service with `marginalia serve --open` instead.")
        if name not in known:
            raise ConfigurationError(f"There is no setting '{name}'.", f"The settings are: {', '.join(sorted(known))}.")
        result[name] = _value(name, value)
    return result


def _value(name: str, value: object) -> object:
    match name:
        case "public_url":
            return _public_url(value)
        case "provider":
            return _one_of(name, value, ("auto", "cpu", "cuda"))
        case "threads" | "workers" | "hook_budget_ms" | "fetch_budget_ms" | "api_budget_ms" | "max_body_mb" | "handle_hours" | "processes":
            return _whole(name, value, least=1)
        case "data_keys":
            return _secrets(name, value)
        case "audit_key":
            return "".join(_secrets(name, value))
        case "retention_days":
            return _retention(value)
        case "remember_minutes" | "waiting" | "ask_again_days":
            return _whole(name, value, least=0)
        case "cors_origins":
            return tuple(_origin(name, v) for v in _strings(name, value))
        case "clients":
            return _clients(value)
        case "private_networks":
            return tuple(_network(name, v) for v in _strings(name, value))
        case "ca_file":
            if not isinstance(value, str) or not Path(value).is_file():
                raise _wrong(name, value, "the path of a PEM file")
            return value
        case "traces_url":
            if not isinstance(value, str) or not origin_of(value):
                raise _wrong(name, value, "the http(s) address of an OTLP collector")
            return value
        case "data":
            if not isinstance(value, str) or not value or (Path(value).exists() and not Path(value).is_dir()):
                raise _wrong(name, value, "a folder for imported code sets and payers' rules")
            return Path(value)
        case "shadow_model":
            if not isinstance(value, str) or not Path(value).is_dir():
                raise _wrong(name, value, "a folder with a model's artefacts")
            return Path(value)
        case "claim_tables":
            if not isinstance(value, str) or not Path(value).is_dir():
                raise _wrong(name, value, "a folder with official files of CMS")
            return Path(value)
        case "smart":
            if not isinstance(value, Mapping):
                raise _wrong(name, value, "a table")
            return dict(value)
        case _:
            if not isinstance(value, str) or not value:
                raise _wrong(name, value, "a database URL such as sqlite:////var/lib/marginalia/marginalia.sqlite")
            return value


def _clients(value: object) -> tuple[Client, ...]:
    if not isinstance(value, list) or not all(isinstance(v, Mapping) for v in value):
        raise _wrong("clients", value, "a list of tables, [[clients]]")
    result: list[Client] = []
    for index, entry in enumerate(value):
        where = f"clients[{index}]"
        unknown = set(entry) - {f.name for f in fields(Client)}
        if unknown:
            known = ", ".join(f.name for f in fields(Client))
            raise ConfigurationError(f"{where} has unknown fields: {', '.join(sorted(unknown))}.", f"The fields are: {known}.", field=where)
        name = entry.get("name")
        if not isinstance(name, str) or not name or name in {c.name for c in result}:
            raise _wrong(f"{where}.name", name, "a name that no other client has")
        result.append(
            Client(
                name,
                str(entry.get("tenant", name)),
                Profile(_one_of(f"{where}.profile", entry.get("profile", "standard"), tuple(Profile))),
                tuple(_origin(f"{where}.fhir_servers", v) for v in _strings(f"{where}.fhir_servers", entry.get("fhir_servers", ()))),
                tuple(_strings(f"{where}.links", entry.get("links", ()))),
                _one_of(f"{where}.when_busy", entry.get("when_busy", "refuse"), ("refuse", "empty")),
                **_proof(where, entry),
            )
        )
    _check_issuers(result)
    return tuple(result)


def _secrets(name: str, value: object) -> tuple[str, ...]:
    try:
        return _strings(name, value)
    except ConfigurationError as error:  # told without the value
        raise ConfigurationError(f"The setting '{name}' is not text.", "Give the key, or several with commas, the newest first.", field=name) from error


def _retention(value: object) -> dict[str, int]:
    days = value if isinstance(value, Mapping) else {"default": value}
    return {str(tenant): _whole(f"retention_days.{tenant}", number, least=0) for tenant, number in days.items()}


def _proof(where: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields by which a client proves who it is."""
    found: dict[str, Any] = {}
    for name in ("issuer", "jwt_tenant", "jwks_url"):
        found[name] = entry.get(name, "")
        if not isinstance(found[name], str) or len(found[name]) > 500:
            raise _wrong(f"{where}.{name}", found[name], "a string")
    if found["jwks_url"]:
        _origin(f"{where}.jwks_url", origin_of(found["jwks_url"]) or found["jwks_url"])
    keys = entry.get("keys", ())
    if not isinstance(keys, list | tuple) or not all(isinstance(k, Mapping) and isinstance(k.get("kid"), str) for k in keys):
        raise ConfigurationError(f"{where}.keys is not what it should be.", "Expected a list of public JWKs, each with a kid.", field=f"{where}.keys")
    if any({"d", "k"} & set(k) for k in keys):
        raise ConfigurationError(f"{where}.keys holds a private or secret key.", "Give public keys only, and replace this one.", field=f"{where}.keys")
    api = entry.get("api", False)
    if not isinstance(api, bool):
        raise _wrong(f"{where}.api", api, "true or false")
    if found["issuer"] and not (found["jwks_url"] or keys):
        raise ConfigurationError(f"{where} has an issuer, but no keys.", "Give jwks_url, or keys.", field=where)
    return found | {"keys": tuple(dict(k) for k in keys), "api": api}


def _check_issuers(clients: list[Client]) -> None:
    """Refuse clients that a JWT couldn't tell apart."""
    for client, other in itertools.combinations([c for c in clients if c.issuer], 2):
        same = client.issuer == other.issuer
        if same and (client.jwt_tenant == other.jwt_tenant or not (client.jwt_tenant and other.jwt_tenant)):
            told = f"The clients {client.name} and {other.name} have the same issuer."
            raise ConfigurationError(told, "Give each of them a jwt_tenant of its own.", field="clients")


def _network(name: str, value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise _wrong(name, value, "networks such as 10.20.0.0/16") from None


def _public_url(value: object) -> str:
    url = value.rstrip("/") if isinstance(value, str) else ""
    parts = urlsplit(url)
    if not origin_of(url) or parts.query or parts.fragment or (parts.scheme == "http" and not is_loopback(parts.hostname or "")):
        raise _wrong("public_url", value, "an absolute https URL (http only on a loopback address)")
    return url


def _origin(name: str, value: str) -> str:
    origin = origin_of(value)
    parts = urlsplit(value)
    if not origin or parts.path not in ("", "/") or (parts.scheme == "http" and not is_loopback(parts.hostname or "")):
        raise _wrong(name, value, "https origins such as https://ehr.example.org (http only on a loopback address)")
    return origin


def _strings(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(v.strip() for v in value.split(",") if v.strip())
    if isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise _wrong(name, value, "a list of strings")


def _whole(name: str, value: object, *, least: int) -> int:
    try:
        number = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else least - 1
    except ValueError:
        number = least - 1
    if number < least:
        raise _wrong(name, value, f"a whole number, at least {least}")
    return number


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise _wrong(name, value, f"one of {', '.join(allowed)}")
    return value


def _wrong(name: str, value: object, expected: str) -> ConfigurationError:
    return ConfigurationError(f"The setting '{name}' is {value!r}.", f"Expected {expected}.", field=name)
