"""What was read lately: an EHR fires several hooks on one chart within minutes, and the notes are the same.

Kept in memory only, for a quarter of an hour, in bounded number and size, and for each tenant apart; found by a hash of the
note's text, so that a changed note is read anew. Of the notes themselves no more is kept than a reading quotes.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from copy import copy
from typing import Generic, TypeVar

from onnx_models import NoteReading

T = TypeVar("T")
_MENTIONS = 20_000  # of all remembered readings together: some tens of megabytes

Sections = Sequence[tuple[str, int, int]]


class Recent(Generic[T]):
    """Values for `seconds` (0: none is kept), at most `most` of them, and together no heavier than `heaviest`. Safe to share between threads."""

    def __init__(
        self,
        *,
        most: int,
        seconds: float,
        weigh: Callable[[T], int] = lambda _: 1,
        heaviest: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._weigh = weigh
        self._heaviest = heaviest
        self._weight = 0
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> T | None:
        """Return the value of a key, or None if none was kept lately."""
        with self._lock:
            self._forget_old()
            found = self._kept.get(key)
            return found[1] if found else None

    def put(self, key: bytes, value: T) -> None:
        """Keep a value."""
        if self._seconds <= 0:
            return
        weight = self._weigh(value)
        with self._lock:
            if (before := self._kept.pop(key, None)) is not None:
                self._weight -= before[2]
            self._kept[key] = (self._clock(), value, weight)
            self._weight += weight
            self._forget_old()
            while len(self._kept) > self._most or (self._heaviest is not None and self._weight > self._heaviest):
                self._forget_oldest()

    def count(self) -> int:
        """Return how many values are kept."""
        return len(self._kept)

    def _forget_old(self) -> None:
        oldest = self._clock() - self._seconds
        while self._kept and next(iter(self._kept.values()))[0] < oldest:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        self._weight -= self._kept.popitem(last=False)[1][2]


class RecentReadings:
    """Complete readings of notes, each for `seconds` (0: none is kept), at most `most` of them. Safe to share between threads."""

    def __init__(self, *, most: int = 256, seconds: float = 900, clock: Callable[[], float] = time.monotonic) -> None:
        self._recent: Recent[NoteReading] = Recent(most=most, seconds=seconds, weigh=lambda r: len(r.mentions), heaviest=_MENTIONS, clock=clock)
        self._tenant = ""

    def of(self, tenant: str) -> RecentReadings:
        """Return the readings of one tenant, which sees no other's: not even how long an answer takes tells what another has sent."""
        view = copy(self)
        view._tenant = tenant
        return view

    def recall(self, text: str, sections: Sections) -> NoteReading | None:
        """Return the reading of this note, or None if it wasn't read lately."""
        return self._recent.get(_key(self._tenant, text, sections))

    def keep(self, text: str, sections: Sections, reading: NoteReading) -> None:
        """Keep a reading, unless parts of the note were left out: those may fit the time of the next call."""
        if not reading.unread:
            self._recent.put(_key(self._tenant, text, sections), reading)

    def count(self) -> int:
        """Return how many readings are kept."""
        return self._recent.count()


def _key(tenant: str, text: str, sections: Sections) -> bytes:
    return hashlib.sha256(repr((tenant, text, tuple(sections))).encode()).digest()
