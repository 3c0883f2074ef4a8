"""Drafts of charges, one for each service or supply that stands: put into the outbox on a person's word, taken back where one doesn't stand any more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fhir_mappers.charges import charge_draft
from fhir_mappers.claims import ClaimService
from fhir_mappers.record import EncounterRecord
from smart_app.history import Actor, Place
from smart_app.outbox import Act, Outbox, State
from smart_app.sheet import Entry, Sheet
from smart_app.writeback import Rights, told_provenance, urn


def plan_charges(
    sheet: Sheet, place: Place, document: Mapping[str, Any], record: EncounterRecord | None, rights: Rights, outbox: Outbox, actor: Actor
) -> None:
    """Put into the outbox what isn't charged yet, and what is to be taken back. A second call plans nothing twice."""
    charges = sheet.charges
    for entry in charges.missing:
        identity = urn(place, "charge", entry.code, str(entry.units), str(entry.decision.id), str(charges.past(entry.code)))
        number = outbox.put(place, Act.CHARGE, entry.code, identity, _body(entry, place, record, actor, identity), actor)
        if number is not None and rights.provenance:
            told = told_provenance(document if entry.by_model else None, actor, entry.sources, "CREATE")
            outbox.put(place, Act.PROVENANCE, entry.code, urn(place, "charge-told", str(number)), told, actor, after=number)
    outbox.drop(item for item in charges.surplus if item.state is not State.SENT)
    if rights.charge_corrections:
        for item in charges.surplus:
            if item.state is State.SENT and item.location:
                outbox.put(place, Act.UNCHARGE, item.subject, item.identity, {"reference": item.location, "etag": item.etag}, actor)


def _body(entry: Entry, place: Place, record: EncounterRecord | None, actor: Actor, identity: str) -> dict[str, Any]:
    return charge_draft(
        ClaimService(entry.code, entry.display, entry.system),
        patient_id=place.patient,
        identifier=identity,
        entered=datetime.now(UTC),
        units=entry.units,
        encounter_id=place.encounter,
        occurred=record.start if record else None,
        enterer=actor.user if actor.user.partition("/")[0] in ("Practitioner", "PractitionerRole") else None,
        enterer_display=actor.name,
        information=entry.sources,
        ai_asserted=entry.by_model,
    )
