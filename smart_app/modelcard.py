"""The model card: what HTI-1 asks of a predictive decision support intervention, filled with the versions and figures in use."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from cds_service.review.codeset import CodeSet

_FIGURES = Path(__file__).parents[1] / "docs" / "evaluation.md"  # where the product is run from its repository
_WANTED = {"phrases", "unseen", "notes", "cases"}


@dataclass(frozen=True, slots=True)
class Attribute:
    """One source attribute."""

    title: str
    words: str


@dataclass(frozen=True, slots=True)
class Group:
    """A group of source attributes, as the rule has them."""

    title: str
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Figures of one test collection: a heading row and rows."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The whole card."""

    name: str
    version: str
    sha256: str
    release: str  # of Marginalia
    code_sets: tuple[str, ...]
    groups: tuple[Group, ...]
    tables: tuple[Table, ...]


def model_card(name: str, version: str, sha256: str, releases: Iterable[CodeSet]) -> ModelCard:
    """Return the card of the model in use with the code sets at hand."""
    code_sets = tuple(f"{r.system.rpartition('/')[2]} {r.version}" for r in releases)
    tables = figures(_FIGURES.read_text(encoding="utf-8")) if _FIGURES.is_file() else ()
    told = {
        "name": name,
        "version": version,
        "sha256": sha256,
        "created": _created(),
        "code_sets": ", ".join(code_sets),
        "figures": "See the figures below." if tables else "See docs/evaluation.md of the release in use.",
    }
    raw = tomllib.loads((resources.files("smart_app") / "tables" / "source_attributes.toml").read_text(encoding="utf-8"))
    groups = tuple(Group(g["title"], tuple(Attribute(a["title"], a["words"].format(**told)) for a in g["attribute"])) for g in raw["group"])
    return ModelCard(name, version, sha256, metadata.version("marginalia"), code_sets, groups, tables)


def card_json(card: ModelCard) -> dict[str, Any]:
    """Return the card as JSON."""
    return {
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
        "release": card.release,
        "codeSets": list(card.code_sets),
        "sourceAttributes": [{"group": g.title, "attributes": [{"title": a.title, "text": a.words} for a in g.attributes]} for g in card.groups],
        "figures": [{"title": t.title, "columns": list(t.head), "rows": [list(r) for r in t.rows]} for t in card.tables],
    }


def figures(markdown: str) -> tuple[Table, ...]:
    """Return the tables of an evaluation report, each under its headings."""
    found: list[Table] = []
    part, title = "", ""
    rows: list[tuple[str, ...]] = []
    for line in [*markdown.splitlines(), ""]:
        if line.startswith("|"):
            cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
            if not all(set(cell) <= {"-", ":", " "} for cell in cells):
                rows.append(cells)
            continue
        if rows:
            found.append(Table(title, rows[0], tuple(rows[1:])))
            rows = []
        if line.startswith("## "):
            part = title = line[3:].strip()
        elif line.startswith("### "):
            title = f"{part}, {line[4:].strip()}"
    return tuple(t for t in found if t.title.partition(",")[0] in _WANTED)


@cache
def _created() -> str:
    manifest = resources.files("onnx_models") / "artefacts" / "manifest.json"
    try:
        return str(json.loads(manifest.read_text(encoding="utf-8")).get("created", ""))[:10] or "unknown date"
    except (OSError, ValueError):
        return "unknown date"
