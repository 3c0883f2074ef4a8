"""Belonging: which code's condition is part of, or a vaguer name of, another's. The pairs are data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from cds_service.review.codeset import CodeRange
from cds_service.review.sheet import Line
from cds_service.review.spans import Spans


class Belonging:
    """Pairs of code prefixes: the first belongs to any of the second."""

    def __init__(self, rows: Mapping[str, Sequence[CodeRange]]) -> None:
        self._rows = rows
        self._lengths = sorted({len(prefix) for prefix in rows})
        self._spans = lru_cache(maxsize=16384)(self._spans_of)

    @classmethod
    def of(cls, lines: Iterable[str]) -> Belonging:
        """Read lines "prefix<TAB>prefixes or spans, separated by blanks"; further columns are notes. Raises ValueError on a malformed line."""
        rows: dict[str, list[CodeRange]] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            cells = line.split("\t")
            if len(cells) < 2:
                raise ValueError(f"line {number}: two columns are expected")
            rows.setdefault(cells[0], []).extend(_range(part) for part in cells[1].split())
        return cls(rows)

    def __iter__(self) -> Iterator[tuple[str, CodeRange]]:
        return iter([(prefix, span) for prefix, spans in self._rows.items() for span in spans])

    def holders(self, code: str, others: Iterable[Line]) -> Iterator[Line]:
        """Yield those of `others` to whose codes `code` belongs."""
        spans = self._spans(code)
        if not spans:
            return iter(())
        return iter([line for line in others if _held(line.code, spans)])

    def _spans_of(self, code: str) -> tuple[tuple[str, Spans], ...]:
        prefixes = (code[:length] for length in self._lengths if length <= len(code))
        return tuple((p, Spans(self._rows[p])) for p in prefixes if p in self._rows)


def _held(code: str, spans: Sequence[tuple[str, Spans]]) -> bool:
    for prefix, holding in spans:  # noqa: SIM110 (a plain loop: asked for every symptom and every other code of a review)
        if code in holding and not code.startswith(prefix):
            return True
    return False


def _range(part: str) -> CodeRange:
    first, _, last = part.partition("-")
    return CodeRange(first, last or first)
