"""The draft of a claim out of what stands in the summary: put into the outbox on a person's word; a newer one takes the place of the last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fhir_mappers.claims import Billed, ClaimDiagnosis, ClaimService, claim_draft
from fhir_mappers.record import EncounterRecord
from smart_app.errors import DecisionRefused
from smart_app.history import Actor, Place
from smart_app.outbox import Act, Item, Outbox, State
from smart_app.sheet import CLAIM, Sheet
from smart_app.writeback import Rights, told_provenance, urn


def draft(
    sheet: Sheet, place: Place, document: Mapping[str, Any], record: EncounterRecord | None, actor: Actor | None, *, replaces: Item | None = None
) -> dict[str, Any]:
    """Return the draft of what stands now; `record` tells who pays and when it was. Raises DecisionRefused where no diagnosis stands."""
    if not sheet.diagnoses:
        raise DecisionRefused("smart.no-diagnosis", "No diagnosis stands yet.", "Decide on the codes first.")
    version = {str(c["system"]): str(c["version"]) for c in document["codeSets"]}
    billed = Billed(
        [ClaimDiagnosis(e.code, e.display, e.poa, version.get(e.system), e.system) for e in sheet.diagnoses],
        [ClaimService(e.code, e.display, e.system) for e in sheet.entries if e.kind != "diagnosis"],
        record.start if record else None,
        record.end if record else None,
    )
    codes = [f"{e.kind} {e.code} {e.poa}" for e in sheet.entries]
    return claim_draft(
        billed,
        patient_id=place.patient,
        identifier=urn(place, "claim", *codes, replaces.identity if replaces else ""),
        created=datetime.now(UTC),
        inpatient=sheet.inpatient,
        institutional=document.get("setting") in ("inpatient", "emergency"),
        encounter_id=place.encounter,
        coverages=[coverage.source for coverage in record.coverages] if record else (),
        enterer=actor.user if actor and actor.user.partition("/")[0] in ("Practitioner", "PractitionerRole") else None,
        enterer_display=actor.name if actor else None,
        replaces=replaces.location if replaces else None,
        ai_asserted=any(e.by_model for e in sheet.entries),
    )


def plan_claim(
    sheet: Sheet, place: Place, document: Mapping[str, Any], record: EncounterRecord | None, rights: Rights, outbox: Outbox, actor: Actor
) -> None:
    """Put the draft into the outbox, unless the last one says the same; the last one is taken back where the EHR lets us correct."""
    last = sheet.claim.item if sheet.claim else None
    if sheet.claim and sheet.claim.current:
        return
    if last and last.state is not State.SENT:
        outbox.drop([last])
    sent = last if last and last.state is State.SENT else None
    body = draft(sheet, place, document, record, actor, replaces=last)
    model = document if any(e.by_model for e in sheet.entries) else None
    number = outbox.put(place, Act.CLAIM, CLAIM, str(body["identifier"][0]["value"]), body, actor)
    if number is not None and rights.provenance:
        sources = tuple(dict.fromkeys(source for e in sheet.entries for source in e.sources))
        outbox.put(place, Act.PROVENANCE, CLAIM, urn(place, "claim-told", str(number)), told_provenance(model, actor, sources, "CREATE"), actor, after=number)
    if number is not None and sent and sent.location and rights.claim_corrections:
        withdrawn = {"reference": sent.location, "etag": sent.etag}
        outbox.put(place, Act.WITHDRAW, CLAIM, urn(place, "claim-withdrawn", str(number)), withdrawn, actor, after=number)
