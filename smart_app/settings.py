"""Settings of the app: which EHRs may launch it and as which client it speaks to each."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from smart_app.errors import ConfigurationError, LaunchRefused
from smart_app.straight_through import StraightThrough, read_rules

# What the review reads. v2 syntax; `offline_access` is left out on purpose: the app works beside an open chart.
DEFAULT_SCOPES = (
    "openid fhirUser patient/Patient.rs patient/Encounter.rs patient/DocumentReference.rs patient/Binary.r "
    "patient/Composition.rs patient/DiagnosticReport.rs patient/ClinicalImpression.rs patient/Condition.rs "
    "patient/Observation.rs patient/MedicationRequest.rs patient/MedicationStatement.rs patient/AllergyIntolerance.rs "
    "patient/MedicationAdministration.rs patient/Procedure.rs patient/ServiceRequest.rs patient/DeviceRequest.rs patient/Device.rs "
    "patient/Coverage.rs user/Practitioner.r"
)


# What is written on a person's word. Asked for only where the EHR is set to take it ("writes"): an EHR may refuse a launch for a scope it doesn't know.
WRITE_SCOPES = (
    "patient/Condition.cu",
    "patient/Provenance.c",
    "patient/Communication.c",
    "patient/Task.c",
    "patient/QuestionnaireResponse.c",
    "patient/Claim.cu",
    "patient/ChargeItem.cu",
)


LEAST_CELL = 11  # CMS Cell Size Suppression Policy: no cell of 1 to 10 patients


class ClientAuth(StrEnum):
    """How the app proves who it is at the token endpoint (SMART App Launch 2.2, client authentication)."""

    PUBLIC = "public"
    SECRET = "client_secret_basic"  # noqa: S105 - the name of a method, not a secret
    PRIVATE_KEY = "private_key_jwt"


@dataclass(frozen=True, slots=True)
class Issuer:
    """One EHR that may launch the app.

    `frame_ancestors` are the origins that may show the app in a frame. `coders`, `cdi` and `auditors` are the fhirUser
    references ("Practitioner/7") of those roles; everyone else is a clinician. `writes` are the resource types that the EHR
    takes ("Condition", "Provenance", "Communication" or "Task" for queries, "QuestionnaireResponse" for answers, "Claim" and
    "ChargeItem" for drafts); `chart_url` is where the EHR opens a patient's chart, with
    {patient} and {encounter} in it. `pilot_owners` see the figures of the pilot; `second_share` of the finished encounters, 0 to 1,
    goes to a second coder; `straight_through` are the customer's own rules from the file of that name.
    """

    iss: str  # FHIR base URL that comes with a launch: https, or http on this machine; a slash at its end doesn't count
    client_id: str  # the app's id at the EHR
    name: str = ""  # what pages call the EHR; its host unless given
    client_secret: str | None = None  # for client_secret_basic
    auth: ClientAuth = ClientAuth.PUBLIC  # how the app proves who it is; with a secret client_secret_basic unless given
    scopes: str = DEFAULT_SCOPES  # asked for at a launch; those that `writes` needs are added
    frame_ancestors: tuple[str, ...] = ()  # origins that may show the app in a frame
    tenant: str = "default"  # whose data it is: that of the client whose cards lead here
    coders: frozenset[str] = frozenset()  # fhirUser references ("Practitioner/7") of coders
    cdi: frozenset[str] = frozenset()  # of CDI specialists
    auditors: frozenset[str] = frozenset()  # of auditors, who read only; whoever is in none of the three is a clinician
    writes: frozenset[str] = frozenset()  # resource types that the EHR takes ([guide](integration-guide.md#4-smart-app)); without it the app reads only
    chart_url: str | None = None  # where the work list leads: an https URL with {patient} in it, and {encounter} if wanted
    pilot_owners: frozenset[str] = frozenset()  # fhirUser references of those who see the pilot's figures
    second_share: float = 0.0  # of the finished encounters, 0 to 1: goes to a second coder
    straight_through: StraightThrough | None = None  # the customer's own rules, see below

    @property
    def asked_scopes(self) -> str:
        """The scopes to ask for: what is read, and what the EHR is set to take."""
        return " ".join([self.scopes, *(s for s in WRITE_SCOPES if s.removeprefix("patient/").partition(".")[0] in self.writes)])

    @property
    def label(self) -> str:
        """The EHR's name to show: the configured one, else its host."""
        return self.name or urlsplit(self.iss).netloc


@dataclass(frozen=True, slots=True)
class SmartSettings:
    """Everything the app needs to know before a launch.

    `session_key` is one or several (comma-separated, newest first) Fernet keys that encrypt sessions at rest; without
    it a key is made at start, which suits one process. `private_key` is a file with the app's private JWK, JWK set or
    PEM keys for private_key_jwt. `least_cell` is the least number of patients that a figure of the pilot may stand for.
    """

    public_url: str
    issuers: tuple[Issuer, ...]
    session_key: str | None = None  # Fernet keys that encrypt sessions at rest, the newest first; made at the start unless given
    private_key: Path | None = None  # the app's private keys for private_key_jwt: JWK, JWK set or PEM
    session_minutes: int = 60  # of an app session without use
    timeout_s: float = 10.0  # of each call to the EHR
    database_url: str | None = None  # of the app's tables; the service's unless given
    least_cell: int = LEAST_CELL  # patients that a figure of the pilot stands for at least, 11 to 1000

    def issuer(self, iss: str) -> Issuer:
        """Return the registered EHR with FHIR base `iss`; raises LaunchRefused for any other."""
        wanted = iss.rstrip("/")
        for issuer in self.issuers:
            if issuer.iss == wanted:
                return issuer
        raise LaunchRefused(
            "smart.iss-unknown",
            "The launch came from an EHR that isn't registered with this app.",
            "Ask the administrator to add the EHR's FHIR base URL to the SMART issuers of the settings.",
        )

    @property
    def launch_url(self) -> str:
        """The fixed launch URL to register with the EHR."""
        return f"{self.public_url}/smart/launch"

    @property
    def redirect_url(self) -> str:
        """The fixed redirect URL to register with the EHR."""
        return f"{self.public_url}/smart/callback"

    @property
    def https(self) -> bool:
        """True where the app itself is served over https: cookies are then Secure."""
        return urlsplit(self.public_url).scheme == "https"

    @property
    def frame_ancestors(self) -> tuple[str, ...]:
        """Every registered EHR's origins: for pages that belong to no launch yet."""
        return tuple(dict.fromkeys(origin for issuer in self.issuers for origin in issuer.frame_ancestors))


def is_safe_url(url: str) -> bool:
    """Return True for an absolute https URL, or http on a loopback address, without user info."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None:
        return False
    if parts.scheme == "https":
        return True
    if parts.scheme != "http":
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False


def read_settings(values: Mapping[str, object], *, public_url: str, database_url: str | None = None) -> SmartSettings:
    """Return the app's settings from the section `smart` of the service's settings; raises ConfigurationError.

    `public_url` is where browsers reach the service, `database_url` the service's own store; a `database_url` of the
    section itself wins.
    """
    known = {f.name for f in fields(SmartSettings)} - {"public_url"}
    unknown = set(values) - known
    if unknown:
        raise _wrong("smart", f"has unknown fields: {', '.join(sorted(unknown))}")
    base = public_url.rstrip("/")
    if not is_safe_url(base):
        raise _wrong("public_url", "must be an absolute https URL (http only on a loopback address)")
    entries = values.get("issuers") or ()
    if isinstance(entries, str):  # from the environment
        try:
            entries = json.loads(entries)
        except ValueError as error:
            raise _wrong("issuers", "isn't JSON") from error
    if not isinstance(entries, (list, tuple)) or not all(isinstance(entry, Mapping) for entry in entries):
        raise _wrong("issuers", "must be a list of tables, one for each EHR")
    issuers = tuple(read_issuer(entry) for entry in entries)
    twins = {issuer.iss for issuer in issuers if sum(other.iss == issuer.iss for other in issuers) > 1}
    if twins:
        raise _wrong("issuers", f"names an EHR twice: {', '.join(sorted(twins))}")
    return SmartSettings(
        public_url=base,
        issuers=issuers,
        session_key=str(values["session_key"]) if values.get("session_key") else None,
        private_key=Path(str(values["private_key"])) if values.get("private_key") else None,
        session_minutes=int(_positive(values, "session_minutes", 60)),
        timeout_s=_positive(values, "timeout_s", 10.0),
        database_url=str(values.get("database_url") or "") or database_url,
        least_cell=_least_cell(values.get("least_cell", LEAST_CELL)),
    )


def read_issuer(entry: Mapping[str, object]) -> Issuer:
    """Return one issuer from its settings; raises ConfigurationError that names the wrong field."""
    values = {key: value for key, value in entry.items() if value is not None}
    unknown = set(values) - {f.name for f in fields(Issuer)}
    if unknown:
        raise _wrong("issuers", f"has unknown fields: {', '.join(sorted(unknown))}")
    iss = str(values.get("iss", "")).rstrip("/")
    if not is_safe_url(iss):
        raise _wrong("iss", "must be an absolute https URL (http only on a loopback address)")
    client_id = str(values.get("client_id", ""))
    if not client_id:
        raise _wrong("client_id", f"is missing for {iss}")
    secret = values.get("client_secret")
    try:
        auth = ClientAuth(str(values.get("auth", ClientAuth.SECRET if secret else ClientAuth.PUBLIC)))
    except ValueError as error:
        raise _wrong("auth", f"must be one of {', '.join(ClientAuth)}") from error
    if auth is ClientAuth.SECRET and not secret:
        raise _wrong("client_secret", f"is missing for {iss} with client_secret_basic")
    scopes = values.get("scopes") or DEFAULT_SCOPES
    return Issuer(
        iss=iss,
        client_id=client_id,
        name=str(values.get("name", "")),
        client_secret=str(secret) if secret else None,
        auth=auth,
        scopes=scopes if isinstance(scopes, str) else " ".join(_strings(scopes)),
        frame_ancestors=tuple(_origin(value) for value in _strings(values.get("frame_ancestors"))),
        tenant=str(values.get("tenant", "default")),
        coders=frozenset(_strings(values.get("coders"))),
        cdi=frozenset(_strings(values.get("cdi"))),
        auditors=frozenset(_strings(values.get("auditors"))),
        writes=_writes(values.get("writes")),
        chart_url=_chart_url(values.get("chart_url")),
        pilot_owners=frozenset(_strings(values.get("pilot_owners"))),
        second_share=_share(values.get("second_share", 0.0)),
        straight_through=read_rules(Path(str(values["straight_through"]))) if values.get("straight_through") else None,
    )


def _writes(value: object) -> frozenset[str]:
    known = frozenset(scope.removeprefix("patient/").partition(".")[0] for scope in WRITE_SCOPES)
    wanted = frozenset(_strings(value))
    if wanted - known:
        raise _wrong("writes", f"must be some of {', '.join(sorted(known))}")
    return wanted


def _chart_url(value: object) -> str | None:
    if value is None:
        return None
    url = str(value)
    if not is_safe_url(url.replace("{patient}", "p").replace("{encounter}", "e")) or "{patient}" not in url:
        raise _wrong("chart_url", "must be an https URL with {patient} in it, such as https://ehr.example.org/chart/{patient}")
    return url


def _least_cell(value: object) -> int:
    if not str(value).isdecimal() or not LEAST_CELL <= int(str(value)) <= 1000:
        raise _wrong("least_cell", f"must be a whole number from {LEAST_CELL} to 1000")
    return int(str(value))


def _share(value: object) -> float:
    try:
        share = float(str(value))
    except ValueError as error:
        raise _wrong("second_share", "must be a number from 0 to 1") from error
    if not 0 <= share <= 1:
        raise _wrong("second_share", "must be a number from 0 to 1, such as 0.05")
    return share


def _positive(values: Mapping[str, object], field: str, default: float) -> float:
    try:
        number = float(str(values.get(field, default)))
    except ValueError as error:
        raise _wrong(field, "must be a number") from error
    if not 0 < number < 100_000:
        raise _wrong(field, "must be a number greater than 0")
    return number


def _strings(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, (list, tuple, set, frozenset)):
        return tuple(str(item) for item in value)
    raise _wrong("issuers", "must hold strings or lists of strings")


def _origin(value: str) -> str:
    parts = urlsplit(value)
    # The value is written into a header: only scheme and host of a well-formed origin are taken over.
    if not is_safe_url(value) or parts.path not in ("", "/") or any(c in value for c in "; ,'\""):
        raise _wrong("frame_ancestors", "must be origins such as https://ehr.example.org")
    return f"{parts.scheme}://{parts.netloc}"


def _wrong(field: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        "smart.setting", f"SMART setting '{field}' {problem}.", "Correct the setting and start the service again."
    )
