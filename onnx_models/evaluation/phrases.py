"""The phrase bank: what clinicians write for a code, hand-made. Format and rules: docs/phrase-guide.md.

`python -m onnx_models.evaluation.phrases check [PATH ...]` validates; `count` counts by kind and split.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from onnx_models.training.terms import TabularList

FOLDER = Path(__file__).parent / "gold" / "phrases"
KINDS = {"p": "plain", "a": "abbreviated", "d": "dictated", "l": "lay", "m": "misspelt", "i": "implicit", "x": "attribute"}
_LEAST = 8  # phrasings a code
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class Phrase:
    """One phrasing. `code` is None for a trap, whose `wrong` code must not be given."""

    text: str
    code: str | None
    alternatives: tuple[str, ...]
    kind: str
    wrong: str | None = None

    @property
    def split(self) -> str:
        """Return the frozen split: "unseen" and "unseen_dev" (by code), "test", "dev" or "train" (by phrase)."""
        owner = self.code or self.wrong or ""
        if _bucket(owner[:5], 5) == 0 and self.code:
            return "unseen" if _bucket(owner[:5], 10) == 0 else "unseen_dev"
        part = _bucket(f"{owner}:{self.text}", 10)
        return "test" if part == 0 else "dev" if part == 1 else "train"


def _bucket(text: str, n: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % n


def _lines(paths: Sequence[Path]) -> Iterator[tuple[Path, int, str]]:
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                yield path, number, line


def _parse(line: str) -> Iterator[Phrase]:
    head, *cells = (cell.strip() for cell in line.split(" | "))
    if head.startswith("!"):
        yield from (Phrase(cell, None, (), "trap", head[1:].strip()) for cell in cells)
        return
    for cell in cells:
        match = re.fullmatch(r"(?:([a-z]):)?\s*(.+?)(?:\s+=([A-Z0-9.,]+))?", cell)
        if match:
            yield Phrase(match[2], head, tuple(c for c in (match[3] or "").split(",") if c), match[1] or "p")


def read(paths: Sequence[Path] = ()) -> list[Phrase]:
    """Return all phrases of the bank, or of `paths`."""
    return [p for _, _, line in _lines(paths or sorted(FOLDER.glob("*.txt"))) for p in _parse(line)]


def errors(paths: Sequence[Path], tabular: TabularList) -> Iterator[str]:
    """Yield one sentence for each broken rule: file, line, what is wrong."""
    owners: dict[str, str] = {}
    for path, number, line in _lines(paths):
        where = f"{path.name}:{number}"
        phrases = list(_parse(line))
        code = line.split(" | ")[0].lstrip("! ").strip()
        if code not in tabular.billable:
            yield f"{where}: {code} is not a billable ICD-10-CM code of FY2026"
        if not line.startswith("!") and len({p.text.lower() for p in phrases}) < _LEAST:
            yield f"{where}: {code} has {len(phrases)} phrasings; {_LEAST} are needed"
        for p in phrases:
            if not p.text.isascii():
                yield f"{where}: not ASCII: {p.text}"
            if len(p.text) > _LONGEST:
                yield f"{where}: longer than {_LONGEST}: {p.text}"
            if p.code is None:
                continue
            if p.kind not in KINDS:
                yield f"{where}: unknown kind {p.kind}: {p.text}"
            for other in p.alternatives:
                if other not in tabular.billable:
                    yield f"{where}: alternative {other} is not a billable code: {p.text}"
            key = p.text.lower()
            owner = owners.setdefault(key, p.code)
            if owner != p.code:
                yield f"{where}: also stands under {owner}: {p.text}"
            if key == tabular.title.get(p.code, "").lower():
                yield f"{where}: the official title, word for word: {p.text}"


def main(arguments: Sequence[str]) -> int:
    """Run `check` or `count`; return the exit code."""
    command, *rest = arguments or ["count"]
    paths = [Path(p) for p in rest] or sorted(FOLDER.glob("*.txt"))
    if command == "check":
        found = list(errors(paths, TabularList()))
        print("\n".join(found) or f"{len(read(paths))} phrases, no error")
        return 1 if found else 0
    phrases = read(paths)
    print(f"{len(phrases)} phrases of {len({p.code for p in phrases if p.code})} codes")
    print("kinds", dict(Counter(p.kind for p in phrases)), "splits", dict(Counter(p.split for p in phrases)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
