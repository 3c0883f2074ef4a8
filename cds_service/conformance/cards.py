"""Lines C and B: cards, and feedback on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from cds_service.conformance.checklist import Level, Skip, line
from cds_service.conformance.stage import Stage
from cds_service.simulate.ehr import feedback_on

_HTML = re.compile(r"<\s*/?\s*[a-zA-Z!][^>]*>")
_UNESCAPED = re.compile(r"\\[<>]")


def _suggestions(stage: Stage) -> Iterator[tuple[str, dict[str, Any]]]:
    for place, card in stage.cards():
        for at, suggestion in enumerate(card.get("suggestions") or []):
            yield f"{place}.suggestions[{at}]", suggestion


def _actions(stage: Stage) -> Iterator[tuple[str, dict[str, Any]]]:
    for place, suggestion in _suggestions(stage):
        for at, action in enumerate(suggestion.get("actions") or []):
            yield f"{place}.actions[{at}]", action


@line("C1", Level.SHALL, "200 with cards; nothing to say is an empty list")
def cards(stage: Stage) -> Iterator[str]:
    """A list of objects."""
    for id, answer in stage.answers():
        found = answer.json.get("cards") if isinstance(answer.json, dict) else None
        if answer.status != 200 or not isinstance(found, list) or not all(isinstance(c, dict) for c in found):
            yield f"{id}: status {answer.status}, cards is no list of objects"


@line("C2", Level.SHALL, "summary is there, and under 140 characters")
def summaries(stage: Stage) -> Iterator[str]:
    """139 passes, 140 fails."""
    yield from (f"{place}.summary" for place, card in stage.cards() if not isinstance(card.get("summary"), str) or not 0 < len(card["summary"]) < 140)


@line("C3", Level.SHALL, "indicator is info, warning or critical")
def indicators(stage: Stage) -> Iterator[str]:
    """No other word."""
    words = ("info", "warning", "critical")
    yield from (f"{place}.indicator is {card.get('indicator')!r}" for place, card in stage.cards() if card.get("indicator") not in words)


@line("C4", Level.SHALL, "source.label is there; url and icon are absolute")
def sources(stage: Stage) -> Iterator[str]:
    """Who speaks."""
    for place, card in stage.cards():
        source = card.get("source")
        if not isinstance(source, dict) or not isinstance(source.get("label"), str):
            yield f"{place}.source.label is missing"
            continue
        yield from (f"{place}.source.{n} is not absolute" for n in ("url", "icon") if n in source and not urlsplit(str(source[n])).netloc)


@line("C4a", Level.SHOULD, "source.topic has code, system and display")
def topics(stage: Stage) -> Iterator[str]:
    """EHRs filter and report by it."""
    for place, card in stage.cards():
        topic = (card.get("source") or {}).get("topic") or {}
        yield from (f"{place}.source.topic.{n} is missing" for n in ("code", "system", "display") if not topic.get(n))


@line("C5", Level.SHALL, "detail is Markdown without HTML")
def details(stage: Stage) -> Iterator[str]:
    """Escaped signs are no HTML."""
    yield from (f"{place}.detail" for place, card in stage.cards() if _HTML.search(_UNESCAPED.sub("", str(card.get("detail") or ""))))


@line("C6", Level.SHALL, "suggestions want selectionBehavior; at-most-one has at most one that is recommended")
def selection(stage: Stage) -> Iterator[str]:
    """at-most-one, or any."""
    for place, card in stage.cards():
        if not card.get("suggestions"):
            continue
        behaviour = card.get("selectionBehavior")
        if behaviour not in ("at-most-one", "any"):
            yield f"{place}.selectionBehavior is {behaviour!r}"
        if behaviour == "at-most-one" and sum(bool(s.get("isRecommended")) for s in card["suggestions"]) > 1:
            yield f"{place} recommends several suggestions"


@line("C7", Level.SHALL, "A suggestion has a label, and a uuid for feedback")
def labels(stage: Stage) -> Iterator[str]:
    """Its actions are taken together."""
    for place, suggestion in _suggestions(stage):
        yield from (f"{place}.{n} is missing" for n in ("label", "uuid") if not suggestion.get(n))


@line("C8", Level.SHALL, "An action has type and description; create and update carry a resource, delete a resourceId")
def actions(stage: Stage) -> Iterator[str]:
    """A whole resource."""
    for place, action in _actions(stage):
        if action.get("type") not in ("create", "update", "delete"):
            yield f"{place}.type is {action.get('type')!r}"
        if not action.get("description"):
            yield f"{place}.description is missing"
        if action.get("type") in ("create", "update") and not (action.get("resource") or {}).get("resourceType"):
            yield f"{place}.resource is missing"
        if action.get("type") == "delete" and not action.get("resourceId"):
            yield f"{place}.resourceId is missing"


@line("C9", Level.SHOULD, "actionSelectionBehavior only for clients known to support it")
def action_selection(stage: Stage) -> Iterator[str]:
    """This client doesn't."""
    yield from (f"{place}.actionSelectionBehavior" for place, s in _suggestions(stage) if "actionSelectionBehavior" in s)


@line("C10", Level.SHALL, "overrideReasons have code, system and display")
def reasons(stage: Stage) -> Iterator[str]:
    """They are Codings."""
    for place, card in stage.cards():
        for at, reason in enumerate(card.get("overrideReasons") or []):
            yield from (f"{place}.overrideReasons[{at}].{n} is missing" for n in ("code", "system", "display") if not reason.get(n))


@line("C11", Level.SHALL, "A link has label, url and type; appContext is a string, on smart links only")
def links(stage: Stage) -> Iterator[str]:
    """absolute, or smart."""
    for place, card in stage.cards():
        for at, link in enumerate(card.get("links") or []):
            where = f"{place}.links[{at}]"
            yield from (f"{where}.{n} is missing" for n in ("label", "url") if not link.get(n))
            if link.get("type") not in ("absolute", "smart"):
                yield f"{where}.type is {link.get('type')!r}"
            if "appContext" in link and (not isinstance(link["appContext"], str) or link.get("type") != "smart"):
                yield f"{where}.appContext is no string, or not on a smart link"


@line("C12", Level.SHALL, "systemActions are not there unless agreed")
def system_actions(stage: Stage) -> Iterator[str]:
    """Nothing was agreed with this client."""
    yield from (f"{id} answers with systemActions" for id, answer in stage.answers() if isinstance(answer.json, dict) and answer.json.get("systemActions"))


@line("C13", Level.SHOULD, "Every card has a uuid")
def uuids(stage: Stage) -> Iterator[str]:
    """Feedback names it."""
    yield from (f"{place}.uuid is missing" for place, card in stage.cards() if not isinstance(card.get("uuid"), str))


def _some_card(stage: Stage) -> tuple[str, dict[str, Any]]:
    found = [(place.partition(".")[0], card) for place, card in stage.cards() if card.get("uuid")]
    found.sort(key=lambda pair: not pair[1].get("suggestions"))
    if not found:
        raise Skip("no card has a uuid")
    return found[0]


@line("B1", Level.SHALL, "Feedback is taken: card, outcome, outcomeTimestamp")
def feedback(stage: Stage) -> Iterator[str]:
    """Accepted and overridden."""
    service, card = _some_card(stage)
    for outcome in ("accepted", "overridden"):
        status = stage.ehr.feedback(service, [feedback_on(card, outcome, comment="tried by the conformance check")]).status
        if status != 200:
            yield f"{outcome}: answered with {status}"


@line("B2", Level.HOUSE, "accepted wants acceptedSuggestions; an outcome is one of two words")
def wrong_feedback(stage: Stage) -> Iterator[str]:
    """What says nothing is refused."""
    service, card = _some_card(stage)
    good = feedback_on(card, "overridden")
    wrong: list[dict[str, Any]] = [good | {"outcome": "accepted"}, good | {"outcome": "ignored"}, good | {"outcomeTimestamp": "yesterday"}]
    for item in wrong:
        status = stage.ehr.feedback(service, [item]).status
        if not 400 <= status < 500:
            yield f"{item['outcome']}, {item['outcomeTimestamp']}: answered with {status}"


@line("B3", Level.SHALL, "Batches, repeats, and cards that are unknown here are taken")
def batches(stage: Stage) -> Iterator[str]:
    """A repeat for the same card is no error."""
    service, card = _some_card(stage)
    items = [feedback_on(card, "overridden"), feedback_on(card, "overridden"), feedback_on({"uuid": str(uuid4())}, "overridden")]
    status = stage.ehr.feedback(service, items).status
    if status != 200:
        yield f"answered with {status}"
