"""Writing decisions into the chart, on a person's word: planned into the outbox first, then sent, then sent again where it failed.

A diagnosis becomes a Condition of the visit, and each Condition a Provenance: the person is its author, the model a device
that assembled. What doesn't stand any more is taken back as entered in error, if it is still as we wrote it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fhir_mappers.writer import communication, condition, entered_in_error, provenance, questionnaire_response, task
from smart_app.delivery import Answer, FhirWriter, Outcome
from smart_app.history import Actor, Place
from smart_app.outbox import Act, Item, Outbox, State
from smart_app.scopes import Scopes
from smart_app.sheet import Entry, Sheet

URN = "urn:ietf:rfc:3986"
_SPACE = uuid.UUID("6f1f4b9e-6a0e-5d7c-9b57-2f5f6b2b8f11")  # of the identities that are made here
_BUDGET_S = 25.0  # a person waits; what isn't through stays in the outbox
_STATES = {
    Outcome.DONE: State.SENT,
    Outcome.REFUSED: State.REFUSED,
    Outcome.CONFLICT: State.CONFLICT,
    Outcome.LATER: State.WAITING,
    Outcome.ENDED: State.WAITING,
}

Messages = Callable[[Item], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Rights:
    """What the EHR lets this person's launch write."""

    conditions: bool
    corrections: bool
    provenance: bool
    message: str | None  # "Communication" | "Task" | None
    answers: bool = False  # as QuestionnaireResponse
    claims: bool = False
    claim_corrections: bool = False
    charges: bool = False
    charge_corrections: bool = False

    @classmethod
    def of(cls, scopes: Scopes) -> Rights:
        """Return the rights that the granted scopes give."""
        message = next((kind for kind in ("Communication", "Task") if scopes.allows(kind, "c")), None)
        return cls(
            scopes.allows("Condition", "c"),
            scopes.allows("Condition", "u"),
            scopes.allows("Provenance", "c"),
            message,
            answers=scopes.allows("QuestionnaireResponse", "c"),
            claims=scopes.allows("Claim", "c"),
            claim_corrections=scopes.allows("Claim", "u"),
            charges=scopes.allows("ChargeItem", "c"),
            charge_corrections=scopes.allows("ChargeItem", "u"),
        )


def plan(sheet: Sheet, place: Place, document: Mapping[str, Any], items: tuple[Item, ...], rights: Rights, outbox: Outbox, actor: Actor) -> None:
    """Put into the outbox what the chart lacks, and what is to be taken back. A second call plans nothing twice."""
    for entry in sheet.diagnoses:
        if entry.item is None and not entry.in_chart:
            _plan_entry(entry, place, document, items, rights, outbox, actor)
    stands = {e.code for e in sheet.diagnoses}
    outbox.drop(i for i in items if i.act is Act.CREATE and i.subject not in stands and i.state not in (State.SENT, State.SENDING))
    if rights.corrections:
        for item in sheet.stale:
            if item.act is Act.CREATE and item.location:
                _plan_retraction(item, place, document, rights, outbox, actor)


def _plan_entry(
    entry: Entry, place: Place, document: Mapping[str, Any], items: tuple[Item, ...], rights: Rights, outbox: Outbox, actor: Actor
) -> None:
    # The identity is the decision's: the same decision is the same entry however often it is sent.
    past = sum(i.subject == entry.code and (i.act is Act.RETRACT or (i.act is Act.CREATE and i.state is State.DROPPED)) for i in items)
    identity = urn(place, "condition", entry.code, str(entry.decision.id), str(past))
    now = datetime.now(UTC)
    body = condition(
        patient_id=place.patient,
        encounter_id=place.encounter,
        code=entry.code,
        display=entry.display,
        system=entry.system,
        version=next((c["version"] for c in document["codeSets"] if c["system"] == entry.system), None),
        verification="provisional" if entry.uncertain else "confirmed",
        recorded=now,
        recorder=actor.user if "/" in actor.user else None,
        evidence=entry.sources,
        identifier=identity,
        ai_asserted=entry.by_model,
    )
    number = outbox.put(place, Act.CREATE, entry.code, identity, body, actor)
    if number is not None and rights.provenance:
        told = told_provenance(document if entry.by_model else None, actor, entry.sources, "CREATE")
        outbox.put(place, Act.PROVENANCE, entry.code, identity, told, actor, after=number)


def _plan_retraction(item: Item, place: Place, document: Mapping[str, Any], rights: Rights, outbox: Outbox, actor: Actor) -> None:
    number = outbox.put(place, Act.RETRACT, item.subject, item.identity, {"reference": item.location, "etag": item.etag}, actor)
    if number is not None and rights.provenance:
        told = told_provenance(document if "meta" in item.body else None, actor, (), "UPDATE")
        outbox.put(place, Act.PROVENANCE, item.subject, urn(place, "retraction", item.identity), told, actor, after=number)


def told_provenance(document: Mapping[str, Any] | None, actor: Actor, sources: tuple[str, ...], activity: str) -> dict[str, Any]:
    """Return the arguments of a Provenance but its target, which the server names; without `document` no model had a part."""
    return {
        "recorded": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "author": actor.user,
        "author_display": actor.name,
        "model_name": document["model"]["name"] if document else None,
        "model_version": document["model"]["version"] if document else "",
        "sources": list(sources),
        "activity": activity,
    }


def deliver(outbox: Outbox, place: Place, writer: FhirWriter, messages: Messages, *, again: bool) -> bool:
    """Send what waits, and with `again` also what was refused; return False where the token has ended meanwhile."""
    until = time.monotonic() + _BUDGET_S
    wanted = {State.WAITING, State.SENDING} | ({State.REFUSED, State.CONFLICT} if again else set())
    for number in [i.id for i in outbox.items(place) if i.state in wanted]:
        items = {i.id: i for i in outbox.items(place)}
        item = items[number]
        first = items.get(item.after) if item.after else None
        if time.monotonic() > until:
            break
        if item.state not in wanted or (first is not None and first.state is not State.SENT) or not outbox.claim(item):
            continue
        answer = _send(item, first, writer, messages)
        outbox.settle(item, _STATES[answer.outcome], problem=answer.problem, location=answer.location, etag=answer.etag)
        if answer.outcome is Outcome.ENDED:
            return False
    return True


def _send(item: Item, first: Item | None, writer: FhirWriter, messages: Messages) -> Answer:
    match item.act:
        case Act.CREATE | Act.CLAIM | Act.CHARGE:
            return _create(writer, item, item.body, {"identifier": f"{URN}|{item.identity}"})
        case Act.RETRACT | Act.WITHDRAW | Act.UNCHARGE:
            return _retract(writer, item)
        case Act.PROVENANCE:
            target = first.location if first and first.location else ""
            told = dict(item.body) | {"recorded": datetime.fromisoformat(item.body["recorded"]), "targets": [target]}
            made = provenance(**told)
            return _create(writer, item, made, {"target": target, "recorded": made["recorded"]})
        case Act.MESSAGE:
            body = messages(item)
            if body is None:
                return Answer(Outcome.REFUSED, "The query isn't in the review any more.")
            return _create(writer, item, body, {"identifier": f"{URN}|{item.identity}"})


def _create(writer: FhirWriter, item: Item, body: Mapping[str, Any], condition: Mapping[str, str]) -> Answer:
    kind = str(body["resourceType"])
    if item.attempts:  # an earlier answer may have been lost, and not every server heeds If-None-Exist
        there = writer.find(kind, condition)
        if there is not None:
            return there
    return writer.create(body, condition)


def _retract(writer: FhirWriter, item: Item) -> Answer:
    reference = str(item.body["reference"])
    resource, answer = writer.read(reference)
    if resource is None:
        return answer
    ours = item.body.get("etag")
    if ours and answer.etag and answer.etag != ours and not item.problem:
        # Somebody has worked on it since: told first; who then says "again" has seen that.
        return Answer(Outcome.CONFLICT, "The entry was changed in the EHR since it was written.", location=reference)
    return writer.update(reference, entered_in_error(resource), answer.etag or (str(ours) if ours else None))


def urn(place: Place, *parts: str) -> str:
    """Return the identity of something that is written for an encounter: the same parts give the same one."""
    return uuid.uuid5(_SPACE, "\0".join((place.tenant, place.patient, place.encounter or "", *parts))).urn


def answer_response(place: Place, item: Item, *, question: str, answer: str, words: str | None) -> dict[str, Any]:
    """Return the QuestionnaireResponse of an answer."""
    return questionnaire_response(
        patient_id=place.patient,
        encounter_id=place.encounter,
        identifier=item.identity,
        question=question,
        answer=answer,
        words=words,
        authored=sent_at(item),
        author=item.user,
        author_display=item.name,
    )


def sent_at(item: Item) -> datetime:
    """Return when a query was sent or answered."""
    return datetime.fromisoformat(str(item.body["at"]))


def query_message(kind: str, place: Place, item: Item, *, title: str, text: str, about: tuple[str, ...]) -> dict[str, Any]:
    """Return the Communication or Task of a query, or the Communication of an answer."""
    told = item.body
    sent = sent_at(item)
    if kind == "Task":
        return task(
            patient_id=place.patient,
            encounter_id=place.encounter,
            identifier=item.identity,
            title=title,
            text=text,
            authored=sent,
            requester=item.user,
            requester_display=item.name,
            owner=told.get("recipient"),
            focus=about[0] if about else None,
        )
    return communication(
        patient_id=place.patient,
        encounter_id=place.encounter,
        identifier=item.identity,
        title=title,
        text=text,
        sent=sent,
        sender=item.user,
        sender_display=item.name,
        recipient=told.get("recipient"),
        about=about,
        in_response_to=told.get("inResponseTo"),
    )


