"""Concepts and dense retrieval: which codes lie nearest to a phrase in the encoder's space.

A concept is a code, or the group of codes that differ only in side ("Pain in right hip", "... left hip", "... unspecified
hip"): the words decide the concept, the attributes decide the side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onnx_models.runtime import Vectors

_BLOCK = 128  # names a block of the search
_LEADING, _SHORTLIST = 64, 10  # axes of the first search, and vectors that it passes on for each concept wanted
SHARPNESS = 20.0  # of the softmax over concepts that the encoder is trained with
SIDES = ("none", "right", "left", "bilateral")


@dataclass(frozen=True, slots=True)
class Concept:
    """Codes that differ only in side; `codes[0]` is the one that names no side."""

    codes: tuple[str, str, str, str]  # by SIDES; "" where the classification has none
    prior: float  # log(1 + uses in the training cases)
    us_prior: float  # log(1 + uses in charts coded by US professional coders)
    taught: bool = False  # the encoder learned it from what clinicians write, not from its names alone

    def code(self, side: str | None) -> str:
        """Return the code for a side, or the code that names none."""
        return (self.codes[SIDES.index(side)] if side else "") or self.codes[0]

    @property
    def sided(self) -> bool:
        """True where the classification asks for the side."""
        return any(self.codes[1:])


class Concepts:
    """The table of concepts, by row."""

    def __init__(self, rows: tuple[Concept, ...]) -> None:
        self._rows = rows
        self._of: dict[str, int] = {}
        for row, concept in enumerate(rows):
            for code in filter(None, concept.codes):
                self._of.setdefault(code, row)

    @classmethod
    def load(cls, path: Path) -> Concepts:
        """Read the artefact: one line a concept, codes by side, the two priors and 1 where phrases taught it, tab-separated."""
        rows = []
        for line in path.read_text(encoding="ascii").splitlines():
            none, right, left, both, prior, us_prior, taught = line.split("\t")
            rows.append(Concept((none, right, left, both), float(prior), float(us_prior), taught == "1"))
        return cls(tuple(rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Concept:
        return self._rows[row]

    def row(self, code: str) -> int | None:
        """Return the row of the concept that holds `code`, or None."""
        return self._of.get(code)


class VectorIndex:
    """Search over the learned vectors of all concepts, in a lower-dimensional projection of the encoder's space.

    Concepts that phrases taught and those that only their names taught stand on two shelves: a phrase lies nearer to the former whatever it means, since
    only they drew phrases to themselves.
    """

    def __init__(self, arrays: dict[str, npt.NDArray[np.generic]], taught: Callable[[int], bool]) -> None:
        # int8 at rest, float32 in memory: the CPU multiplies floats faster without VNNI.
        self._projection = arrays["projection"].astype(np.float32)  # (d, k)
        rows = arrays["rows"].astype(np.float32)  # (n, k)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        concept = arrays["concept"].astype(np.int32)  # (n,)
        side = np.array([taught(int(row)) for row in concept], bool)
        self._shelves = {kind: Shelf(rows[side == kind], concept[side == kind]) for kind in (True, False)}

    @classmethod
    def load(cls, path: Path, concepts: Concepts) -> VectorIndex:
        """Read the artefact."""
        with np.load(path) as file:
            return cls({name: file[name] for name in file.files}, lambda row: concepts[row].taught)

    def __len__(self) -> int:
        return sum(map(len, self._shelves.values()))

    def project(self, vectors: Vectors) -> Vectors:
        """Return unit vectors in the space of the index: (n, d) -> (n, k)."""
        low = vectors @ self._projection
        return np.asarray(low / np.linalg.norm(low, axis=1, keepdims=True), np.float32)

    def nearest(self, queries: Vectors, k: int, *, taught: bool) -> list[list[tuple[int, float]]]:
        """Return for each projected query the `k` nearest concepts of one shelf as (row of the concept, cosine), best first."""
        return self._shelves[taught].nearest(queries, k)


class Shelf:
    """Vectors of concepts that are searched together."""

    def __init__(self, rows: Vectors, concept: npt.NDArray[np.int32]) -> None:
        # Filled up with rows that are like nothing, so that the search can work in blocks.
        self._rows = np.concatenate([rows, np.zeros((-len(rows) % _BLOCK, rows.shape[1]), np.float32)])
        self._leading = np.ascontiguousarray(self._rows[:, :_LEADING])
        self._concept = concept

    def __len__(self) -> int:
        return len(self._concept)

    def nearest(self, queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
        """Return for each query its `k` nearest concepts as (row of the concept, cosine), best first.

        The leading axes hold most of what tells concepts apart: they choose `_SHORTLIST` vectors a concept wanted, all axes put those in order.
        """
        if not len(self):
            return [[] for _ in queries]
        result: list[list[tuple[int, float]]] = []
        blocks, wanted = len(self._rows) // _BLOCK, min(len(self), _SHORTLIST * k)
        wide = min(blocks, wanted)
        for at in range(0, len(queries), 64):  # bounds the score matrix at 64 x n floats
            part = queries[at : at + 64]
            scores = (part[:, :_LEADING] @ self._leading.T).reshape(-1, blocks, _BLOCK)
            # The best `wide` vectors stand in the `wide` blocks with the best maxima: far cheaper than sorting all.
            chosen = np.argpartition(-scores.max(axis=2), wide - 1, axis=1)[:, :wide]
            for row, which in enumerate(chosen):
                columns = (which[:, None] * _BLOCK + np.arange(_BLOCK)).ravel()
                values = scores[row, which].ravel()
                short = columns[np.argpartition(-values, wanted - 1)[:wanted]]
                exact = self._rows[short] @ part[row]
                best: dict[int, float] = {}
                for i in np.argsort(-exact):
                    if short[i] < len(self._concept):
                        best.setdefault(int(self._concept[short[i]]), float(exact[i]))
                    if len(best) == k:
                        break
                result.append(list(best.items()))
        return result
