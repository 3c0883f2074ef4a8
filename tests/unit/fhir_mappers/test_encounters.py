"""Encounter: setting, period, and what belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_mappers import EncounterRecord, read_bundle, read_resources
from fhir_mappers.record import Setting

Read = Callable[..., EncounterRecord]


@pytest.mark.parametrize(
    ("class_", "setting"),
    [
        ({"code": "AMB"}, Setting.OUTPATIENT),
        ({"code": "VR"}, Setting.OUTPATIENT),
        ({"code": "HH"}, Setting.OUTPATIENT),
        ({"code": "OBSENC"}, Setting.OUTPATIENT),
        ({"code": "EMER"}, Setting.EMERGENCY),
        ({"code": "IMP"}, Setting.INPATIENT),
        ({"code": "ACUTE"}, Setting.INPATIENT),
        ({"code": "NONAC"}, Setting.INPATIENT),
        ("inpatient", Setting.INPATIENT),
        ({"coding": [{"code": "IMP"}]}, Setting.INPATIENT),
        ([{"coding": [{"code": "IMP"}]}], Setting.INPATIENT),
        ({"system": "urn:oid:1.2.3", "code": "5", "display": "Hospital Inpatient Surgery"}, Setting.INPATIENT),
        ({"system": "urn:oid:1.2.3", "code": "6", "display": "Observation (inpatient bed)"}, Setting.OUTPATIENT),
        ({"system": "urn:oid:1.2.3", "code": "7", "display": "Office Visit"}, Setting.OUTPATIENT),
    ],
)
def test_the_class_tells_the_setting(read: Read, encounter: dict[str, Any], class_: Any, setting: Setting) -> None:
    """v3-ActCode; observation is outpatient (Medicare Benefit Policy Manual 6, 20.6); STU3, R5 and local classes."""
    encounter["class"] = class_
    record = read()
    assert record.setting is setting
    assert record.skipped == ()


@pytest.mark.parametrize(("class_", "words"), [({"code": "XYZ"}, "class 'XYZ' is unknown"), (None, "it has no class")])
def test_an_unknown_class_is_read_as_outpatient_and_said(read: Read, encounter: dict[str, Any], class_: Any, words: str) -> None:
    """The default is told, with the codes to send."""
    encounter["class"] = class_
    record = read()
    assert record.setting is Setting.OUTPATIENT
    assert f"The visit was read as outpatient, since {words}. Send a code of v3-ActCode: AMB, EMER, IMP, OBSENC, VR, HH." in [s.reason for s in record.skipped]


@pytest.mark.parametrize(
    ("period", "start", "end", "words"),
    [
        ({"start": "2026-03-01"}, datetime(2026, 3, 1, tzinfo=UTC), None, []),
        ({"start": "2026-02"}, datetime(2026, 2, 1, tzinfo=UTC), None, ["period.start gives no day"]),
        ({"start": "2026-03-02", "end": "2026-03-01"}, datetime(2026, 3, 2, tzinfo=UTC), None, ["period.end lies before period.start"]),
        ({"start": "2026-06-01"}, datetime(2026, 6, 1, tzinfo=UTC), None, []),
        ({"start": "2062-03-01"}, None, None, ["period.start lies in the future (2062-03-01)"]),
        ({"start": "soon"}, None, None, ["period.start is not a FHIR date"]),
        ("2026", None, None, []),
    ],
)
def test_periods_of_all_kinds(read: Read, encounter: dict[str, Any], period: Any, start: datetime | None, end: datetime | None, words: list[str]) -> None:
    """Partial, reversed and future dates; a planned visit may lie ahead, years ahead is an error."""
    encounter["period"] = period
    record = read()
    assert (record.start, record.end) == (start, end)
    said = [s.reason for s in record.skipped if s.source == "Encounter/e1" and s.reason.startswith("period")]
    assert [any(w in reason for reason in said) for w in words] == [True] * len(words)
    assert len(said) == len(words)


def test_without_the_encounter_the_visit_is_outpatient_and_said(patient: dict[str, Any]) -> None:
    """An encounter that was asked for and isn't there."""
    record = read_resources([patient], patient_id="p1", encounter_id="e1")
    assert (record.encounter_id, record.setting, record.start) == ("e1", Setting.OUTPATIENT, None)
    assert "The Encounter is not in the input" in record.skipped[0].reason


def test_of_several_encounters_in_a_bundle_the_latest_is_taken_and_said(patient: dict[str, Any], encounter: dict[str, Any]) -> None:
    """Which encounter was reviewed is never a riddle."""
    old = encounter | {"id": "e0", "period": {"start": "2020-01-01"}}
    record = read_bundle({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in (patient, encounter, old)]})
    assert record.encounter_id == "e1"
    assert "2 encounters; this, the latest, was reviewed" in record.skipped[0].reason
