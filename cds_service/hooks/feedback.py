"""Feedback on cards as typed values (CDS Hooks 2.0.1, "Feedback"; B1 to B3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cds_service.errors import RequestError
from cds_service.store import Feedback

_MOST = 1000  # of one call
_COMMENT = 2000  # characters kept of a user's comment


def read_feedback(body: object) -> list[Feedback]:
    """Return the feedback of a call. Raises RequestError that names the wrong field; nothing of the call is then kept."""
    items = body.get("feedback") if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise RequestError("feedback is missing or not a list.", 'Send {"feedback": [...]}.', field="feedback")
    if len(items) > _MOST:
        raise RequestError(f"feedback has {len(items)} entries.", f"Send at most {_MOST} in one call.", field="feedback")
    return [_one(item, f"feedback[{index}]") for index, item in enumerate(items)]


def _one(item: object, where: str) -> Feedback:
    if not isinstance(item, dict):
        raise RequestError(f"{where} is not an object.", "Send an object with card, outcome and outcomeTimestamp.", field=where)
    card = _text(item, "card", where)
    outcome = _text(item, "outcome", where)
    if outcome not in ("accepted", "overridden"):
        raise RequestError(f"{where}.outcome is neither accepted nor overridden.", "Send one of the two.", field=f"{where}.outcome")
    when = _moment(_text(item, "outcomeTimestamp", where), f"{where}.outcomeTimestamp")
    if outcome == "accepted":
        return Feedback(card, outcome, when, _accepted(item, where))
    override = item.get("overrideReason") or {}
    if not isinstance(override, dict):
        raise RequestError(f"{where}.overrideReason is not an object.", "Send reason and/or userComment in it.", field=f"{where}.overrideReason")
    reason = override.get("reason") or {}
    if not isinstance(reason, dict):
        raise RequestError(f"{where}.overrideReason.reason is not a Coding.", "Send code and system.", field=f"{where}.overrideReason.reason")
    comment = override.get("userComment")
    return Feedback(
        card,
        outcome,
        when,
        reason_system=_short(reason.get("system"), 256),
        reason_code=_short(reason.get("code"), 64),
        comment=_short(comment, _COMMENT),
    )


def _accepted(item: Mapping[str, Any], where: str) -> tuple[str, ...]:
    accepted = item.get("acceptedSuggestions")
    if not isinstance(accepted, list) or not accepted:
        raise RequestError(f"{where}.acceptedSuggestions is missing.", "Name the accepted suggestions by their uuid.", field=f"{where}.acceptedSuggestions")
    return tuple(_text(a, "id", f"{where}.acceptedSuggestions[{i}]") for i, a in enumerate(accepted))


def _text(item: object, name: str, where: str) -> str:
    value = item.get(name) if isinstance(item, dict) else None
    if not isinstance(value, str) or not value or len(value) > 64:
        raise RequestError(f"{where}.{name} is missing or not a short string.", f"Send {name} as a string.", field=f"{where}.{name}")
    return value


def _moment(value: str, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RequestError(f"{where} is not an RFC 3339 time.", "Send e.g. 2026-03-01T09:30:00Z.", field=where)
    return moment


def _short(value: object, limit: int) -> str | None:
    return value[:limit] if isinstance(value, str) and value else None
