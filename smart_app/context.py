"""The launch context: what the token response says about patient, encounter and how the app is shown.

Source: SMART App Launch 2.2, "Launch context arrives with your access_token".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from smart_app.errors import LaunchRefused

_ID = re.compile(r"^[A-Za-z0-9\-.]{1,64}$")  # FHIR R4 datatype id
_REFERENCE = re.compile(r"^[A-Z][A-Za-z]{1,40}/[A-Za-z0-9\-.]{1,64}$")


@dataclass(frozen=True, slots=True)
class LaunchContext:
    """What one launch is about. Values that could be used as input elsewhere are checked for their form."""

    patient: str  # FHIR id
    encounter: str | None  # FHIR id
    scope: str  # what was granted
    app_context: str | None = None  # the opaque handle of a card
    fhir_context: tuple[str, ...] = ()  # references in `fhirContext`: "DocumentReference/12"
    need_patient_banner: bool = True  # False: the EHR shows the patient itself
    style_url: str | None = None  # untrusted
    intent: str | None = None
    ehr_tenant: str | None = None


def read_context(response: Mapping[str, object], *, requested_scope: str) -> LaunchContext:
    """Return the launch context of a token response; raises LaunchRefused without a patient.

    A response without `scope` grants what was asked for (RFC 6749, 5.1). Without `need_patient_banner` the app shows
    the banner itself: a banner too many is safer than none.
    """
    references = _references(response.get("fhirContext"))
    patient = _id(response.get("patient")) or _first(references, "Patient")
    if patient is None:
        raise LaunchRefused(
            "smart.no-patient",
            "The EHR named no patient for this launch.",
            "Open the patient's chart in the EHR and start Marginalia from there.",
        )
    granted = response.get("scope")
    return LaunchContext(
        patient=patient,
        encounter=_id(response.get("encounter")) or _first(references, "Encounter"),
        scope=granted if isinstance(granted, str) and granted.strip() else requested_scope,
        app_context=_text(response.get("appContext"), 512),
        fhir_context=references,
        need_patient_banner=response.get("need_patient_banner") is not False,
        style_url=_text(response.get("smart_style_url"), 2000),
        intent=_text(response.get("intent"), 200),
        ehr_tenant=_text(response.get("tenant"), 200),
    )


def _references(value: object) -> tuple[str, ...]:
    found = []
    for entry in value if isinstance(value, list) else []:
        reference = entry.get("reference") if isinstance(entry, Mapping) else None
        if isinstance(reference, str) and _REFERENCE.match(reference):
            found.append(reference)
    return tuple(dict.fromkeys(found))


def _first(references: tuple[str, ...], kind: str) -> str | None:
    return next((r.partition("/")[2] for r in references if r.startswith(f"{kind}/")), None)


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and _ID.match(value) else None


def _text(value: object, limit: int) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= limit else None
