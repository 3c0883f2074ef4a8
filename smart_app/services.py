"""The parts of the app, put together once and shared by every request."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Engine

from cds_service.outgoing import Outgoing
from cds_service.review.codeset import CodeSet
from cds_service.review.knowledge import Knowledge
from smart_app.arrangement import Arrangements
from smart_app.assignment import Assignments
from smart_app.branding import Branding
from smart_app.charts import Reviewer
from smart_app.database import open_database
from smart_app.decisions import Decisions
from smart_app.discovery import Discovery
from smart_app.grounds import Grounds
from smart_app.identity import IdTokens
from smart_app.keys import SigningKeys
from smart_app.launch import Launcher
from smart_app.outbox import Outbox
from smart_app.queries import QuerySteps
from smart_app.review_facts import KeptReviews
from smart_app.search import CodeSearch, by_names
from smart_app.second_reading import SecondReadings
from smart_app.security import BrowserCookie
from smart_app.session import Sessions, cipher
from smart_app.settings import Issuer, SmartSettings
from smart_app.transport import Connect

_FALLBACK_DATABASE = "sqlite://"  # in memory: sessions end with the process


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a request of the app needs. Immutable and safe to share between threads."""

    settings: SmartSettings
    engine: Engine
    reviewer: Reviewer
    launcher: Launcher
    sessions: Sessions
    decisions: Decisions
    grounds: Grounds
    arrangements: Arrangements
    queries: QuerySteps
    outbox: Outbox
    assignments: Assignments
    seconds: SecondReadings
    kept: KeptReviews
    keys: SigningKeys
    cookie: BrowserCookie
    branding: Branding
    outgoing: Outgoing
    _searches: dict[str, CodeSearch] = field(default_factory=dict, repr=False)

    @property
    def knowledge(self) -> Knowledge:
        """Code sets and tables as they are now: a service that runs follows what is imported."""
        return self.reviewer.knowledge

    def search(self, release: CodeSet) -> CodeSearch:
        """Return the search over a release; one for each release, made with its first use."""
        return self._searches.setdefault(release.version, CodeSearch(release, by_names(self.reviewer.coder.read)))

    def to_chart(self, issuer: Issuer) -> Connect:
        """Return what opens a session to the FHIR server of an EHR, which calls nothing else."""
        return partial(self.outgoing.to_chart, issuer.iss)

    @classmethod
    def build(cls, settings: SmartSettings, reviewer: Reviewer, outgoing: Outgoing) -> Services:
        """Open the database and load the keys; `outgoing` carries all calls to EHRs. Raises ConfigurationError."""
        words = reviewer.store.cipher
        engine = open_database(settings.database_url or _FALLBACK_DATABASE, words)
        sessions = Sessions(engine, cipher(settings.session_key), minutes=settings.session_minutes)
        keys = SigningKeys.load(settings.private_key)
        connect = partial(outgoing.to_launching, tuple(issuer.iss for issuer in settings.issuers))
        discovery = Discovery(connect, timeout_s=settings.timeout_s)
        launcher = Launcher(settings, sessions, discovery, IdTokens(connect, timeout_s=settings.timeout_s), keys, connect)
        return cls(
            settings,
            engine,
            reviewer,
            launcher,
            sessions,
            decisions=Decisions(engine),
            grounds=Grounds(engine),
            arrangements=Arrangements(engine),
            queries=QuerySteps(engine, words),
            outbox=Outbox(engine),
            assignments=Assignments(engine),
            seconds=SecondReadings(engine),
            kept=KeptReviews(engine, words),
            keys=keys,
            cookie=BrowserCookie(settings),
            branding=Branding(connect, timeout_s=settings.timeout_s),
            outgoing=outgoing,
        )
