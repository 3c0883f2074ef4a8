"""CDS Hooks checklist, "Cards", and what the EHR vendors do differently; on the wire, from a review that has everything to say."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from fhir.resources.R4B.condition import Condition
from flask.testing import FlaskClient

from cds_service.application import Application
from cds_service.config import Client, Profile
from cds_service.review.model import (
    ClaimFinding,
    CodeAssignment,
    CodeSetUsed,
    CodingReview,
    DocumentationQuery,
    Evidence,
    EvidenceKind,
    Rationale,
    ReviewCoverage,
    Role,
)
from cds_service.web import create_app
from fhir_mappers import EncounterRecord

Call = Callable[..., dict[str, Any]]
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
# What no clinician's card may speak of.
PAYMENT = re.compile(r"\b(pay\w*|paid|reimburs\w*|HCC|DRG|MCC|CC|RAF|deni\w+|revenue|CO-50|risk.adjust\w*)\b", re.IGNORECASE)
TEXT = "Assessment: COPD with [acute] *exacerbation* <b>today</b>, sputum culture sent.\nBNP 900."
CODES = (
    ("J44.1", "Chronic obstructive pulmonary disease with (acute) exacerbation", 0.93),
    ("J96.01", "Acute respiratory failure with hypoxia, a title that goes on and on so that no label could ever hold it whole " + "x" * 60, 0.72),
    *((f"I1{n}", f"Condition {n}", 0.55) for n in range(6)),
)


def evidence(words: str) -> Evidence:
    """Return evidence of the note d1."""
    begin = TEXT.index(words)
    return Evidence(EvidenceKind.NOTE, "DocumentReference/d1", words, begin, begin + len(words), "assessment_plan", sha256="0" * 64)


def assignment(code: str, display: str, confidence: float) -> CodeAssignment:
    """Return a diagnosis."""
    support = (evidence("COPD with [acute] *exacerbation*"),)
    return CodeAssignment(code, ICD10CM, display, confidence, Role.SECONDARY, True, support, (Rationale("model.embedding", "It reads like it."),))


def query(number: int, title: str) -> DocumentationQuery:
    """Return a compliant query."""
    return DocumentationQuery(
        id=f"q{number}",
        family="acuity",
        title=title,
        question="Which acuity of the heart failure do the findings describe?",
        indicators=(Evidence(EvidenceKind.STRUCTURED, "Observation/bnp", "BNP 900 pg/mL (2026-03-01)"), evidence("BNP 900")),
        options=("Acute", "Chronic", "Acute on chronic", "Other (please specify)", "Unable to determine"),
        rule="gap.acuity",
        reference="I.B.8",
        priority=number,
    )


def full_review(record: EncounterRecord, application: Application) -> CodingReview:
    """Return a review with diagnoses, queries and claim findings."""
    return CodingReview(
        id=str(uuid4()),
        created=datetime(2026, 3, 1, 12, tzinfo=UTC),
        patient="Patient/1",
        encounter="Encounter/e1",
        setting="outpatient",
        code_sets=(CodeSetUsed(ICD10CM, "2026-04-01", date(2025, 10, 1)),),
        model=application.reviewer.model,
        diagnoses=tuple(assignment(*c) for c in CODES),
        queries=(
            *(query(n, f"Heart failure, question {n}") for n in (4, 2, 1, 3)),
            query(5, "Raises the DRG payment"),
        ),
        claim_findings=(
            ClaimFinding(
                "lcd", ("82306",), "LCD L34658", "2026-01-01", "Vitamin D testing lacks a covered reason. Denial CO-50 is likely.", "Name the reason."
            ),
            ClaimFinding("mue", ("99999",), "MUE", "2026-01-01", "Concerns another code.", "None."),
        ),
        coverage=ReviewCoverage(tuple(n.source for n in record.notes)),
    )


@pytest.fixture
def answer_for(make_application: Callable[..., Application], hook_call: Call, note: Call, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Returns the JSON answer of a service for a client whose chart gives the full review."""

    def answer(service: str = "coding-review", hook: str = "patient-view", client: Client | None = None, **call: Any) -> Any:
        application = make_application(clients=(client,) if client else (), public_url="https://marginalia.example.org")
        monkeypatch.setattr(Application, "review", lambda self, record, *, tenant, deadline: full_review(record, self))
        prefetch = {"notes": {"resourceType": "Bundle", "entry": [{"resource": note(TEXT)}]}} | call.pop("prefetch", {})
        return create_app(application).test_client().post(f"/cds-services/{service}", json=hook_call(hook, prefetch=prefetch, **call)).json

    return answer


ORDERS = {
    "draftOrders": {
        "resourceType": "Bundle",
        "entry": [
            {
                "resource": {
                    "resourceType": "ServiceRequest",
                    "id": "s1",
                    "status": "draft",
                    "intent": "order",
                    "subject": {"reference": "Patient/1"},
                    "encounter": {"reference": "Encounter/e1"},
                    "code": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "82306"}]},
                }
            }
        ],
    }
}


@pytest.fixture
def every_card(answer_for: Callable[..., Any]) -> list[dict[str, Any]]:
    """Cards of all hooks."""
    start = answer_for("coding-review-start", "encounter-start")
    discharge = answer_for("coding-review-discharge", "encounter-discharge")
    orders = answer_for("order-claim-check", "order-sign", context=ORDERS)
    return [c for a in (answer_for(), start, discharge, orders) for c in a["cards"]]


def test_c1_nothing_to_say(client: FlaskClient, hook_call: Call, note: Call) -> None:
    """C1 200 with `cards`; nothing to say is `{"cards": []}`."""
    quiet = note("Reviewed with the family. They have no further questions about the schedule for next week and the parking.")
    answer = client.post("/cds-services/coding-review", json=hook_call(prefetch={"notes": {"resourceType": "Bundle", "entry": [{"resource": quiet}]}}))
    assert (answer.status_code, answer.json) == (200, {"cards": []})


def test_c2_summary(every_card: list[dict[str, Any]]) -> None:
    """C2 `summary` required, under 140 characters (139 passes, 140 fails)."""
    assert every_card
    assert all(0 < len(c["summary"]) < 140 for c in every_card)


def test_c3_indicator(every_card: list[dict[str, Any]]) -> None:
    """C3 `indicator` is `info`, `warning` or `critical`."""
    assert {c["indicator"] for c in every_card} == {"info", "warning"}


def test_c4_source(every_card: list[dict[str, Any]]) -> None:
    """C4 `source.label` required; `url` absolute; `topic` {code, system, display}: always send it."""
    for card in every_card:
        source = card["source"]
        assert source["label"]
        assert source["url"].startswith("https://")
        assert set(source["topic"]) == {"code", "system", "display"}


def test_c4_icon(client: FlaskClient, every_card: list[dict[str, Any]]) -> None:
    """C4 `icon` a 100x100 opaque PNG (SHOULD)."""
    path = every_card[0]["source"]["icon"].removeprefix("https://marginalia.example.org")
    answer = client.get(path)
    assert answer.content_type == "image/png"
    width, height, _, colour = struct.unpack(">IIBB", answer.data[16:26])
    assert (width, height, colour) == (100, 100, 2)  # colour type 2 has no alpha channel


def test_c5_detail_is_markdown_without_html(every_card: list[dict[str, Any]]) -> None:
    """C5 `detail` is GitHub-flavoured Markdown; no HTML. Markdown in a note shows as the characters it is."""
    first = every_card[0]["detail"]
    assert r"\[acute\] \*exacerbation\*" in first
    assert r"\<b\>today" in first
    assert not any(re.search(r"(?<!\\)<[a-z/]", c["detail"]) for c in every_card)


def test_c6_selection_behavior(every_card: list[dict[str, Any]]) -> None:
    """C6 `suggestions` require `selectionBehavior`; nothing is recommended: a pre-selected diagnosis would lead."""
    for card in every_card:
        assert ("suggestions" in card) == ("selectionBehavior" in card)
        assert card.get("selectionBehavior", "any") == "any"
        assert not any("isRecommended" in s for s in card.get("suggestions", []))


def test_c7_suggestion(every_card: list[dict[str, Any]]) -> None:
    """C7 Suggestion: `label` required; `uuid` needed for feedback; its actions are taken together."""
    suggestions = [s for c in every_card for s in c.get("suggestions", [])]
    assert suggestions
    for suggestion in suggestions:
        assert suggestion["label"]
        UUID(suggestion["uuid"])
        assert len(suggestion["actions"]) == 1


def test_c8_action(every_card: list[dict[str, Any]]) -> None:
    """C8 Action: `type` and `description`; create carries a whole resource: a Condition valid against R4, of this patient and visit."""
    actions = [a for c in every_card for s in c.get("suggestions", []) for a in s["actions"]]
    for action in actions:
        assert action["type"] == "create"
        assert action["description"]
        Condition.model_validate(action["resource"])
        assert action["resource"]["subject"] == {"reference": "Patient/1"}
        assert action["resource"]["encounter"] == {"reference": "Encounter/e1"}
        assert action["resource"]["category"][0]["coding"][0]["code"] == "encounter-diagnosis"
        assert action["resource"]["meta"]["security"][0]["code"] == "AIAST"


def test_c9_no_action_selection_behavior(every_card: list[dict[str, Any]]) -> None:
    """C9 `actionSelectionBehavior` only for clients known to support it: none is."""
    assert not any("actionSelectionBehavior" in s for c in every_card for s in c.get("suggestions", []))


def test_c10_override_reasons(every_card: list[dict[str, Any]]) -> None:
    """C10 `overrideReasons` are Codings with `code`, `system`, `display`."""
    for card in every_card:
        assert all(set(r) == {"code", "system", "display"} for r in card["overrideReasons"])


def test_c11_links(every_card: list[dict[str, Any]]) -> None:
    """C11 Link: `label`, `url`, `type` `absolute`|`smart`; `appContext` is a string, on smart links only."""
    for card in every_card:
        (link,) = card["links"]
        assert link["label"]
        assert (link["url"], link["type"]) == ("https://marginalia.example.org/smart/launch", "smart")
        assert isinstance(link["appContext"], str)
        assert len(link["appContext"]) >= 32


def test_c12_no_system_actions(answer_for: Callable[..., Any]) -> None:
    """C12 `systemActions` only for writes agreed beforehand; never a card's twin: none is sent."""
    assert set(answer_for()) <= {"cards", "extension"}


def test_c13_card_uuid(every_card: list[dict[str, Any]]) -> None:
    """C13 Every card has a `uuid`."""
    uuids = [c["uuid"] for c in every_card]
    assert len({UUID(u) for u in uuids}) == len(uuids)


def test_few_ranked_and_short(answer_for: Callable[..., Any]) -> None:
    """House: one card of diagnoses and one of questions, in the review's order, with what exceeds a card counted."""
    diagnoses, gaps = answer_for()["cards"]
    assert [s["label"].split()[0] for s in diagnoses["suggestions"]] == ["J44.1", "J96.01", "I10", "I11", "I12"]
    assert diagnoses["summary"] == "8 diagnoses in the notes are not on the visit's list"
    assert "3 more in the full review." in diagnoses["detail"]
    assert re.findall(r"question (\d)\*\*", gaps["detail"]) == ["1", "2", "3"]
    assert "1 more in the full review." in gaps["detail"]


def test_what_why_and_how_sure(answer_for: Callable[..., Any]) -> None:
    """House: a card says what, why (the excerpt in quotes) and how sure (words and per cent)."""
    detail = answer_for()["cards"][0]["detail"]
    assert "**J44.1** Chronic obstructive pulmonary disease with (acute) exacerbation (very likely, 93 %)" in detail
    assert r"“Assessment: **COPD with \[acute\] \*exacerbation\*** \<b\>today" in detail
    assert "(Progress note, 2026-03-01, assessment and plan)" in detail


def test_questions_are_compliant(answer_for: Callable[..., Any]) -> None:
    """AHIMA/ACDIS 2022: indicators with source and date, all options, none preferred; a query that speaks of payment is held back."""
    gaps = answer_for()["cards"][1]
    assert "suggestions" not in gaps
    assert "BNP 900 pg/mL (2026-03-01)" in gaps["detail"]
    assert "Possible answers: Acute; Chronic; Acute on chronic; Other (please specify); Unable to determine." in gaps["detail"]
    assert "Raises the" not in gaps["detail"]


def test_no_card_speaks_of_payment(every_card: list[dict[str, Any]]) -> None:
    """House: a clinician's card never mentions payment, HCC or denial."""
    assert [PAYMENT.findall(f"{c['summary']} {c['detail']}") for c in every_card] == [[]] * len(every_card)


def test_order_card(answer_for: Callable[..., Any]) -> None:
    """House: one card for findings on the orders being signed, and nothing else there; findings on other codes stay away."""
    (card,) = answer_for("order-claim-check", "order-sign", context=ORDERS)["cards"]
    assert card["summary"] == "Check this order: Vitamin D testing lacks a covered reason."
    assert "LCD L34658" in card["detail"]
    assert "another code" not in card["detail"]
    empty = {"draftOrders": {"resourceType": "Bundle", "entry": []}}
    assert answer_for("order-claim-check", "order-sign", context=empty)["cards"] == []


def test_what_the_visit_lists_already_is_not_suggested(answer_for: Callable[..., Any]) -> None:
    """House: no card where there is nothing to say: diagnoses already on the visit's list are left out."""
    listed = [
        {
            "resourceType": "Condition",
            "id": f"c{n}",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "encounter-diagnosis"}]}],
            "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
            "code": {"coding": [{"system": ICD10CM, "code": code}]},
            "subject": {"reference": "Patient/1"},
            "encounter": {"reference": "Encounter/e1"},
        }
        for n, (code, _, _) in enumerate(CODES)
    ]
    some = answer_for(prefetch={"conditions": {"resourceType": "Bundle", "entry": [{"resource": r} for r in listed[:-1]]}})
    assert some["cards"][0]["summary"] == "In the notes, not on the visit's list: I15 Condition 5"
    every = answer_for(prefetch={"conditions": {"resourceType": "Bundle", "entry": [{"resource": r} for r in listed]}})
    assert [c["source"]["topic"]["code"] for c in every["cards"]] == ["documentationquestions"]


def test_epic(answer_for: Callable[..., Any]) -> None:
    """Epic: `selectionBehavior` only `any`; one action in a suggestion; the action's `description` is the text shown; topic code alphanumeric, at most
    100 characters, fixed for a topic; ICD-10-CM under `urn:oid:2.16.840.1.113883.6.90`.
    """
    cards = answer_for(client=Client("open", profile=Profile.EPIC))["cards"]
    assert all(re.fullmatch(r"[A-Za-z0-9]{1,100}", c["source"]["topic"]["code"]) for c in cards)
    assert [c["source"]["topic"] for c in cards] == [c["source"]["topic"] for c in answer_for()["cards"]]
    assert cards[0]["selectionBehavior"] == "any"
    for suggestion in cards[0]["suggestions"]:
        (action,) = suggestion["actions"]
        assert action["description"] == suggestion["label"]
        assert [c["system"] for c in action["resource"]["code"]["coding"]] == ["urn:oid:2.16.840.1.113883.6.90"]


def test_standard_code_system(answer_for: Callable[..., Any]) -> None:
    """Standard profile: ICD-10-CM under its FHIR URI, with the release that decided."""
    (coding,) = answer_for()["cards"][0]["suggestions"][0]["actions"][0]["resource"]["code"]["coding"]
    assert (coding["system"], coding["code"], coding["version"]) == (ICD10CM, "J44.1", "2026-04-01")


def test_oracle(answer_for: Callable[..., Any]) -> None:
    """Oracle Health: links not registered are removed, so only registered ones are sent."""
    unregistered = answer_for(client=Client("open", profile=Profile.ORACLE))["cards"]
    assert not any("links" in c for c in unregistered)
    registered = answer_for(client=Client("open", profile=Profile.ORACLE, links=("https://marginalia.example.org/smart/launch",)))["cards"]
    assert all(c["links"][0]["type"] == "smart" for c in registered)


def test_feedback_finds_its_card(answer_for: Callable[..., Any]) -> None:
    """C7, B2: uuids differ between reviews, so that feedback names one card of one review."""
    first, second = answer_for()["cards"], answer_for()["cards"]
    assert {c["uuid"] for c in first}.isdisjoint(c["uuid"] for c in second)
    assert first[0]["suggestions"][0]["uuid"] != second[0]["suggestions"][0]["uuid"]
