"""One encounter as a caller outside a hook gives it: a note as plain text with a few facts, or a FHIR Bundle.

The API and the command `marginalia code` both read their input here, so they give the same review.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from cds_service.errors import RequestError
from fhir_mappers import EncounterRecord, Note, read_bundle
from fhir_mappers.record import Patient, Setting

TEXT_SOURCE = "text"  # names the one note of a plain-text request
TEXT_PATIENT = "unknown"
_FIELDS = frozenset({"text", "encounterDate", "setting", "patient"})
_PATIENT_FIELDS = frozenset({"birthDate", "gender"})
_GENDERS = ("male", "female", "other", "unknown")


def read_input(body: object, *, today: date) -> EncounterRecord:
    """Return the record of a request body: a Bundle where `resourceType` says so, else a note with its facts.

    Raises:
        RequestError: a field is wrong; the message names it.
        FhirError: the Bundle can't be used, or is about more than one patient.
    """
    if not isinstance(body, Mapping):
        raise RequestError("The body is not a JSON object.", 'Send {"text": "..."} or a FHIR R4 Bundle.')
    if "resourceType" in body:
        return read_bundle(body, today=today)
    _only(body, _FIELDS, "")
    patient = body.get("patient", {})
    if not isinstance(patient, Mapping):
        raise RequestError("patient is not an object.", "Send birthDate and gender in it, or leave it out.", field="patient")
    _only(patient, _PATIENT_FIELDS, "patient.")
    return record_of_text(
        body.get("text"),
        today=today,
        encounter_date=body.get("encounterDate"),
        setting=body.get("setting", Setting.OUTPATIENT.value),
        birth_date=patient.get("birthDate"),
        gender=patient.get("gender"),
    )


def record_of_text(
    text: object,
    *,
    today: date,
    encounter_date: object = None,
    setting: object = Setting.OUTPATIENT.value,
    birth_date: object = None,
    gender: object = None,
) -> EncounterRecord:
    """Return the record of a single note.

    Raises:
        RequestError: a value is wrong; `field` names it as the API does.
    """
    if not isinstance(text, str) or not text.strip():
        raise RequestError("text is missing or empty.", "Send the note as plain text.", field="text")
    if setting not in tuple(Setting):
        raise RequestError("setting is unknown.", f"Send one of {', '.join(Setting)}.", field="setting")
    if gender is not None and gender not in _GENDERS:
        raise RequestError("patient.gender is unknown.", f"Send one of {', '.join(_GENDERS)}, or leave it out.", field="patient.gender")
    day = _day(encounter_date, "encounterDate", today)
    birth = _day(birth_date, "patient.birthDate", today)
    if day and birth and birth > day:
        raise RequestError("patient.birthDate is after encounterDate.", "Correct one of the two.", field="patient.birthDate")
    moment = datetime.combine(day, time(), UTC) if day else None
    return EncounterRecord(
        patient=Patient(TEXT_PATIENT, birth, gender if isinstance(gender, str) else None),
        encounter_id=None,
        setting=Setting(str(setting)),
        start=moment,
        end=moment,
        notes=(Note(TEXT_SOURCE, text, "", date=moment),),
    )


def _day(value: object, field: str, today: date) -> date | None:
    if value is None:
        return None
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None:
        raise RequestError(f"{field} is not a date.", "Send YYYY-MM-DD.", field=field)
    if day > today + timedelta(days=1):  # where the caller lives it may be tomorrow already
        raise RequestError(f"{field} lies in the future.", "Send the date of the encounter, or of birth.", field=field)
    return day


def _only(value: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = sorted(str(k) for k in set(value) - known)
    if unknown:
        name = f"{where}{unknown[0]}"[:64]
        raise RequestError(f"{name} is not a field of the request.", f"The fields are {', '.join(where + k for k in sorted(known))}.", field=name)
