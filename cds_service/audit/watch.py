"""Events that follow from rows: whoever inserts the row, the event is appended in the same transaction, so neither is kept without the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection
from sqlalchemy import event as events

from cds_service.audit.chain import append
from cds_service.audit.event import Event
from cds_service.logs import correlation


def audited(row: type[Any], describe: Callable[[Any], Event]) -> None:
    """Have each inserted row of a mapped class audited as `describe` says."""

    def after_insert(_mapper: object, connection: Connection, target: Any) -> None:
        tell(connection, describe(target))

    events.listen(row, "after_insert", after_insert)


def tell(connection: Connection, event: Event) -> None:
    """Append an event in the caller's transaction, for those who have the database alone; the next checkpoint covers it."""
    append(connection, with_request(event))


def with_request(told: Event) -> Event:
    """Return the event with the name of the request that is being answered, where one is."""
    named = correlation.get()
    return replace(told, details={**told.details, "request": named}) if named else told
