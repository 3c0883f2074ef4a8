"""The application: the engine, the knowledge and the store, put together once and shared by every request."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy import Connection

from cds_service.asking import HeldBack, QueryEvent, held_back
from cds_service.audit import AuditKey, AuditTrail, Event, Kind
from cds_service.audit.inputs import basis, document_hash, inputs_of, rules_hash
from cds_service.backlog import Backlog, Calls
from cds_service.codesets import AtHand, Renewal, additions
from cds_service.config import Settings
from cds_service.errors import ConfigurationError, NotFoundError
from cds_service.readings import Recent, RecentReadings
from cds_service.repetition import written_length
from cds_service.review.claims import LearnedDenials
from cds_service.review.codeset import ICD10CM
from cds_service.review.document import without_text
from cds_service.review.knowledge import Knowledge
from cds_service.review.model import CodingReview, ModelUsed, SkippedNote
from cds_service.review.review import review
from cds_service.review.snomed import through_map
from cds_service.serving.admission import Admission
from cds_service.serving.shadow import Shadow
from cds_service.store import CardIssued, Feedback, ReviewStore
from fhir_mappers import warm_up
from fhir_mappers.record import EncounterRecord, Note
from onnx_models import EngineError, ModelInfo, NoteCoder, NoteReading
from onnx_models.extension import extended

_LOG = logging.getLogger(__name__)
_REVIEWS = 64  # whole reviews that are remembered
LONGEST_NOTE = 100_000  # characters, some 16,000 words: hardly a note of care is longer, and what is would block a worker for long
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
# Whose statements count as a provider's diagnosis (ICD-10-CM guidelines, section I.B.14: others document only a few things).
_NOT_PROVIDERS = ("nurse", "diet", "therap", "pharmac", "social", "assistant", "scribe", "clerk")
_LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "tl": "Tagalog",
    "vi": "Vietnamese",
    "zh": "Chinese",
}
_WARM_UP = "Assessment: acute exacerbation of chronic obstructive pulmonary disease with uncontrolled sugars. Denies chest pain."


StepsOnQueries = Callable[[str, str, str | None], Iterable[QueryEvent]]  # of a tenant's patient and encounter


class Coder(Protocol):
    """What the application needs of an engine; `onnx_models.NoteCoder` is one."""

    @property
    def model(self) -> ModelInfo:
        """Which model reads."""

    def read(
        self,
        text: str,
        *,
        declared_sections: Sequence[tuple[str, int, int]] = (),
        deadline: float | None = None,
        pause: Callable[[], object] | None = None,
    ) -> NoteReading:
        """Read one note, leaving the least important sections when `deadline` (monotonic seconds) passes.

        `pause` is called between small pieces of the work, and may wait or raise.
        """


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Reads the notes of a record and reviews it. Remembers recent readings in memory, and keeps nothing else."""

    coder: Coder
    knowledge: Knowledge
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    recent: RecentReadings = field(default_factory=RecentReadings)
    learned: Mapping[str, LearnedDenials] = field(default_factory=dict)  # by tenant

    @classmethod
    def load(cls, *, threads: int = 2, provider: str = "auto", claim_tables: Path | None = None, data: Path | None = None) -> Reviewer:
        """Load model and tables; `data` is the folder of imported code sets and payers' rules.

        Raises:
            ConfigurationError: the model can't be loaded, or not on the provider asked for.
            CodeSetError: a table is damaged.
            RuleError: a payer's rule is wrong.
        """
        coder = _coder(None, threads=threads, provider=provider)
        coder.read(_WARM_UP)  # the first reading sets up buffers; a user shouldn't wait for that
        hand = AtHand(data) if data else None
        knowledge = hand.knowledge(claim_tables) if hand else Knowledge.load(claim_tables)
        return cls(extended(coder, additions(knowledge.code_sets)), knowledge, learned=hand.denials.in_force() if hand else {})

    def of(self, tenant: str) -> Reviewer:
        """Return what reviews for a tenant: its own memory of readings, and the score of denials that its own remittances taught."""
        learned = self.learned.get(tenant)
        knowledge = replace(self.knowledge, learned=learned) if learned else self.knowledge
        return replace(self, recent=self.recent.of(tenant), knowledge=knowledge)

    @property
    def model(self) -> ModelUsed:
        """Which model reads the notes."""
        info = self.coder.model
        return ModelUsed(info.name, info.version, info.sha256)

    def review(self, record: EncounterRecord, *, deadline: float | None = None, later: Callable[[Note], object] | None = None) -> CodingReview:
        """Return the review of a record; what can't be read before `deadline` (monotonic seconds) is told in its coverage and given to `later`.

        Raises:
            NoCodeSetInForce: no release of the code set is in force on the date of service.
        """
        began = time.perf_counter()
        readings: dict[str, NoteReading] = {}
        skipped = [SkippedNote(s.source, s.reason) for s in record.skipped]
        for note in by_priority(record):
            reading = self._read(note, deadline, must=not readings)
            if later is not None and (reading is None or reading.unread):
                later(note)
            if reading is None:
                skipped.append(SkippedNote(note.source, "Not read: the time of this call ran out. Open the review to have every note read."))
            elif reading.language != "en":
                skipped.append(SkippedNote(note.source, f"Not read: the note looks like {_language(reading.language)}, and only English notes are read."))
            else:
                readings[note.source] = reading
                skipped += [SkippedNote(note.source, reason) for reason in _left_out(note, reading)]
        created = self.now()
        reading_ms = (time.perf_counter() - began) * 1000
        return review(
            record,
            readings,
            self.knowledge,
            id=str(uuid4()),
            created=created,
            today=created.date(),
            model=self.model,
            skipped=tuple(skipped),
            timing_ms=(("reading", round(reading_ms, 1)),),
        )

    def read_ahead(self, note: Note, pause: Callable[[], object]) -> None:
        """Read the whole of a note and remember it for the next call; `pause` is called between small pieces of the work."""
        self._read(note, None, must=True, pause=pause)

    def _read(self, note: Note, deadline: float | None, *, must: bool, pause: Callable[[], object] | None = None) -> NoteReading | None:
        """Return the reading of a note; None where there is no time for it, unless it `must` be read."""
        text = note.text[:LONGEST_NOTE]
        text = text[: written_length(text)]
        sections = [(s.title, s.begin, min(s.end, len(text))) for s in note.sections if s.begin < len(text)]
        known = self.recent.recall(text, sections)
        if known is not None:
            return known
        if not must and deadline is not None and time.monotonic() >= deadline:
            return None
        reading = self.coder.read(text, declared_sections=sections, deadline=deadline, pause=pause)
        self.recent.keep(text, sections, reading)
        return reading


class Application:
    """Everything a request needs. Immutable and safe to share between threads."""

    def __init__(self, settings: Settings, coder: Coder, knowledge: Knowledge, store: ReviewStore, *, shadow: Coder | None = None) -> None:
        """Put the parts together; a `shadow` engine reads after the answers, to be compared."""
        self.settings = settings
        rules_hash()  # what answers are audited with is what was loaded, not what lies in the folder later
        self.store = store
        hand = AtHand(settings.data)
        self.reviewer = Reviewer(
            coder, knowledge, recent=RecentReadings(seconds=settings.remember_minutes * 60), learned=hand.denials.in_force()
        )
        self.audit = AuditTrail(store.engine, AuditKey.load(store.engine, settings.audit_key))
        self.steps_on_queries: StepsOnQueries = lambda _tenant, _patient, _encounter: ()  # an app that deals with queries puts its own in place
        self.admission = Admission(settings.workers, settings.waiting)
        self._reviews: Recent[CodingReview] = Recent(most=_REVIEWS, seconds=settings.remember_minutes * 60)
        self.calls = Calls()
        self._backlog = Backlog(self._read_ahead, self.calls) if settings.remember_minutes else None
        still = threading.Event()
        self.shadow = Shadow(self._shadowed(shadow), lambda: self.calls.wait_for_none(still)) if shadow else None
        self.renewal = Renewal(lambda: hand.stamp, lambda: self._renew(AtHand(settings.data)))

    @classmethod
    def load(cls, settings: Settings) -> Application:
        """Load model and tables, and open the store.

        Raises:
            ConfigurationError: a setting doesn't fit this machine.
            CodeSetError: a table is damaged.
        """
        store = ReviewStore(settings.database_url, handle_hours=settings.handle_hours, data_keys=settings.data_keys)
        other = _coder(settings.shadow_model, threads=1, provider=settings.provider) if settings.shadow_model else None
        reviewer = Reviewer.load(threads=settings.threads, provider=settings.provider, claim_tables=settings.claim_tables, data=settings.data)
        warm_up()  # as with the engine: the first call shouldn't wait for what every call uses
        application = cls(settings, reviewer.coder, reviewer.knowledge, store, shadow=other)
        _LOG.info("model loaded", extra={"fields": {"provider": application.provider, "model": reviewer.model.name, "version": reviewer.model.version}})
        return application

    def _renew(self, hand: AtHand) -> None:
        """Put in place what the data folder holds now. Calls in progress end with what they began with."""
        knowledge = hand.knowledge(self.settings.claim_tables)
        coder = self.reviewer.coder
        if isinstance(coder, NoteCoder):
            coder = extended(coder, additions(knowledge.code_sets))
        recent = RecentReadings(seconds=self.settings.remember_minutes * 60)
        self.reviewer = replace(self.reviewer, coder=coder, knowledge=knowledge, recent=recent, learned=hand.denials.in_force())
        self._reviews = Recent(most=_REVIEWS, seconds=self.settings.remember_minutes * 60)

    def close(self) -> None:
        """Stop reading afterwards, and close the store."""
        if self._backlog:
            self._backlog.close()
        if self.shadow:
            self.shadow.close()
        self.store.close()

    @property
    def coder(self) -> Coder:
        """The engine."""
        return self.reviewer.coder

    @property
    def knowledge(self) -> Knowledge:
        """Code sets and tables."""
        return self.reviewer.knowledge

    @property
    def provider(self) -> str:
        """The execution provider of the model: "CPUExecutionProvider" or "CUDAExecutionProvider"."""
        return self.coder.model.provider

    def review(self, record: EncounterRecord, *, tenant: str, deadline: float | None = None) -> CodingReview:
        """Return the review of a record of a tenant; see `Reviewer.review`. What there was no time for is read afterwards and remembered.

        The same record of the same tenant on the same day has the same review: a whole one is remembered, and given again under a new id.
        """
        self.renewal.look()
        began = time.perf_counter()
        key = f"{inputs_of(record).record} {self.reviewer.now().date()} {tenant}".encode()
        reviews = self._reviews  # a review begun before a renewal isn't remembered after it
        if (known := reviews.get(key)) is not None:
            took = (("reading", round((time.perf_counter() - began) * 1000, 1)),)
            return replace(known, id=str(uuid4()), created=self.reviewer.now(), timing_ms=took)
        late: list[Note] = []
        with self.calls.one():  # not every review is made within a request
            made = self._reviewer_of(tenant).review(record, deadline=deadline, later=late.append)
        if self._backlog is not None:
            for note in late:
                self._backlog.add(note, tenant)
        if not late:
            reviews.put(key, made)
            if self.shadow:  # a review cut short would be compared with a whole one
                self.shadow.compare(record, made)
        return made

    def read_through_map(self, record: EncounterRecord) -> EncounterRecord:
        """Return a record whose SNOMED CT problems have the ICD-10-CM codes of the customer's map; the same one where there is no map.

        Raises:
            NoCodeSetInForce: no release of the code set is in force on the date of service.
        """
        on = record.service_date(self.reviewer.now().date())
        return through_map(record, self.knowledge.maps, self.knowledge.code_sets.in_force(ICD10CM, on), on)

    def _shadowed(self, coder: Coder) -> Callable[[EncounterRecord], CodingReview]:
        nothing = RecentReadings(seconds=0)
        return lambda record: replace(self.reviewer, coder=coder, recent=nothing).review(record)

    def _reviewer_of(self, tenant: str) -> Reviewer:
        return self.reviewer.of(tenant)

    def _read_ahead(self, note: Note, tenant: str, pause: Callable[[], object]) -> None:
        self._reviewer_of(tenant).read_ahead(note, pause)

    def waiting_notes(self) -> int:
        """Return how many notes wait to be read afterwards."""
        return self._backlog.count() if self._backlog else 0

    def keep(
        self,
        tenant: str,
        document: dict[str, Any],
        cards: Iterable[CardIssued] = (),
        *,
        record: EncounterRecord | None = None,
        client: str | None = None,
        user: str | None = None,
        service: str | None = None,
    ) -> None:
        """Keep a review without the words of its notes, and the cards drawn from it; audit the answer with the hashes of the record it was made from.

        `client` is the EHR that called, `user` the person at it, `service` the CDS service.
        """
        details: dict[str, Any] = {"document": document_hash(document), **basis(self.reviewer.model, self.provider)}
        details["codeSets"] = [s["version"] for s in document["codeSets"]]
        if record is not None:
            inputs = inputs_of(record)
            details["inputs"] = {"record": inputs.record, "notes": dict(inputs.notes)}
        if service:
            details["service"] = service
        told = Event(Kind.ANSWER, tenant, client, user, document["patient"].rsplit("/", 1)[-1], f"Review/{document['id']}", details=details)
        self.store.keep(tenant, without_text(document), tuple(cards), also=lambda connection: self.audit.append(connection, told))

    def opened(self, tenant: str, review_id: str, *, client: str | None = None, user: str | None = None) -> dict[str, Any]:
        """Return a kept review and audit that it was read.

        Raises:
            NotFoundError: this tenant has none of that id.
        """
        document = self.store.get(tenant, review_id)
        self.shown(tenant, document, client=client, user=user)
        return document

    def shown(self, tenant: str, document: Mapping[str, Any], *, client: str | None = None, user: str | None = None) -> None:
        """Audit that a kept review was shown to somebody."""
        self.audit.record(Event(Kind.READ, tenant, client, user, document["patient"].rsplit("/", 1)[-1], f"Review/{document['id']}"))

    def held_back(self, tenant: str, review: CodingReview) -> dict[str, HeldBack]:
        """Return which queries of a review were answered, dismissed or asked before, and are not to be put again on a card."""

        def basis_then(event: QueryEvent) -> str | None:
            if event.review not in documents:
                try:
                    documents[event.review] = self.store.get(tenant, event.review)
                except NotFoundError:  # gone by the retention
                    documents[event.review] = {}
            return next((q.get("basis") for q in documents[event.review].get("queries", ()) if q["id"] == event.query), None)

        documents: dict[str, dict[str, Any]] = {}
        place = (tenant, review.patient, review.encounter)
        events = [*self.store.queries_put(*place), *self.steps_on_queries(*place)]
        return held_back(review.queries, events, now=review.created, days=self.settings.ask_again_days, basis_then=basis_then)

    def record_feedback(self, tenant: str, service: str, feedback: Sequence[Feedback], *, client: str | None = None) -> None:
        """Keep what became of cards, and audit it."""

        def also(connection: Connection) -> None:
            for item in feedback:
                details = {"service": service, "decision": item.outcome}
                self.audit.append(connection, Event(Kind.DECISION, tenant, client, subject=f"Card/{item.card[:64]}", details=details))

        self.store.record_feedback(tenant, service, feedback, also=also)


def _coder(folder: Path | None, *, threads: int, provider: str) -> NoteCoder:
    try:
        return NoteCoder.load(folder, threads=threads, provider=provider)
    except EngineError as error:
        raise ConfigurationError(error.message, error.remedy) from error


def by_priority(record: EncounterRecord) -> list[Note]:
    """Return the notes with text, in the order to read them: this encounter's provider notes first, the newest of each kind first.

    Copied-forward notes and reports come later: they seldom add a diagnosis.
    """

    def rank(note: Note) -> tuple[bool, bool, bool, float]:
        before = record.start is not None and note.date is not None and _aware(note.date).date() < _aware(record.start).date()
        role = (note.author_role or "").lower()
        by_other = note.is_report or any(word in role for word in _NOT_PROVIDERS)
        return before, by_other, note.copied_from is not None, -_aware(note.date or _LONG_AGO).timestamp()

    return sorted((n for n in record.notes if n.text.strip()), key=rank)


def _left_out(note: Note, reading: NoteReading) -> Iterator[str]:
    """Yield what to say of the parts of a note that were not read."""
    if len(note.text) > LONGEST_NOTE:
        yield f"Read in part: only the first {LONGEST_NOTE:,} characters. Send so long a document in parts."
    begin = written_length(note.text[:LONGEST_NOTE])
    if begin < min(len(note.text), LONGEST_NOTE):
        yield f"Read in part: from character {begin:,} on it repeats one word or has no end of a sentence for pages, which is no writing."
    if reading.unread:
        left = ", ".join(dict.fromkeys(s.title or s.kind.replace("_", " ") for s in reading.unread))
        yield f"Read in part: the time of this call ran out. Only known terms were looked up in: {left[:200]}."


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _language(tag: str) -> str:
    return _LANGUAGES.get(tag, f"the language '{tag}'")
