"""Running the lines, and telling what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

import cds_service.conformance.authentication
import cds_service.conformance.cards
import cds_service.conformance.errors
import cds_service.conformance.hook_requests
import cds_service.conformance.prefetch
import cds_service.conformance.transport  # noqa: F401 - importing these modules registers their lines
from cds_service.conformance.checklist import LINES, Level, Line, Skip
from cds_service.conformance.stage import Stage
from cds_service.errors import MarginaliaError

_MOST = 5  # problems told of one line
_ORDER = "TDPRHJCBS"


class Verdict(StrEnum):
    """What came of a line. A SHOULD or a house rule that isn't kept is a warning."""

    PASS = "pass"  # noqa: S105 - a word
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Result:
    """One line and what came of it."""

    line: Line
    verdict: Verdict
    problems: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the result for machines."""
        told: dict[str, Any] = {"line": self.line.id, "level": self.line.level.value, "rule": self.line.words, "verdict": self.verdict.value}
        return told | ({"reason": self.problems[0]} if self.verdict is Verdict.SKIP else {"problems": list(self.problems)} if self.problems else {})


def run(stage: Stage, only: Sequence[str] = ()) -> Iterable[Result]:
    """Yield the result of each line, in the order of the checklist; `only` are beginnings of ids ("J", "C2")."""
    for line in sorted(LINES, key=lambda entry: (_ORDER.find(entry.id[0]), int("".join(c for c in entry.id if c.isdigit())), entry.id)):
        if not only or any(line.id.startswith(o) for o in only):
            yield _tried(line, stage)


def _tried(line: Line, stage: Stage) -> Result:
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
