"""Belonging: which code's condition is part of, or a vaguer name of, another's. The pairs are data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from cds_service.review.codeset import CodeRange


class Belonging:
    """Pairs of code prefixes: the first belongs to any of the second."""

    def __init__(self, rows: Mapping[str, Sequence[CodeRange]]) -> None:
        self._rows = rows
        self._lengths = sorted({len(prefix) for prefix in rows})
        self.belongs = lru_cache(maxsize=65536)(self._belongs)

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

    def _belongs(self, code: str, other: str) -> bool:
        """Tell whether `code` belongs to `other`."""
        prefixes = (code[:length] for length in self._lengths if length <= len(code))
        return any(p in self._rows and not other.startswith(p) and any(other in span for span in self._rows[p]) for p in prefixes)


def _range(part: str) -> CodeRange:
    first, _, last = part.partition("-")
    return CodeRange(first, last or first)
