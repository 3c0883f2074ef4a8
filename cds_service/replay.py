"""Making an answer again from the same notes: does the review come out the same, bit for bit, and if not, why?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cds_service.application import Reviewer
from cds_service.audit.inputs import basis, document_hash, inputs_of
from cds_service.config import Client
from cds_service.encounter_input import read_input
from cds_service.errors import NotFoundError, RequestError
from cds_service.hooks import Registry, complete, read_request
from cds_service.review.document import to_document, without_text
from fhir_mappers.record import EncounterRecord

_IN_HASTE = ("Not read: the time", "Read in part: the time")
_LONG_S = 60.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found.

    Attributes:
        same: the review is the same, bit for bit, but for how long it took.
        document: the review as it came out now.
        reasons: why it could differ: other inputs, model, rules or tables; notes that there was no time for.
        changed: the parts of the document that differ ("diagnoses", "queries").
    """

    same: bool
    document: dict[str, Any]
    reasons: tuple[str, ...]
    changed: tuple[str, ...]


def read_again(body: object, event: Mapping[str, Any], registry: Registry) -> EncounterRecord:
    """Return the record of an answer's input: the body of its hook call with complete prefetch, or what was sent to the API.

    Raises:
        RequestError: it can't be read.
        PreconditionError: prefetch that the service requires is missing; nothing is fetched at a replay.
        FhirError: resources of another patient.
    """
    today = datetime.fromisoformat(event["at"]).date()
    if not isinstance(body, Mapping) or "hook" not in body:
        return read_input(body, today=today)
    name = event.get("details", {}).get("service")
    if not name:
        raise RequestError("This answer wasn't given to a hook call.", "Give what was sent to the API.", field="hook")
    service = registry.find(name)
    alone = {key: value for key, value in body.items() if key not in ("fhirServer", "fhirAuthorization")}
    later = time.monotonic() + _LONG_S
    return complete(service, read_request(alone, hook=service.hook), Client("replay"), open_mode=False, until=later, answer_by=later)


def replay(reviewer: Reviewer, provider: str, event: Mapping[str, Any], kept: Mapping[str, Any], record: EncounterRecord) -> Replayed:
    """Review a record again as on the day of the answer.

    Args:
        reviewer: engine and knowledge of today.
        provider: its execution provider.
        event: the audit's event of the answer.
        kept: the review as the store kept it.
        record: the inputs, given again.

    Raises:
        NotFoundError: none of the notes that were read is in the record.
    """
    details = event["details"]
    reasons = [*_other_inputs(details.get("inputs"), record), *_other_basis(details, basis(reviewer.model, provider))]
    read = set(kept["coverage"]["notesRead"])
    if read and not read & {note.source for note in record.notes}:
        raise NotFoundError("None of the notes of this answer is in the file.", "Give the hook call, the Bundle or the text that the answer was made from.")
    hasty = [s["source"] for s in kept["coverage"]["notesSkipped"] if s["reason"].startswith(_IN_HASTE)]
    reasons += [f"{source} was not, or not wholly, read in the time of the call." for source in hasty]
    created = datetime.fromisoformat(kept["created"])
    again = replace(reviewer.of(event["tenant"]), now=lambda: created).review(record)
    document = to_document(again) | {"id": kept["id"]}
    return Replayed(document_hash(document) == details["document"], document, tuple(reasons), _changed(kept, document))


def _other_inputs(before: Mapping[str, Any] | None, record: EncounterRecord) -> list[str]:
    if before is None:
        return ["The hashes of its inputs were not recorded."]
    now = inputs_of(record)
    reasons = [f"{source} is missing." for source in before["notes"] if source not in now.notes]
    reasons += [f"{source} was not there." for source in now.notes if source not in before["notes"]]
    reasons += [f"{source} has other words." for source, value in now.notes.items() if before["notes"].get(source, value) != value]
    if not reasons and now.record != before["record"]:
        reasons.append("The notes are the same; something of the structured record differs.")
    return reasons


def _other_basis(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    words = {"program": "version of the program", "rules": "rules and tables", "tables": "code set packages", "model": "model or its execution provider"}
    return [f"Not the same {word}: {before.get(name)} then, {now[name]} now." for name, word in words.items() if before.get(name) != now[name]]


def _changed(kept: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[str, ...]:
    bare = without_text(dict(document))
    return tuple(sorted(name for name in {*kept, *bare} - {"timingMs"} if kept.get(name) != bare.get(name)))
