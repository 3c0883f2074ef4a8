"""Which phrases of a note may name something to code.

Most phrases of a long note name nothing: a logistic model over their words and their section tells, so that the encoder isn't
asked about them, and the ranker knows what a coder would have stopped at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

TELLING_BUCKETS = 1 << 15


def telling_features(stems: Sequence[str], section: str) -> Iterator[str]:
    """Yield the features of a phrase: its stems, their pairs, and the kind of its section."""
    yield from stems
    yield from (f"{a} {b}" for a, b in pairwise(stems))
    yield f"# {section}"
