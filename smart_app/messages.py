"""Queries and answers as messages for the EHR: composed when they are sent, because nothing here keeps the words of a note."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from cds_service.hooks.words import section_words
from fhir_mappers.record import EncounterRecord
from smart_app.charts import Document, fetch, restore
from smart_app.errors import SmartError
from smart_app.outbox import Item
from smart_app.queries import QueryStep
from smart_app.services import Services
from smart_app.session import ChartSession
from smart_app.settings import Issuer
from smart_app.writeback import Messages, answer_response, query_message


def messages_of(services: Services, session: ChartSession, issuer: Issuer, document: Document) -> Messages:
    """Return what composes the message of an outbox item from the review that asks, with the words of the chart as it is now."""

    @cache
    def record() -> EncounterRecord | None:
        try:
            return fetch(session, issuer, services.to_chart(issuer), timeout_s=services.settings.timeout_s)[0]
        except SmartError:
            return None  # then the places are named without their words

    def compose(item: Item) -> Mapping[str, Any] | None:
        told = item.body
        steps = {step.id: step for step in services.queries.history(item.place)}
        review = document if told["review"] == document["id"] else services.reviewer.store.get(issuer.tenant, str(told["review"]))
        query = next((q for q in review.get("queries", ()) if q["id"] == told["query"]), None)
        step = steps.get(int(told["step"]))
        if query is None or step is None:
            return None
        if told["kind"] == "QuestionnaireResponse" and step.answer is not None:
            return answer_response(item.place, item, question=str(query["question"]), answer=step.answer, words=step.words)
        about = tuple(dict.fromkeys(str(e["source"]) for e in query["indicators"]))
        answered = step.answer is not None or step.words is not None
        chart = None if answered else record()
        text = answer_text(query, step) if answered else query_text(restore({"queries": [query]}, chart)[0]["queries"][0] if chart else query)
        return query_message(str(told["kind"]), item.place, item, title=str(query["title"]), text=text, about=about)

    return compose


def query_text(query: Mapping[str, Any]) -> str:
    """Return a query in plain words: indicators by place, the question, all options alike (AHIMA/ACDIS 2022)."""
    indicators = [f"- {_indicator(e)}" for e in query["indicators"]]
    options = [f"[ ] {option}" for option in query["options"]]
    return "\n".join([str(query["title"]), "", "Clinical indicators:", *dict.fromkeys(indicators), "", str(query["question"]), "", *options])


def _indicator(evidence: Mapping[str, Any]) -> str:
    words = " ".join(str(evidence.get("text") or "").split())
    when = str(evidence.get("when") or "")[:10]
    place = ", ".join(part for part in (str(evidence["source"]), section_words(evidence.get("section") or "").replace("-", " "), when) if part)
    return f'"{words}" ({place})' if words else place


def answer_text(query: Mapping[str, Any], step: QueryStep) -> str:
    """Return the answer to a query in plain words."""
    lines = [f"Answer to: {query['title']}", str(query["question"]), "", *([step.answer] if step.answer else []), *([step.words] if step.words else [])]
    return "\n".join(lines)
