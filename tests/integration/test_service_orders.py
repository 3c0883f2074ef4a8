"""The service for orders being signed: it speaks of these orders, and of no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

Call = Callable[..., dict[str, Any]]
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"


def order(name: str, *reasons: str, **changes: Any) -> dict[str, Any]:
    """Return a draft order with these ICD-10-CM codes as its reasons; without an id, unless given."""
    resource = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/1"},
        "encounter": {"reference": "Encounter/e1"},
        "code": {"text": name},
        "reasonCode": [{"coding": [{"system": ICD10CM, "code": reason}]} for reason in reasons],
    }
    return {key: value for key, value in (resource | changes).items() if value}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    """Return a Bundle of resources."""
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}


@pytest.fixture
def signing(client: FlaskClient, hook_call: Call) -> Callable[..., list[dict[str, Any]]]:
    """Returns the cards for orders being signed, where the chart holds further ones."""

    def cards(*drafts: dict[str, Any], chart: tuple[dict[str, Any], ...] = ()) -> list[dict[str, Any]]:
        call = hook_call("order-sign", context={"draftOrders": bundle(*drafts)}, prefetch={"orders": bundle(*chart)})
        answer = client.post("/cds-services/order-claim-check", json=call)
        assert answer.status_code == 200, answer.text
        return list(answer.json["cards"])

    return cards


@pytest.mark.parametrize("names", [{"id": "s1"}, {}], ids=["with an id", "not saved yet"])
def test_an_order_without_indication(signing: Callable[..., list[dict[str, Any]]], names: dict[str, Any]) -> None:
    """An order for a test names its indication (Medicare Claims Processing Manual): one without brings a card, though there is no code to name."""
    (card,) = signing(order("Lipid panel", **names))
    assert card["summary"].startswith("Check this order: The order")
    assert "Lipid panel" in card["detail"]
    assert "names no indication" in card["detail"]
    assert "****" not in card["detail"]


@pytest.mark.parametrize("names", [{"id": "s1"}, {}], ids=["with an id", "not saved yet"])
def test_an_incomplete_code_as_indication(signing: Callable[..., list[dict[str, Any]]], names: dict[str, Any]) -> None:
    """E78 is a category and no code that an order may give as its reason."""
    (card,) = signing(order("Lipid panel", "E78", **names))
    assert "**E78**" in card["detail"]


def test_an_order_in_order(signing: Callable[..., list[dict[str, Any]]]) -> None:
    """A complete code as reason: nothing to say."""
    assert signing(order("Lipid panel", "E78.5")) == []


@pytest.mark.parametrize("names", [{"id": "s1"}, {}], ids=["with an id", "not saved yet"])
def test_other_drafts_of_the_chart_are_left_alone(signing: Callable[..., list[dict[str, Any]]], names: dict[str, Any]) -> None:
    """order-sign: `context.draftOrders` are what is being signed. Another draft that the prefetch brings, with the same faults, is not."""
    others = (order("Chest x-ray", id="x1"), order("Thyroid panel", "E78", id="x2"))
    assert signing(order("Lipid panel", "E78.5", **names), chart=others) == []
    (card,) = signing(order("Lipid panel", "E78", **names), chart=others)
    assert "Lipid panel" in card["detail"]
    assert "Chest x-ray" not in card["detail"]
    assert "Thyroid panel" not in card["detail"]


def test_the_order_being_signed_wins_over_its_older_state(signing: Callable[..., list[dict[str, Any]]]) -> None:
    """The chart's saved state of a draft lacks the indication that the user has just added: the context counts."""
    assert signing(order("Lipid panel", "E78.5", id="s1"), chart=(order("Lipid panel", id="s1"),)) == []


def test_several_orders(signing: Callable[..., list[dict[str, Any]]]) -> None:
    """Findings on several orders stand on one card, each with its order's name."""
    (card,) = signing(order("Lipid panel"), order("Chest x-ray", id="x1"), order("Thyroid panel", "E03.9"))
    assert card["summary"].startswith("2 points on these orders")
    assert "Lipid panel" in card["detail"]
    assert "Chest x-ray" in card["detail"]
    assert "Thyroid panel" not in card["detail"]
