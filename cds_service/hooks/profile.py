"""Cards on the wire, in the form that the client's EHR family takes.

Standard: CDS Hooks 2.0.1. Epic: `selectionBehavior` only `any`, one action in a suggestion, the action's description is
the text shown, ICD-10-CM under its OID, topic code of letters and digits. Oracle Health: links that aren't registered
are removed. (The vendors' points are second-hand: confirm with their documentation.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cds_service.config import Client, Profile
from cds_service.hooks.card import TOPIC_SYSTEM, Card, Suggestion, pruned
from fhir_mappers.systems import ICD10CM
from fhir_mappers.writer import condition

OVERRIDE_SYSTEM = "urn:uuid:0b9a3e0e-4a1c-4d57-9f0b-2a8b6c1d7e43"  # names our list of override reasons; it never changes
_EPIC_ICD10CM = "urn:oid:2.16.840.1.113883.6.90"


@dataclass(frozen=True, slots=True)
class Place:
    """Where cards go: whose chart, which encounter, who reads them, and the link that opens the review."""

    public_url: str
    patient_id: str
    encounter_id: str | None
    created: datetime
    handle: str

    @property
    def launch_url(self) -> str:
        """The SMART launch URL of the app."""
        return f"{self.public_url}/smart/launch"


def dressed(cards: Sequence[Card], client: Client, place: Place) -> list[dict[str, Any]]:
    """Return the cards as JSON for this client."""
    return [pruned(_card(card, client, place)) for card in cards]


def _card(card: Card, client: Client, place: Place) -> dict[str, Any]:
    return {
        "uuid": card.uuid,
        "summary": card.summary,
        "detail": card.detail,
        "indicator": card.indicator.value,
        "source": {
            "label": "Marginalia",
            "url": f"{place.public_url}/model-card",
            "icon": f"{place.public_url}/icon.png",
            "topic": {"code": card.topic.value, "system": TOPIC_SYSTEM, "display": card.topic.display},
        },
        "suggestions": [_suggestion(s, client.profile, place) for s in card.suggestions],
        "selectionBehavior": "any" if card.suggestions else None,
        "overrideReasons": [{"code": r.code, "system": OVERRIDE_SYSTEM, "display": r.display} for r in card.override_reasons],
        "links": _links(client, place),
    }


def _suggestion(suggestion: Suggestion, profile: Profile, place: Place) -> dict[str, Any]:
    new = suggestion.condition
    epic = profile is Profile.EPIC
    resource = condition(
        patient_id=place.patient_id,
        encounter_id=place.encounter_id if new.category == "encounter-diagnosis" else None,
        code=new.code,
        display=new.display,
        system=_EPIC_ICD10CM if epic else ICD10CM,
        version=None if epic else new.version,
        category=new.category,
        verification="confirmed",  # it exists only once a clinician accepts it
        recorded=place.created,
        evidence=() if epic else new.evidence,
    )
    return {"label": suggestion.label, "uuid": suggestion.uuid, "actions": [{"type": "create", "description": suggestion.label, "resource": resource}]}


def _links(client: Client, place: Place) -> list[dict[str, str]]:
    if client.profile is Profile.ORACLE and place.launch_url not in client.links:
        return []
    return [{"label": "Open the review on the note", "url": place.launch_url, "type": "smart", "appContext": place.handle}]
