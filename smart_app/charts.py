"""The open chart: the record as the EHR gives it now, and the review that belongs to it.

The store keeps reviews without any words. Here the notes are fetched again with the app's own token, and each excerpt is
cut out of the note that was just fetched, after the note's hash has been compared. An excerpt whose note has changed is
shown as such, never guessed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from cds_service.asking import QueryEvent
from cds_service.errors import EvidenceError, NotFoundError
from cds_service.review.document import to_document, with_text, without_text
from cds_service.review.knowledge import Knowledge
from cds_service.review.model import CodingReview
from cds_service.store import Cipher
from fhir_mappers import FhirClient, FhirError, ServerRefused, fetch_encounter, read_resources
from fhir_mappers.record import EncounterRecord
from smart_app.errors import AccessDenied, ServerFailure, SessionLost
from smart_app.session import ChartSession
from smart_app.settings import Issuer
from smart_app.transport import Connect

Document = dict[str, Any]

_REVIEW_S = 20.0  # a person waits for this page; a hook's half second doesn't apply


class Store(Protocol):
    """What the app needs of the service's store."""

    @property
    def cipher(self) -> Cipher:
        """What seals words that are kept."""

    def keep(self, tenant: str, document: Mapping[str, Any]) -> None:
        """Keep a review without words."""

    def get(self, tenant: str, review_id: str) -> Document:
        """Return a kept review; raises NotFoundError."""

    def latest(self, tenant: str, patient: str, encounter: str | None) -> Document | None:
        """Return the newest kept review of an encounter."""

    def queries_put(self, tenant: str, patient: str, encounter: str | None) -> tuple[QueryEvent, ...]:
        """Return what happened to the queries of an encounter on cards."""

    def redeem(self, handle: str, tenant: str, patient: str, user: str) -> str:
        """Return the id of the review that a card's handle opens; raises NotFoundError."""


class Coder(Protocol):
    """What the app needs of the engine."""

    @property
    def model(self) -> Any:
        """Which model reads: its name, version and sha256."""

    def read(self, text: str, *, deadline: float | None = None) -> Any:
        """Read words as the engine reads a note; after `deadline` (monotonic seconds) by its list of known names alone."""


class Reviewer(Protocol):
    """What the app needs of the service."""

    @property
    def coder(self) -> Coder:
        """The engine."""

    @property
    def knowledge(self) -> Knowledge:
        """Code sets and tables."""

    @property
    def store(self) -> Store:
        """The service's store."""

    def review(self, record: EncounterRecord, *, tenant: str, deadline: float | None = None) -> CodingReview:
        """Read the notes of a record and return the review."""

    def keep(self, tenant: str, document: Document, *, record: EncounterRecord | None = None, client: str | None = None, user: str | None = None) -> None:
        """Keep a review without words, and audit the answer."""

    def shown(self, tenant: str, document: Mapping[str, Any], *, client: str | None = None, user: str | None = None) -> None:
        """Audit that a kept review was shown."""


@dataclass(frozen=True, slots=True)
class Banner:
    """The patient as a banner shows them; only on the page, never kept."""

    name: str
    birth_date: str | None
    gender: str | None
    number: str | None  # medical record number


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the page shows."""

    record: EncounterRecord
    banner: Banner
    encounter_type: str | None
    document: Document  # the review, each excerpt with its words or with "stale": True
    changed: tuple[str, ...]  # notes that are not what the review has read
    added: tuple[str, ...]  # notes that came after the review
    handle_refused: bool  # a card's link didn't fit this launch, so the newest review is shown


def fetch(chart: ChartSession, issuer: Issuer, connect: Connect, *, timeout_s: float) -> tuple[EncounterRecord, Banner, str | None]:
    """Return the record of the chart, read with its own token, with banner and kind of encounter. `connect` opens a session to its EHR.

    Raises SessionLost where the EHR doesn't take the token any more, AccessDenied where it refuses the chart,
    ServerFailure where it can't be reached.
    """
    try:
        with connect() as session, FhirClient(issuer.iss, token=chart.access_token, deadline_s=timeout_s, session=session) as client:
            fetched = fetch_encounter(client, chart.context.patient, chart.context.encounter)
        record = read_resources(
            fetched.resources, patient_id=chart.context.patient, encounter_id=chart.context.encounter, skipped=fetched.skipped
        )
    except ServerRefused as error:
        if error.status == 401:
            raise SessionLost("smart.expired", "The EHR's permission for this chart has ended.", _RELAUNCH) from error
        if error.status == 0:  # nothing was sent: the address leads where the service may not call
            raise ServerFailure("smart.chart-unavailable", f"The chart can't be read. {error.message}", error.remedy) from error
        raise AccessDenied("smart.chart-refused", f"The EHR doesn't let you read this chart. {error.message}", error.remedy) from error
    except FhirError as error:
        raise ServerFailure("smart.chart-unavailable", f"The chart can't be read. {error.message}", error.remedy) from error
    by_type = {str(r.get("resourceType")): r for r in reversed(fetched.resources)}
    return record, _banner(by_type.get("Patient", {})), _kind(by_type.get("Encounter", {}))


def fetch_diagnoses(chart: ChartSession, issuer: Issuer, connect: Connect, *, timeout_s: float) -> EncounterRecord | None:
    """Return a record with the chart's diagnoses alone, as they are now; None where they can't be read."""
    patient = chart.context.patient
    try:
        with connect() as session, FhirClient(issuer.iss, token=chart.access_token, deadline_s=timeout_s, session=session) as client:
            found = client.search("Condition", {"patient": patient})
        return read_resources(found, patient_id=patient, encounter_id=chart.context.encounter)
    except FhirError:
        return None


def find_review(service: Reviewer, chart: ChartSession, issuer: Issuer) -> tuple[Document | None, bool]:
    """Return the kept review for a chart and whether a card's handle was refused.

    The session's own review first, then the card's handle, then the newest of the encounter.
    """
    store = service.store
    patient, encounter = f"Patient/{chart.context.patient}", f"Encounter/{chart.context.encounter}" if chart.context.encounter else None
    if chart.review_id:
        try:
            return store.get(issuer.tenant, chart.review_id), False
        except NotFoundError:
            pass  # it was deleted by the store's retention: the newest one, or a new one, takes its place
    refused = False
    if chart.context.app_context:
        try:
            review_id = store.redeem(chart.context.app_context, issuer.tenant, chart.context.patient, chart.user)
            document = store.get(issuer.tenant, review_id)
            if document["patient"] == patient and (encounter is None or document.get("encounter") in (None, encounter)):
                return document, False
        except NotFoundError:
            pass
        refused = True
    return store.latest(issuer.tenant, patient, encounter), refused


def new_review(service: Reviewer, record: EncounterRecord, tenant: str, user: str) -> Document:
    """Run the review on a record for a person, keep it without words, and return what is kept."""
    document = to_document(service.review(record, tenant=tenant, deadline=time.monotonic() + _REVIEW_S))
    service.keep(tenant, document, record=record, client="smart", user=user)
    return without_text(document)


def restore(document: Document, record: EncounterRecord) -> tuple[Document, tuple[str, ...]]:
    """Return the review with the words put back, and the sources that are not what the review has read.

    Where a note has changed, its excerpts carry `"stale": True` and no words; all others are shown.
    """
    try:
        return with_text(document, record), ()
    except EvidenceError:
        pass  # find out which
    restored = deepcopy(document)
    unread = {skipped.source for skipped in record.skipped}  # what can't be read just now hasn't changed
    changed: dict[str, None] = {}
    for evidence in evidences(restored):
        try:
            evidence.update(with_text({"evidence": [evidence]}, record)["evidence"][0])
        except EvidenceError:
            evidence["stale"] = True
            source = evidence["source"]
            if source not in unread and source.partition("/")[0] not in unread:
                changed[source] = None
    return restored, tuple(changed)


def evidences(part: object) -> list[Document]:
    """Return every evidence in a review's document, in order."""
    if isinstance(part, list):
        return [found for item in part for found in evidences(item)]
    if isinstance(part, dict):
        if "source" in part and part.get("kind") in ("note", "structured"):
            return [part]
        return [found for item in part.values() for found in evidences(item)]
    return []


def added_notes(document: Document, record: EncounterRecord) -> tuple[str, ...]:
    """Return the notes of the record that the review neither read nor reported as left out."""
    coverage = document.get("coverage", {})
    known = {*coverage.get("notesRead", ()), *(s["source"] for s in coverage.get("notesSkipped", ()))}
    return tuple(note.source for note in record.notes if note.source not in known)


def age(birth: date, on: date) -> int:
    """Return the age in whole years."""
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))


def _banner(patient: Mapping[str, Any]) -> Banner:
    names = [n for n in patient.get("name", ()) if isinstance(n, Mapping)]
    name = next((n for n in names if n.get("use") in ("official", "usual")), names[0] if names else {})
    given = " ".join(str(g) for g in name.get("given", ()))
    words = str(name.get("text") or "") or ", ".join(w for w in (str(name.get("family") or ""), given) if w)
    number = next((str(i["value"]) for i in patient.get("identifier", ()) if isinstance(i, Mapping) and i.get("value")), None)
    birth, gender = patient.get("birthDate"), patient.get("gender")
    return Banner(words or "Name not given", birth if isinstance(birth, str) else None, gender if isinstance(gender, str) else None, number)


def _kind(encounter: Mapping[str, Any]) -> str | None:
    for concept in (*encounter.get("type", ()), encounter.get("serviceType") or {}):
        if isinstance(concept, Mapping):
            words = concept.get("text") or next((c.get("display") for c in concept.get("coding", ()) if c.get("display")), None)
            if isinstance(words, str):
                return words
    return None


_RELAUNCH = "Open Marginalia again from the patient's chart in the EHR. Decisions that you recorded are kept."
