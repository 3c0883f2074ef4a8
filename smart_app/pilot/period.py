"""The period of the figures: whole months. A period that could be moved by a day would tell, by subtraction, of the patients of that day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from smart_app.errors import DecisionRefused

_MONTHS = 3  # unless chosen
_LONGEST = 36


@dataclass(frozen=True, slots=True)
class Period:
    """From the first day of a month until before the first day of another; `change` divides it in before and after."""

    since: datetime
    until: datetime
    change: datetime | None = None

    @property
    def last(self) -> str:
        """The last month, such as "2026-10"."""
        return f"{_later(self.until, -1):%Y-%m}"


def read_period(values: Mapping[str, str], *, now: datetime) -> Period:
    """Return the period of `from` and `to` ("2026-10") and of `change` ("2026-10-15"); the last three months unless given. Raises DecisionRefused."""
    this = datetime(now.year, now.month, 1, tzinfo=UTC)
    last = _read(values.get("to"), "%Y-%m", "to", "a month such as 2026-10") or this
    first = _read(values.get("from"), "%Y-%m", "from", "a month such as 2026-10") or _later(last, 1 - _MONTHS)
    until = _later(last, 1)
    if not first < until or (until.year - first.year) * 12 + until.month - first.month > _LONGEST:
        raise _wrong("The period ends before it begins, or is too long.", f"Choose up to {_LONGEST} months.")
    change = _read(values.get("change"), "%Y-%m-%d", "change", "a day such as 2026-10-15")
    if change is not None and not first < change < until:
        raise _wrong("The date of the change lies outside of the period.", "Choose a day within the period.")
    return Period(first, until, change)


def _read(value: str | None, form: str, name: str, expected: str) -> datetime | None:
    if not value:
        return None
    try:
        return datetime.strptime(value, form).replace(tzinfo=UTC)
    except ValueError as error:
        raise _wrong(f"'{name}' isn't {expected}.", f"Give {expected}.") from error


def _later(month: datetime, months: int) -> datetime:
    count = month.year * 12 + month.month - 1 + months
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)


def _wrong(message: str, remedy: str) -> DecisionRefused:
    return DecisionRefused("smart.period", message, remedy)
