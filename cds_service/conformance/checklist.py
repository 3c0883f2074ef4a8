"""Lines of the checklist. Each is a function that yields what it finds wrong; nothing found is a pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cds_service.conformance.stage import Stage


class Level(StrEnum):
    """How binding a line is: by the specification, or by the checklist's own rule where the specification is silent."""

    SHALL = "SHALL"
    SHOULD = "SHOULD"
    HOUSE = "house"


class Skip(Exception):
    """The line can't be tried here; the text says why."""


Check = Callable[["Stage"], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its id in the checklist, how binding it is, what it says, and what tries it."""

    id: str
    level: Level
    words: str
    check: Check


LINES: list[Line] = []


def line(id: str, level: Level, words: str) -> Callable[[Check], Check]:
    """Register a function as a line of the checklist."""

    def register(check: Check) -> Check:
        LINES.append(Line(id, level, words, check))
        return check

    return register


def empties(value: object, path: str = "$") -> Iterator[str]:
    """Yield the paths of null, "", [] and {} in a JSON value."""
    if value is None or value == "" or value == [] or value == {}:
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from empties(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from empties(inner, f"{path}[{index}]")
