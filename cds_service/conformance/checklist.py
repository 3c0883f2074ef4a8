"""Lines of a checklist. Each is a function that yields what it finds wrong; nothing found is a pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cds_service.errors import MarginaliaError

if TYPE_CHECKING:
    from cds_service.conformance.stage import Stage

StageT = TypeVar("StageT")
_MOST = 5  # problems told of one line


class Level(StrEnum):
    """How binding a line is: by the specification, or by the checklist's own rule where the specification is silent."""

    SHALL = "SHALL"
    SHOULD = "SHOULD"
    HOUSE = "house"


class Verdict(StrEnum):
    """What came of a line. A SHOULD or a house rule that isn't kept is a warning."""

    PASS = "pass"  # noqa: S105 - a word
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class Skip(Exception):
    """The line can't be tried here; the text says why."""


@dataclass(frozen=True, slots=True)
class Line(Generic[StageT]):
    """One line: its id in the checklist, how binding it is, what it says, and what tries it."""

    id: str
    level: Level
    words: str
    check: Callable[[StageT], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Result:
    """One line and what came of it."""

    line: Line[Any]
    verdict: Verdict
    problems: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the result for machines."""
        told: dict[str, Any] = {"line": self.line.id, "level": self.line.level.value, "rule": self.line.words, "verdict": self.verdict.value}
        return told | ({"reason": self.problems[0]} if self.verdict is Verdict.SKIP else {"problems": list(self.problems)} if self.problems else {})


@dataclass(frozen=True, slots=True)
class Checklist(Generic[StageT]):
    """All lines of a specification; `order` is the order of the first letters of their ids."""

    order: str
    lines: list[Line[StageT]] = field(default_factory=list)

    def line(self, id: str, level: Level, words: str) -> Callable[[Callable[[StageT], Iterable[str]]], Callable[[StageT], Iterable[str]]]:
        """Register a function as a line of the checklist."""

        def register(check: Callable[[StageT], Iterable[str]]) -> Callable[[StageT], Iterable[str]]:
            self.lines.append(Line(id, level, words, check))
            return check

        return register

    def run(self, stage: StageT, only: Sequence[str] = ()) -> Iterable[Result]:
        """Yield the result of each line, in the order of the checklist; `only` are beginnings of ids ("J", "C2")."""
        for line in sorted(self.lines, key=lambda entry: (self.order.find(entry.id[0]), int("".join(c for c in entry.id if c.isdigit())), entry.id)):
            if not only or any(line.id.startswith(o) for o in only):
                yield _tried(line, stage)


def _tried(line: Line[StageT], stage: StageT) -> Result:
    try:
        problems = tuple(islice(line.check(stage), _MOST))
    except Skip as why:
        return Result(line, Verdict.SKIP, (str(why),))
    except MarginaliaError as error:
        problems = (f"{error.message} {error.remedy}",)
    except (AttributeError, TypeError, KeyError, ValueError) as error:  # an answer of a form that no line foresees
        problems = (f"the answer has a form that can't be read ({type(error).__name__})",)
    if not problems:
        return Result(line, Verdict.PASS)
    return Result(line, Verdict.FAIL if line.level is Level.SHALL else Verdict.WARN, problems)


def counted(results: Iterable[Result]) -> dict[str, int]:
    """Return how many lines passed, warned, failed and were skipped."""
    found = Counter(r.verdict.value for r in results)
    return {verdict.value: found[verdict.value] for verdict in Verdict}


CDS_HOOKS: Checklist[Stage] = Checklist("TDPRHJCBS")
LINES = CDS_HOOKS.lines
line = CDS_HOOKS.line


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
