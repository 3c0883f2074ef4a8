"""The measurements of the running service and of the engine. Each is bounded in count and in time, and stops by itself."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

from cds_service.bench.calls import Answered, Caller, TurnedAway, hook_call
from cds_service.bench.notes import SyntheticNotes
from cds_service.bench.server import Server
from onnx_models import NoteCoder

SIZES = (300, 1500, 5000)  # words of a note
BUSY_WORDS = 300  # words of the notes that measure requests per second
_LONGEST_S = 60.0  # of one row of calls one after the other
_BUSY_S = 10.0  # of one row of calls at the same time
_PER_CLIENT = 10  # calls of each client for each round, at most


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one kind, one after the other, each to a service at rest; or of several clients at the same time."""

    words: int
    state: str  # "cold": text never seen; "warm": the same encounter again
    clients: int
    seconds: float
    answers: tuple[Answered, ...]
    processor_ms: float  # processor time of the server for one call: unlike the clock, it hardly depends on what else the machine does
    turned_away: int = 0  # calls that the busy service refused politely

    def percentile_ms(self, share: float) -> float:
        """Return the time within which this share of the calls was answered (nearest rank)."""
        return percentile([a.ms for a in self.answers], share)

    @property
    def in_full(self) -> int:
        """Calls whose note was read to its end."""
        return sum(a.in_full for a in self.answers)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.answers) / self.seconds


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of the values don't exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class Bodies:
    """Bodies of hook calls, each with a text that was never sent before."""

    def __init__(self, notes: SyntheticNotes) -> None:
        self._notes = notes
        self._numbers = count(1)

    def fresh(self, words: int) -> bytes:
        """Return the next body."""
        number = next(self._numbers)
        return hook_call(self._notes.note(number, words), number)


def one_by_one(server: Server, bodies: Bodies, words: int, rounds: int) -> tuple[Calls, Calls]:
    """Return `rounds` cold calls, and the same encounters again warm."""
    sent = [bodies.fresh(words) for _ in range(rounds)]
    cold = _in_a_row(server, sent, words, "cold")
    return cold, _in_a_row(server, sent[: len(cold.answers)], words, "warm")


def _in_a_row(server: Server, sent: Sequence[bytes], words: int, state: str) -> Calls:
    answers: list[Answered] = []
    began = time.monotonic()
    used = 0.0
    with Caller(server.url) as caller:
        for body in sent:
            server.rest()
            before = server.busy_s()
            answers.append(caller.call(body))
            used += server.busy_s() - before
            if time.monotonic() - began > _LONGEST_S:
                break
    return Calls(words, state, 1, sum(a.ms for a in answers) / 1000, tuple(answers), used / len(answers) * 1000)


def at_the_same_time(server: Server, bodies: Bodies, clients: int, rounds: int) -> Calls:
    """Return cold calls of `clients` clients, each sending its next call when the last is answered."""
    each = max(1, min(_PER_CLIENT, rounds))
    rows = [[bodies.fresh(BUSY_WORDS) for _ in range(each)] for _ in range(clients)]
    server.rest()
    before, began = server.busy_s(), time.monotonic()

    def client(row: Sequence[bytes]) -> list[Answered | TurnedAway]:
        return list(_until(began + _BUSY_S, server.url, row))

    with ThreadPoolExecutor(clients, thread_name_prefix="bench-client") as pool:
        got = [answer for row in pool.map(client, rows) for answer in row]
    seconds, used = time.monotonic() - began, server.busy_s() - before
    answers = tuple(a for a in got if isinstance(a, Answered))
    return Calls(BUSY_WORDS, "cold", clients, seconds, answers, used / len(answers) * 1000, len(got) - len(answers))


def _until(end: float, url: str, row: Sequence[bytes]) -> Iterator[Answered | TurnedAway]:
    """Yield what becomes of a row of calls, at least one, until `end` (monotonic seconds); who is turned away waits as asked."""
    with Caller(url) as caller:
        for body in row:
            answer = caller.offer(body)
            yield answer
            if isinstance(answer, TurnedAway):
                time.sleep(max(0.0, min(answer.retry_after_s, end - time.monotonic())))
            if time.monotonic() > end:
                return


@dataclass(frozen=True, slots=True)
class Stages:
    """Readings by the engine alone, without a deadline."""

    words: int
    ms: tuple[tuple[str, float], ...]  # stage, median of the clock, in the order of the stages
    processor_ms: float  # mean processor time of one reading, all threads


def stages(coder: NoteCoder, notes: SyntheticNotes, words: int, rounds: int) -> Stages:
    """Return the stage times of the engine on notes it never saw."""
    seen: dict[str, list[float]] = {}
    texts = [notes.note(-number, words) for number in range(1, rounds + 1)]
    end, read, before = time.monotonic() + _LONGEST_S, 0, time.process_time()
    for text in texts:
        for name, ms in coder.read(text).timing_ms:
            seen.setdefault(name, []).append(ms)
        read += 1
        if time.monotonic() > end:
            break
    used = time.process_time() - before
    return Stages(words, tuple((name, percentile(values, 0.5)) for name, values in seen.items()), used / read * 1000)
