"""Words of procedures: how documentation speaks of the axes, as tables of this package, made ready for one release of ICD-10-PCS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from cds_service.errors import RuleError
from cds_service.review.procedures.parts import Part, spoken, unsided
from cds_service.review.procedures.phrases import Phrases

_ASIDE = re.compile(r"\([^)]*\)")
_ANY, _AS_DOCUMENTED = "*", "-"
_COLUMNS = 6


@dataclass(frozen=True, slots=True)
class Named:
    """A procedure with a name of its own, axis by axis. Empty where the documentation decides."""

    name: str  # the first of its names
    tables: tuple[str, ...]  # "0FT"
    parts: tuple[Part, ...]
    approach: str
    device: str
    qualifier: str
    with_device: tuple[tuple[str, str], ...] = ()  # label of a device -> the table that takes the place, where it is documented


@dataclass(frozen=True, slots=True)
class Operation:
    """A root operation as a verb says it."""

    value: str  # third character
    noun: bool = False  # it names the act ("excision"), rather than telling of a step ("excised")
    other: str = ""  # where the words don't tell whether all or a portion was cut out
    qualifier: str = ""  # label


@dataclass(frozen=True)
class ProcedureWords:
    """All tables of words. Immutable."""

    named: Phrases[tuple[Named, ...]]
    operations: Phrases[Operation]
    approaches: Phrases[tuple[str, ...]]
    weak_approaches: Phrases[tuple[str, ...]]
    devices: Phrases[tuple[str, ...]]
    qualifiers: Phrases[tuple[str, ...]]
    parts: Mapping[str, tuple[Part, ...]]  # words -> parts
    sites: Phrases[str]  # of the body surface
    layers: Phrases[str]  # of a site
    vessels: Phrases[str]  # coronary arteries
    steps: frozenset[str]  # names that are a step of another procedure where an operation is described
    status: Mapping[str, Phrases[str]]

    @classmethod
    def of(cls, named: Iterable[str], acts: Mapping[str, Any], key: Iterable[str]) -> ProcedureWords:
        """Return the words of the tables `named.tsv`, `acts.toml` and `body_part_key.tsv`. Raises RuleError where a row is malformed."""
        parts = {words: (Part(target.strip()),) for words, target in _key_rows(key)}
        parts |= {words: tuple(Part.of(p) for p in targets) for words, targets in acts["parts"].items()}
        return cls(
            Phrases.of_table(_named(named)),
            Phrases((w, Operation(o["value"], _is_noun(w), o.get("or", ""), o.get("qualifier", ""))) for o in acts["operations"] for w in o["words"]),
            Phrases.of_lists((e["words"], tuple(e["values"])) for e in acts["approaches"] if not e.get("weak")),
            Phrases.of_lists((e["words"], tuple(e["values"])) for e in acts["approaches"] if e.get("weak")),
            Phrases.of_lists((e["words"], tuple(e["labels"])) for e in acts["devices"]),
            Phrases.of_lists((e["words"], tuple(e["labels"])) for e in acts["qualifiers"]),
            parts,
            Phrases.of_table(acts["sites"]),
            Phrases.of_lists((e["words"], e["name"]) for e in acts["layers"]),
            Phrases.of_table(acts["vessels"]),
            frozenset(acts["steps"]["names"]),
            {status: Phrases((w, w) for w in words) for status, words in acts["status"].items()},
        )

    def parts_for(self, labels: Iterable[str]) -> Phrases[tuple[Part, ...]]:
        """Return the phrases that mean body parts among the labels of a release: the labels themselves, and the words of the tables."""
        return _parts_for(self, frozenset(labels))

    def __hash__(self) -> int:
        return id(self)


@lru_cache(maxsize=8)
def _parts_for(words: ProcedureWords, labels: frozenset[str]) -> Phrases[tuple[Part, ...]]:
    names = {unsided(label)[0] for label in labels} | {label for label in labels if "Lobe" in label}
    own = [(phrase, (Part(name),)) for name in sorted(names) for phrase in spoken(name)]
    told = [(phrase, kept) for phrase, parts in words.parts.items() if (kept := tuple(p for p in parts if p.name in names))]
    return Phrases([*told, *own])


def _is_noun(words: str) -> bool:
    return not re.search(r"(?:ed|ied|out)\b(?!.*(?:ion|al|ment|graft)\b)", words) and not words.startswith(("was ", "excise"))


def _named(lines: Iterable[str]) -> dict[str, tuple[Named, ...]]:
    found: dict[str, tuple[Named, ...]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [c.strip() for c in line.split("\t")]
        if len(cells) < _COLUMNS or any(len(t) != 3 for t in cells[1].split(";")):
            raise RuleError(f"named.tsv, line {number}: {_COLUMNS} columns and tables of three characters are expected.", "Mend the line.")
        names = [n.strip() for n in cells[0].split(";") if n.strip()]
        row = _row(names[0], cells)
        for name in names:
            found[name] = (*found.get(name, ()), replace(row, name=name))
    return found


def _row(name: str, cells: Sequence[str]) -> Named:
    parts = () if cells[2] == _ANY else tuple(Part.of(p) for p in cells[2].split(";"))
    approach, device, qualifier = ("" if c == _AS_DOCUMENTED else c for c in cells[3:6])
    others = tuple((label.strip(), table.strip()) for label, _, table in (pair.partition("=") for pair in cells[6:]))
    return Named(name, tuple(cells[1].split(";")), parts, approach, device, qualifier, others)


def _key_rows(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            continue
        words, tab, targets = line.rstrip("\n").partition("\t")
        if not tab:
            raise RuleError(f"body_part_key.tsv, line {number}: words, a tab and body parts are expected.", "Mend the line.")
        plain = " ".join(_ASIDE.sub(" ", words).split()).lower()
        first = targets.split(";")[0]
        if plain:
            yield plain, first
