"""A pilot that never was: invented encounters, decided, queried, read twice and told about by cards, to see the figures of.

The demo fills its store with one; so do the tests. As a program it reads its options as the demo's children do: database_url, tenant.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cds_service.audit import Event, Kind
from cds_service.audit.chain import append
from cds_service.demo.child import read_options, when_parent_ends
from cds_service.store import CardIssued, Feedback, ReviewStore, writing
from smart_app.assignment import Assignments, Move
from smart_app.decisions import Action, Decisions, Subject
from smart_app.history import Actor, Place
from smart_app.queries import QuerySteps, Step
from smart_app.second_reading import SecondReadings

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
TITLES = {"E11.22": "Type 2 diabetes with diabetic CKD", "I10": "Essential (primary) hypertension", "N18.31": "CKD, stage 3a", "Q99.9": "A rare thing"}
CODER, CLINICIAN = Actor("Practitioner/7", "Ada Coder", "coder"), Actor("Practitioner/12", None, "clinician")
SECOND = Actor("Practitioner/8", "Bo Second", "coder")


@dataclass
class Pilot:
    """Fills the store, one encounter after another."""

    store: ReviewStore
    tenant: str = "default"
    prefix: str = ""  # of the ids of patients, encounters and reviews
    titles: Mapping[str, str] = field(default_factory=lambda: TITLES)
    told: Callable[[str], Mapping[str, Any]] = field(default=lambda _: {"evidence": [], "rationale": []})  # what a review says of a code

    def __post_init__(self) -> None:
        self.now = datetime(2026, 9, 1, 8, tzinfo=UTC)
        self.decisions = Decisions(self.store.engine, clock=lambda: self.now)
        self.queries = QuerySteps(self.store.engine, self.store.cipher, clock=lambda: self.now)
        self.assignments = Assignments(self.store.engine, clock=lambda: self.now)
        self.second = SecondReadings(self.store.engine)

    def review(self, number: int, codes: Sequence[tuple[str, float]], *, findings: Sequence[Sequence[str]] = (), **more: Any) -> dict[str, Any]:
        """Keep a review of encounter `number`, made now, and return it."""
        diagnoses = [{"code": c, "system": ICD, "display": self.titles[c], "confidence": p, "billable": True, **self.told(c)} for c, p in codes]
        document = {
            "id": f"{self.prefix}review-{number}",
            "created": self.now.isoformat(),
            "patient": self.place(number).patient,
            "encounter": self.place(number).encounter,
            "setting": "outpatient",
            "codeSets": [{"system": ICD, "version": "2026-04-01", "effectiveFrom": "2026-04-01"}],
            "model": {"name": "scripted", "version": "1.0", "sha256": "0" * 64},
            "diagnoses": diagnoses,
            "procedures": [],
            "supplies": [],
            "notCoded": [],
            "queries": [],
            "claimFindings": [{"edit": "excludes1", "codes": list(pair), "severity": "critical"} for pair in findings],
            "coverage": {"notesRead": ["DocumentReference/1"], "notesSkipped": []},
            "timingMs": {"reading": 100.0 + number},
            **more,
        }
        cards = [CardIssued(f"{self.prefix}card-{number}", "coding-review", "Code", {f"s-{number}": codes[0][0]})]
        self.store.keep(self.tenant, document, cards)
        return document

    def open(self, number: int, actor: Actor = CODER) -> None:
        """Let the audit have it that the page was shown to a person now."""
        event = Event(Kind.READ, self.tenant, "smart", actor.user, f"{self.prefix}p{number}", f"Review/{self.prefix}review-{number}")
        with writing(self.store.engine).begin() as connection:
            append(connection, event, now=self.now)

    def place(self, number: int) -> Place:
        """Return whose encounter it is."""
        return Place(self.tenant, f"Patient/{self.prefix}p{number}", f"Encounter/{self.prefix}e{number}")

    def decide(self, number: int, code: str, action: Action, *, after: str | None = None, reason: str | None = None, actor: Actor = CODER) -> None:
        """Record a decision now."""
        place = self.place(number)
        subject = Subject(place, f"{self.prefix}review-{number}", code, ICD, "scripted 1.0", "2026-04-01")
        self.decisions.record(subject, action, actor, after=after, reason=reason)

    def ask(self, number: int, *, answer_after: timedelta | None) -> None:
        """Send a query, and answer it later."""
        self.queries.record(self.place(number), "q", Step.SEND, CODER, review_id=f"{self.prefix}review-{number}", seen=0)
        if answer_after is not None:
            self.now += answer_after
            seen = self.queries.history(self.place(number))[-1].id
            self.queries.record(self.place(number), "q", Step.ANSWER, CLINICIAN, review_id=f"{self.prefix}review-{number}", seen=seen, answer="Yes")

    def finish(self, number: int, actor: Actor = CODER) -> None:
        """Finish an encounter on the work list."""
        self.assignments.move(self.place(number), Move.FINISH, actor, seen=self.assignments.standing(self.place(number)).id)

    def read_twice(self, number: int, rejects: str | None, codes: Sequence[str] = ("E11.22", "I10", "N18.31")) -> None:
        """Let a second coder accept everything but one code, and finish."""
        place = self.place(number)
        for code in codes:
            subject = Subject(place, f"{self.prefix}review-{number}", code, ICD, "scripted 1.0", "2026-04-01")
            self.second.decisions.record(subject, Action.REJECT if code == rejects else Action.ACCEPT, SECOND, reason="other" if code == rejects else None)
        taken = self.second.assignments.move(place, Move.TAKE, SECOND, seen=0)
        self.second.assignments.move(place, Move.FINISH, SECOND, seen=taken.id)

    def tell(self, number: int, outcome: str, reason: str | None = None) -> None:
        """Let the EHR tell what became of the card."""
        accepted = (f"s-{number}",) if outcome == "accepted" else ()
        self.store.record_feedback(self.tenant, "coding-review", [Feedback(f"{self.prefix}card-{number}", outcome, self.now, accepted, reason_code=reason)])


def _some(number: int) -> bool:
    return number < 40 and number % 2 == 1


def fill(pilot: Pilot, *, encounters: int = 60, every: timedelta = timedelta(days=1), twice: Callable[[int], bool] = _some) -> None:
    """Fill a store, one encounter `every` so long: some codes are rejected, later ones less often; some ask; those that `twice` names are read twice."""
    start = pilot.now
    for number in range(encounters):
        pilot.now = start + every * number
        rare = [("Q99.9", 0.55)] if number % 15 == 0 else []
        pilot.review(number, [("E11.22", 0.96), ("I10", 0.9), ("N18.31", 0.8), *rare], findings=[("I10", "N18.31")] if number % 2 else [])
        pilot.open(number)
        pilot.now += timedelta(seconds=40)
        pilot.decide(number, "E11.22", Action.ACCEPT)
        pilot.now += timedelta(seconds=50)
        rejected = number % (3 if number < 30 else 4) == 0
        pilot.decide(number, "I10", Action.REJECT if rejected else Action.ACCEPT, reason="other-code" if rejected else None)
        if number % 7 == 0:
            pilot.decide(number, "N18.31", Action.CHANGE, after="N18.32", reason="not-supported")
        elif number % 10:
            pilot.decide(number, "N18.31", Action.ACCEPT)
        if rare:
            pilot.decide(number, "Q99.9", Action.REJECT, reason="not-current")
        if number % 4 == 0:
            pilot.ask(number, answer_after=timedelta(hours=5) if number % 8 == 0 else None)
        pilot.finish(number)
        if twice(number):
            pilot.read_twice(number, "N18.31" if number % 5 == 0 else None)
        if number % 3 == 0:
            pilot.tell(number, "accepted" if number % 6 else "overridden", None if number % 6 else "notsupported")


def main() -> None:
    """Fill the store of the demo with a pilot of the last two months."""
    options = read_options()
    when_parent_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))
    store = ReviewStore(options["database_url"])
    pilot = Pilot(store, options["tenant"], prefix="example-")
    pilot.now = datetime.now(UTC) - timedelta(days=60)
    fill(pilot, encounters=120, every=timedelta(hours=12), twice=lambda _: True)
    store.close()


if __name__ == "__main__":
    main()
