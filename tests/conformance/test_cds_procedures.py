"""Procedures on the wire: cards at opening and discharge, and the published JSON of the API, by the setting of the encounter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, FormatChecker

from cds_service.web.review_schema import REVIEW_SCHEMAS

Call = Callable[..., dict[str, Any]]
PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
TEXT = (
    "PREOPERATIVE DIAGNOSIS: Acute cholecystitis.\nPROCEDURE PERFORMED: Laparoscopic cholecystectomy.\n"
    "DESCRIPTION: The gallbladder was taken off the liver bed.\nPLAN: Colonoscopy in six weeks.\n"
)


def encounter(kind: str) -> dict[str, Any]:
    """Return the encounter with its class."""
    period = {"start": "2026-03-01T09:00:00Z", "end": "2026-03-03T09:00:00Z"}
    return {"resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": kind}, "subject": {"reference": "Patient/1"}, "period": period}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    """Return a searchset."""
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources]}


def card(answer: Any) -> dict[str, Any] | None:
    """Return the card of procedures of an answer, or None."""
    return next((c for c in answer.json["cards"] if c["source"]["topic"]["code"] == "proceduresuggestions"), None)


def held_to_schema(document: dict[str, Any]) -> None:
    """Hold a review to its published schema."""
    schema = {"$ref": "#/components/schemas/CodingReview", "components": {"schemas": REVIEW_SCHEMAS}}
    assert [e.message for e in Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(document)] == []


@pytest.mark.parametrize(("service", "hook"), [("coding-review", "patient-view"), ("coding-review-discharge", "encounter-discharge")])
def test_a_documented_procedure_of_a_stay_is_on_a_card(client: FlaskClient, hook_call: Call, note: Call, service: str, hook: str) -> None:
    """C2, C3, C6: code, title and the words that support it; the card informs, and writes nothing."""
    answer = client.post(f"/cds-services/{service}", json=hook_call(hook, prefetch={"encounter": encounter("IMP"), "notes": bundle(note(TEXT))}))
    found = card(answer)
    assert found is not None
    assert found["summary"] == "Documented, not coded in the chart: 0FT44ZZ Resection of Gallbladder, Percutaneous Endoscopic Approach"
    assert "**Laparoscopic cholecystectomy**" in found["detail"]
    assert found["indicator"] == "info"
    assert "suggestions" not in found
    assert "olonoscopy" not in found["detail"]


def test_a_procedure_that_the_chart_codes_needs_no_card(client: FlaskClient, hook_call: Call, note: Call) -> None:
    """What is coded already isn't told again."""
    done = {
        "resourceType": "Procedure", "id": "p1", "status": "completed", "subject": {"reference": "Patient/1"}, "encounter": {"reference": "Encounter/e1"},
        "code": {"coding": [{"system": PCS, "code": "0FT44ZZ"}], "text": "Laparoscopic cholecystectomy"}, "performedDateTime": "2026-03-01T12:00:00Z",
    }  # fmt: skip
    prefetch = {"encounter": encounter("IMP"), "notes": bundle(note(TEXT)), "procedures": bundle(done)}
    assert card(client.post("/cds-services/coding-review", json=hook_call(prefetch=prefetch))) is None


def test_an_outpatient_has_no_inpatient_procedure(client: FlaskClient, hook_call: Call, note: Call) -> None:
    """45 CFR 162.1002: the setting decides the code system."""
    prefetch = {"encounter": encounter("AMB"), "notes": bundle(note(TEXT))}
    assert card(client.post("/cds-services/coding-review", json=hook_call(prefetch=prefetch))) is None


def test_the_published_form_of_a_procedure(client: FlaskClient) -> None:
    """Procedures with system, evidence that is verbatim, and rationale; what is planned is told, and an open axis is asked."""
    text = TEXT + "ADDENDUM: Appendectomy was performed.\n"
    document = client.post("/api/v1/review", json={"text": text, "encounterDate": "2026-03-02", "setting": "inpatient"}).json
    held_to_schema(document)
    [procedure] = document["procedures"]
    assert (procedure["code"], procedure["system"], procedure["source"]) == ("0FT44ZZ", PCS, "note")
    assert "role" not in procedure
    [evidence] = procedure["evidence"]
    assert text[evidence["begin"] : evidence["end"]] == evidence["text"] == "Laparoscopic cholecystectomy"
    assert PCS in {s["system"] for s in document["codeSets"]}
    reasons = {n["code"]: n["reason"] for n in document["notCoded"] if n.get("rule", "").startswith("procedure.")}
    assert reasons == {"0DJD8ZZ": "planned, not done at this encounter", "0DT": "approach not documented: 0DTJ0ZZ, 0DTJ4ZZ, 0DTJ7ZZ, 0DTJ8ZZ"}
    [query] = [q for q in document["queries"] if q["rule"] == "procedure.open"]
    assert query["options"][:2] == ["Open", "Percutaneous Endoscopic"]


@pytest.mark.parametrize("setting", ["outpatient", "emergency", "inpatient"])
def test_every_setting_keeps_to_the_schema(client: FlaskClient, setting: str) -> None:
    """The same note in every setting."""
    held_to_schema(client.post("/api/v1/review", json={"text": TEXT, "encounterDate": "2026-03-02", "setting": setting}).json)
