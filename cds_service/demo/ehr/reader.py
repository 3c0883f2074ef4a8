"""Reading the EHR's own card fragments: what a person would see of a hook call, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lxml import html


@dataclass(frozen=True, slots=True)
class SuggestionSeen:
    """One suggestion on the page."""

    uuid: str
    label: str


@dataclass(frozen=True, slots=True)
class CardSeen:
    """One card on the page, with where its forms and its link go."""

    uuid: str
    indicator: str
    summary: str
    detail: str
    suggestions: tuple[SuggestionSeen, ...]
    accept: str
    launch: str | None
    override: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HookSeen:
    """What one hook brought: cards, milliseconds of each service, and services that failed."""

    cards: tuple[CardSeen, ...]
    milliseconds: tuple[int, ...]
    failures: tuple[str, ...]


def read_hook(fragment: str) -> HookSeen:
    """Return what a fragment of cards shows."""
    page = html.fromstring(f"<div>{fragment}</div>")
    articles = page.xpath("//article")
    return HookSeen(
        cards=tuple(_card(a) for a in articles if a.get("aria-labelledby")),
        milliseconds=tuple(int(m) for m in re.findall(r"answered in <b>(\d+) ms", fragment)),
        failures=tuple(_words(a) for a in articles if not a.get("aria-labelledby")) + tuple(_words(p) for p in page.xpath("//p[@class='failed']")),
    )


def _card(article: Any) -> CardSeen:
    suggestions = article.xpath(".//ul[@class='suggestions']//form")
    override = article.xpath(".//form[@class='override']")
    return CardSeen(
        uuid=next(iter(article.xpath(".//input[@name='card']/@value")), ""),
        indicator=article.get("class").split()[-1],
        summary=_words(article.xpath(".//h3")[0]),
        detail="".join(_words(d) for d in article.xpath(".//div[@class='detail']")),
        suggestions=tuple(SuggestionSeen(f.xpath(".//input[@name='suggestion']/@value")[0], _words(f.xpath("./span")[0])) for f in suggestions),
        accept=suggestions[0].get("action") if suggestions else "",
        launch=next((str(h) for h in article.xpath(".//a/@href") if "/launch" in h), None),
        override=override[0].get("action") if override else "",
        reasons=tuple(str(value) for value in article.xpath(".//form[@class='override']//option/@value")),
    )


def _words(element: Any) -> str:
    return " ".join(element.text_content().split())
