"""The lexicon: known names of codes, found in text as multisets of stems.

The artefact holds hashes of names, not names: about 200,000 names of the tabular list, the alphabetic index, ontologies and
coded cases in a few megabytes. A window of up to `LONGEST` stems matches when the sum of its stems' hashes is in the table,
which is order-free and needs one prefix sum a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onnx_models.errors import ArtefactError
from onnx_models.normalise import NORMAL_FORM, Token, stem_hash

LONGEST = 8


class Source(IntFlag):
    """Where a name comes from."""

    TITLE = 1
    INCLUSION = 2
    INDEX = 4
    NEOPLASM = 8
    EXTERNAL = 16
    ONTOLOGY = 32
    PROPAGATED = 64
    ABBREVIATION = 128
    EVIDENCE = 256
    PHRASE = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """One code that a name may mean."""

    concept: int  # row of the concept table
    sources: Source
    share: float  # of the coded uses of this name in training cases, the part with this code; 0 if never coded
    coded_rate: float  # of the published cases that use this name, the part that was given this code; nan if never seen
    us_rate: float  # the same of coded US notes


@dataclass(frozen=True, slots=True)
class Match:
    """A known name at a place in the text."""

    begin: int
    end: int
    stems: int
    sentence: int  # index as the stream gives it
    frequency: float  # log10(1 + documents per 1,000 of the background that hold this name)
    entries: tuple[Entry, ...]


class Lexicon:
    """Look-up of names. Immutable; safe to share between threads."""

    def __init__(self, arrays: dict[str, npt.NDArray[np.generic]]) -> None:
        self._keys = arrays["keys"].astype(np.uint64)  # sorted hashes of names
        self._first = arrays["first"]  # row of the first entry of each name; one more at the end
        self._concept = arrays["concept"]
        self._sources = arrays["sources"]
        self._share = arrays["share"]
        self._coded_rate = arrays["coded_rate"]
        self._us_rate = arrays["us_rate"]
        self._frequency = arrays["frequency"]

    @classmethod
    def load(cls, path: Path) -> Lexicon:
        """Read the artefact. Raises ArtefactError if it was built for another normal form."""
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        if int(arrays["normal_form"][0]) != NORMAL_FORM:
            raise ArtefactError(f"{path.name} was built for normal form {int(arrays['normal_form'][0])}.", "Rebuild it with `marginalia train`.")
        return cls(arrays)

    def __len__(self) -> int:
        return len(self._keys)

    def entries(self, row: int) -> tuple[Entry, ...]:
        """Return the codes of the name in `row`."""
        return tuple(
            Entry(int(self._concept[i]), Source(int(self._sources[i])), float(self._share[i]), float(self._coded_rate[i]), float(self._us_rate[i]))
            for i in range(int(self._first[row]), int(self._first[row + 1]))
        )

    def find(self, stream: Sequence[tuple[Token, int]]) -> list[Match]:
        """Return every name in a stream of (token, index of its sentence); a name never crosses a sentence."""
        if not stream:
            return []
        hashes = np.array([stem_hash(t.stem) for t, _ in stream], np.uint64)
        where = np.array([s for _, s in stream], np.int64)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(hashes, dtype=np.uint64)])
        found: list[Match] = []
        for width in range(1, min(LONGEST, len(stream)) + 1):
            window = sums[width:] - sums[:-width]
            rows = np.searchsorted(self._keys, window)
            rows[rows == len(self._keys)] = 0
            hits = np.flatnonzero((self._keys[rows] == window) & (where[width - 1 :] == where[: len(window)]))
            for at in map(int, hits):
                row, first, last = int(rows[at]), stream[at][0], stream[at + width - 1][0]
                found.append(Match(first.begin, last.end, width, int(where[at]), float(self._frequency[row]), self.entries(row)))
        return found
