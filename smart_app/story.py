"""One line of time for an encounter: decisions in the app, cards accepted or dismissed in the EHR, queries, the chart's entries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from smart_app.cards import CardTold, cards_told
from smart_app.decisions import REASONS, Action, Decision
from smart_app.grounds import Ground
from smart_app.history import Place
from smart_app.outbox import Act, Item, State
from smart_app.queries import QueryStep, Step
from smart_app.services import Services

_WRITTEN = {
    Act.CREATE: "Written to the chart",
    Act.RETRACT: "Taken back in the chart",
    Act.PROVENANCE: "Provenance written",
    Act.MESSAGE: "Message written",
    Act.CLAIM: "Claim draft written",
    Act.WITHDRAW: "Claim draft taken back",
    Act.CHARGE: "Charge drafted",
    Act.UNCHARGE: "Charge draft taken back",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    at: datetime
    who: str
    role: str
    subject: str  # code or query
    what: str
    ground: str = ""  # model, rules and release that it stands on
    resource: str = ""  # of the chart


def read_story(services: Services, place: Place) -> tuple[Line, ...]:
    """Return what happened on an encounter, oldest first."""
    grounds = services.grounds.of(place)
    decisions = services.decisions.history(place)
    lines = [_decided(d, grounds.get(d.id)) for d in decisions]
    lines += [_carded(card) for card in cards_told(services.engine, place)]
    lines += [_asked(step) for step in services.queries.history(place)]
    lines += [_sent(item) for item in services.outbox.items(place) if item.settled or item.state in (State.REFUSED, State.CONFLICT)]
    lines += [
        Line(a.at, a.who, a.role, a.codes[0] if a.codes else "", f"Order: {', '.join(a.codes)}{_indicators(a.poa)}")
        for a in services.arrangements.history(place)
        if a.at
    ]
    return tuple(sorted(lines, key=lambda line: line.at))


def _decided(d: Decision, ground: Ground | None) -> Line:
    reason = f": {REASONS[d.reason]}" if d.reason and d.reason in REASONS else ""
    words = {
        Action.ACCEPT: "Accepted",
        Action.CHANGE: f"Changed to {d.after}{reason}",
        Action.REJECT: f"Rejected{reason}",
        Action.ADD: "Added by hand",
        Action.UNDO: "Took the last decision back",
    }
    stands = ""
    if ground:
        sure = f"{ground.confidence:.0%}, ".replace("%", " %") if ground.confidence is not None else ""
        rules = ", ".join(ground.rules) or "no suggestion"
        stands = f"{sure}{rules}; Marginalia {ground.release}, model {ground.model_sha256[:12]}"
        if ground.basis:
            stands += f"; after the answer to {ground.basis.removeprefix('query:')}"
    return Line(d.at, d.who, d.role, d.code, words[d.action], stands)


def _carded(card: CardTold) -> Line:
    words = "Accepted from the card" if card.outcome == "accepted" else f"Card dismissed{f': {card.reason}' if card.reason else ''}"
    return Line(card.at, "in the EHR", "", card.code or card.topic, words, f"card of review {card.review_id[:8]}")


def _asked(step: QueryStep) -> Line:
    words = {
        Step.SEND: f"Query sent{f' to {step.recipient}' if step.recipient else ''}",
        Step.ANSWER: f"Query answered: {step.answer or step.words or ''}",
        Step.CLOSE: "Query closed",
        Step.REOPEN: "Query opened again",
    }
    return Line(step.at, step.who, step.role, step.query, words[step.step])


def _sent(item: Item) -> Line:
    words = _WRITTEN[item.act] if item.state is State.SENT else f"Not written. {item.problem or ''}"
    return Line(item.settled or item.at, item.name or item.user, "", item.subject, words, resource=item.location or "")


def _indicators(poa: object) -> str:
    told = ", ".join(f"{code} {value}" for code, value in poa.items()) if isinstance(poa, dict) else ""
    return f"; present on admission: {told}" if told else ""
