"""Sessions on the server: launches under way and open charts, sealed at rest.

The browser holds one cookie with an opaque random id and nothing else. A launch under way is found by its `state`, an
open chart by the id in its own URL; both only by the browser that began them. So two charts open at once never mix
(checklist L17), and a link to a chart is worth nothing in another browser. What is stored is encrypted with Fernet
(AES-128-CBC with HMAC-SHA256); ids are stored as SHA-256 only.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Engine, Float, LargeBinary, String, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from smart_app.context import LaunchContext
from smart_app.database import Base
from smart_app.errors import ConfigurationError, LaunchRefused, SessionLost
from smart_app.identity import Person

_LAUNCH_SECONDS = 600  # time for a person to sign in at the EHR
_LONGEST_SECONDS = 12 * 3600  # no chart stays open longer than a shift


@dataclass(frozen=True, slots=True)
class PendingLaunch:
    """A launch that has been sent to the EHR's authorisation endpoint and hasn't come back yet."""

    iss: str
    scope: str
    nonce: str
    code_verifier: str


@dataclass(frozen=True, slots=True)
class ChartSession:
    """One open chart: one launch, one patient, one token."""

    iss: str
    context: LaunchContext
    access_token: str
    token_expires: float  # seconds since the epoch
    refresh_token: str | None
    person: Person | None  # None where the EHR doesn't say who it is
    csrf: str  # posted back by every form of the chart's page
    opened: float
    review_id: str | None = None

    @property
    def user(self) -> str:
        """The person's FHIR reference, or '' where it isn't known."""
        return self.person.fhir_user or self.person.subject if self.person else ""

    def __repr__(self) -> str:
        return f"ChartSession(iss={self.iss!r})"  # tokens must not reach a log through a traceback


class _Row(Base):
    __tablename__ = "smart_session"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of kind and state or chart id
    browser: Mapped[str] = mapped_column(String(64), index=True)  # SHA-256 of the cookie
    user: Mapped[str] = mapped_column(String(64), default="")  # SHA-256 of issuer and person
    expires: Mapped[float] = mapped_column(Float, index=True)
    ends: Mapped[float] = mapped_column(Float)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


def cipher(session_key: str | None) -> MultiFernet:
    """Return the cipher for one or several comma-separated Fernet keys, newest first; raises ConfigurationError.

    Without a key one is made: sessions then end with the process.
    """
    keys = [part.strip() for part in (session_key or "").split(",") if part.strip()]
    try:
        return MultiFernet([Fernet(key) for key in keys or [Fernet.generate_key().decode()]])
    except ValueError as error:
        raise ConfigurationError(
            "smart.session-key",
            "SMART setting 'session_key' holds no Fernet key.",
            "Make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'",
        ) from error


class Sessions:
    """Keeps launches and open charts in the database of `engine`. Safe to share between threads."""

    def __init__(self, engine: Engine, cipher: MultiFernet, *, minutes: int, clock: Callable[[], float] = time.time) -> None:
        self._make = sessionmaker(engine)
        self._cipher = cipher
        self._idle_s = minutes * 60.0
        self._clock = clock

    def begin(self, pending: PendingLaunch, *, state: str, browser: str) -> None:
        """Remember a launch until its `state` comes back to the same browser; also forgets what has ended."""
        now = self._clock()
        with self._make.begin() as db:
            db.execute(delete(_Row).where((_Row.expires < now) | (_Row.ends < now)))
            db.add(self._row("launch", state, browser, asdict(pending), expires=now + _LAUNCH_SECONDS, ends=now + _LAUNCH_SECONDS))

    def take(self, state: str, browser: str) -> PendingLaunch:
        """Return and forget the launch of `state`: each answer is taken once. Raises LaunchRefused."""
        with self._make.begin() as db:
            row = self._find(db, "launch", state, browser)
            if row is None:
                raise LaunchRefused(
                    "smart.state",
                    "This answer from the EHR doesn't belong to a launch that was begun in this browser, or it was used before.",
                    "Open Marginalia again from the patient's chart.",
                )
            taken = db.execute(delete(_Row).where(_Row.key == row.key).returning(_Row.key)).first()
            if taken is None:  # a second request was faster
                raise LaunchRefused("smart.state", "This answer from the EHR was used before.", "Open Marginalia again from the patient's chart.")
            return PendingLaunch(**self._open(row.sealed))

    def open(self, chart: ChartSession, *, browser: str) -> str:
        """Keep an open chart and return its id. Charts of another person in the same browser end.

        Ward computers are shared: the next person must not get back into the last one's charts.
        """
        chart_id = secrets.token_urlsafe(24)
        now = self._clock()
        user = _digest("user", f"{chart.iss} {chart.user}")
        with self._make.begin() as db:
            db.execute(delete(_Row).where(_Row.browser == _digest("browser", browser), _Row.user != "", _Row.user != user))
            row = self._row("chart", chart_id, browser, asdict(chart), expires=now + self._idle_s, ends=now + _LONGEST_SECONDS)
            row.user = user
            db.add(row)
        return chart_id

    def find(self, chart_id: str, browser: str, *, touch: bool = True) -> ChartSession:
        """Return the open chart `chart_id` of this browser and, with `touch`, keep it alive; raises SessionLost."""
        with self._make.begin() as db:
            row = self._find(db, "chart", chart_id, browser)
            if row is None:
                raise _lost()
            chart = _chart(self._open(row.sealed))
            if touch:
                row.expires = self._clock() + self._idle_s
        return chart

    def save(self, chart_id: str, browser: str, chart: ChartSession) -> None:
        """Replace what is kept of an open chart: a new token, another review. Raises SessionLost."""
        with self._make.begin() as db:
            row = self._find(db, "chart", chart_id, browser)
            if row is None:
                raise _lost()
            row.sealed = self._seal(asdict(chart))

    def use_review(self, chart_id: str, browser: str, review_id: str) -> ChartSession:
        """Bind an open chart to a review and return it; raises SessionLost."""
        chart = replace(self.find(chart_id, browser), review_id=review_id)
        self.save(chart_id, browser, chart)
        return chart

    def end(self, chart_id: str, browser: str) -> None:
        """Close a chart; nothing happens where it has ended already."""
        with self._make.begin() as db:
            row = self._find(db, "chart", chart_id, browser)
            if row is not None:
                db.delete(row)

    def rotate_keys(self) -> int:
        """Seal everything again with the newest key, so that an old one can be retired; return how many."""
        with self._make.begin() as db:
            rows = db.execute(select(_Row.key, _Row.sealed)).all()
            for key, sealed in rows:
                db.execute(update(_Row).where(_Row.key == key).values(sealed=self._cipher.rotate(sealed)))
        return len(rows)

    def _row(self, kind: str, name: str, browser: str, payload: Mapping[str, Any], *, expires: float, ends: float) -> _Row:
        return _Row(
            key=_digest(kind, name), browser=_digest("browser", browser), user="", expires=expires, ends=ends, sealed=self._seal(payload)
        )

    def _find(self, db: Session, kind: str, name: str, browser: str) -> _Row | None:
        row = db.get(_Row, _digest(kind, name))
        now = self._clock()
        if row is None or row.browser != _digest("browser", browser) or row.expires < now or row.ends < now:
            return None
        return row

    def _seal(self, payload: Mapping[str, Any]) -> bytes:
        return self._cipher.encrypt(json.dumps(payload).encode("utf-8"))

    def _open(self, sealed: bytes) -> dict[str, Any]:
        try:
            payload: dict[str, Any] = json.loads(self._cipher.decrypt(sealed))
        except InvalidToken as error:
            raise _lost() from error  # the key was retired, or the row was changed from outside
        return payload


def _chart(payload: Mapping[str, Any]) -> ChartSession:
    context = payload["context"]
    person = payload["person"]
    return ChartSession(
        **{
            **payload,
            "context": LaunchContext(**{**context, "fhir_context": tuple(context["fhir_context"])}),
            "person": Person(**person) if person else None,
        }
    )


def _digest(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}\0{value}".encode()).hexdigest()


def _lost() -> SessionLost:
    return SessionLost(
        "smart.session",
        "This chart isn't open in this browser any more.",
        "Open Marginalia again from the patient's chart in the EHR. Decisions that you recorded are kept.",
    )
