"""The coded notes: where their text comes from, their frozen splits, and the built gold files.

Text of `aci_bench` and `mtsamples` stays in the data folder; the repository holds codes, offsets and hashes. `own` notes are
written for this project and are committed whole.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOLD = Path(__file__).parent / "gold"
SOURCES = ("aci_bench", "mtsamples", "own")
_SHARE = 0.126  # of each source's notes, for test and again for dev: 60 and 60 in all
_LEAST_WORDS, _MOST_WORDS = 80, 1200  # of dictated reports
_DRAWN = {"aci_bench": 240, "mtsamples": 240, "own": 70}  # notes that test and dev are drawn from at most; what was added behind them is train
_OWN = 110
_SHINGLE = 5
_TWINS = 0.4  # Jaccard of word shingles above which two reports are one


@dataclass(frozen=True, slots=True)
class GoldCode:
    """A code of a note with the offsets of the words that support it."""

    code: str
    status: str  # "required" | "acceptable"
    principal: bool
    may_be_first: bool
    alternatives: tuple[str, ...]
    evidence: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class GoldNote:
    """A coded note; `text` is "" where the data folder isn't at hand."""

    source: str
    id: str
    setting: str
    text: str
    sha256: str
    codes: tuple[GoldCode, ...]
    not_coded: tuple[tuple[str, str, tuple[tuple[int, int], ...]], ...]  # code, reason, offsets
    gaps: tuple[tuple[str, str], ...]  # family, about


def sha256(text: str) -> str:
    """Return the hexadecimal SHA-256 of the UTF-8 text."""
    return hashlib.sha256(text.encode()).hexdigest()


def source_texts(source: str, data: Path) -> dict[str, str]:
    """Return the texts of a source by id, as the data folder has them. Raises FileNotFoundError."""
    if source == "own":
        return {p.stem: p.read_text(encoding="utf-8") for p in sorted((GOLD / "own").glob("*.text"))}
    if source == "mtsamples":
        with gzip.open(data / "notes/mtsamples/mtsamples_500.jsonl.gz", "rt", encoding="utf-8") as handle:
            return {e["id"]: e["text"] for e in map(json.loads, handle)}
    csv.field_size_limit(10**7)
    texts: dict[str, str] = {}
    for path in sorted((data / "notes/aci_bench").glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as handle:
            texts |= {row["encounter_id"]: row["note"] for row in csv.DictReader(handle)}
    return texts


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9]+", text.lower())
    return frozenset(tuple(words[i : i + _SHINGLE]) for i in range(len(words) - _SHINGLE + 1))


def twins(texts: dict[str, str]) -> set[str]:
    """Return the ids whose text is nearly that of an id before them."""
    seen: list[frozenset[tuple[str, ...]]] = []
    found = set()
    for identifier in sorted(texts):
        own = _shingles(texts[identifier])
        if any(len(own & other) > _TWINS * len(own | other) for other in seen):
            found.add(identifier)
        else:
            seen.append(own)
    return found


def eligible(source: str, data: Path) -> list[str]:
    """Return the ids of a source that are to be coded, in the order of their hash."""
    if source == "own":
        ids = [f"own{i:03d}" for i in range(1, _OWN + 1)]
    else:
        texts = source_texts(source, data)
        if source == "mtsamples":
            texts = {k: v for k, v in texts.items() if _LEAST_WORDS <= len(v.split()) <= _MOST_WORDS}
            out = twins(texts)
            texts = {k: v for k, v in texts.items() if k not in out}
        ids = list(texts)
    return in_order(source, ids)


def in_order(source: str, ids: Iterable[str]) -> list[str]:
    """Return the ids in the order of their hash; own notes written later stand behind the first 70, in their own hash order."""
    last_drawn = f"own{_DRAWN['own']:03d}"
    return sorted(ids, key=lambda i: (source == "own" and i > last_drawn, hashlib.sha256(f"{source}:{i}".encode()).hexdigest()))


def split_rule(source: str, ids: list[str]) -> dict[str, str]:
    """Return the split of each id, given in the order of `in_order`: the first are test, the next dev, the rest train.

    A source may grow behind its drawn notes (240, own 70) without moving any of them: the shares are of those alone.
    """
    size = round(_SHARE * min(len(ids), _DRAWN[source]))
    return {identifier: "test" if at < size else "dev" if at < 2 * size else "train" for at, identifier in enumerate(ids)}


def splits() -> dict[str, dict[str, str]]:
    """Return the frozen splits: source -> id -> "train" | "dev" | "test"."""
    return dict(json.loads((GOLD / "splits.json").read_text(encoding="utf-8")))


def gold_notes(data: Path | None, split: str | None = None) -> Iterator[GoldNote]:
    """Yield the built gold notes, of one split if given. Without a data folder only `own` notes have text."""
    which = splits()
    for source in SOURCES:
        path = GOLD / f"{source}.jsonl"
        if not path.exists():
            continue
        texts = source_texts(source, data or Path()) if data is not None or source == "own" else {}
        for line in path.read_text(encoding="utf-8").splitlines():
            raw = json.loads(line)
            if split is not None and which[source][raw["id"]] != split:
                continue
            codes = tuple(_code(c) for c in raw["codes"])
            denied = tuple((n["code"], n["reason"], tuple(map(tuple, n["evidence"]))) for n in raw["notCoded"])
            gaps = tuple((g["family"], g["about"]) for g in raw["gaps"])
            yield GoldNote(source, raw["id"], raw["setting"], texts.get(raw["id"], ""), raw["sha256"], codes, denied, gaps)


def _code(raw: dict[str, Any]) -> GoldCode:
    evidence = tuple((int(b), int(e)) for b, e in raw["evidence"])
    return GoldCode(raw["code"], raw["status"], raw.get("principal", False), raw.get("mayBeFirst", False), tuple(raw.get("alternatives", ())), evidence)
