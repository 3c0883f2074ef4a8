"""The reference of all settings, written from the code: `python -m cds_service.commands.reference > docs/configuration.md`."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from enum import Enum
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from cds_service.config import DEFAULT_PUBLIC_URL, Client, Settings

__all__ = ["Section", "reference", "sections"]

_HEAD = """# Settings

Written from the code by `python -m cds_service.commands.reference`; a test keeps it so.

Settings come from the environment (`MARGINALIA_` and the name in capitals, lists with commas) or from a TOML file (`marginalia serve --config FILE`, or
the file that `MARGINALIA_CONFIG` names); the environment wins. A wrong value stops the start and says what was expected.
"""
_PLUGINS = "marginalia.blueprints"
_SECRET = frozenset({"data_keys", "audit_key"})
_LONG = 60  # characters of a default that still stands in the table


@dataclass(frozen=True, slots=True)
class Section:
    """One table of settings. A plug-in's package offers its own by `settings_sections()`."""

    title: str
    words: str  # how it is written
    kind: type[Any]  # dataclass with a comment behind each field
    leave: frozenset[str] = frozenset()  # fields that nobody sets
    paths: frozenset[str] = frozenset()  # fields that are read from a file whose name is set
    explained: bool = False  # whether the docstring of the class says more


_OWN = (
    Section("", "", Settings, leave=frozenset({"open"})),
    Section("Clients", "One table `[[clients]]` for each; `marginalia client add` writes it.", Client, explained=True),
)


def sections() -> tuple[Section, ...]:
    """Return the tables of the service and of each plug-in."""
    names = dict.fromkeys(entry.module for entry in sorted(metadata.entry_points(group=_PLUGINS), key=lambda e: e.name))
    return (*_OWN, *(section for name in names for section in getattr(import_module(name), "settings_sections", tuple)()))


def reference() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD]
    for section in sections():
        parts += [f"\n## {section.title}\n\n{section.words}\n"] if section.title else []
        parts += [_table(section), *_long_defaults(section)]
        parts += ["\n" + _words(section.kind)] if section.explained else []
    return "\n".join(parts) + "\n"


def _table(section: Section) -> str:
    comments, kinds = _comments(section.kind), typing.get_type_hints(section.kind)
    rows = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    for entry in fields(section.kind):
        if entry.name not in section.leave:
            kind = "path" if entry.name in section.paths else _type(kinds[entry.name])
            rows.append(f"| `{entry.name}` | {kind} | {_default(entry)} | {comments.get(entry.name, '').replace('|', '&#124;')} |")
    return "\n".join(rows)


def _comments(kind: type[Any]) -> dict[str, str]:
    """Return the comment behind each field in the source."""
    found = re.findall(r"^    (\w+): [^#\n]*#\s*(.+)$", inspect.getsource(kind), re.MULTILINE)
    return {name: re.sub(r"^noqa: \S+ - ", "", words.strip()) for name, words in found}


def _type(kind: Any) -> str:
    if isinstance(kind, types.UnionType):
        (kind,) = (k for k in typing.get_args(kind) if k is not types.NoneType)
    origin, inner = typing.get_origin(kind) or kind, (*typing.get_args(kind), str)[0]
    if origin in (tuple, frozenset):
        return "list" if inner is str else "list of tables"
    if isinstance(origin, type) and issubclass(origin, Enum):
        return ", ".join(f"`{value.value}`" for value in origin)
    known: Mapping[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}
    return known.get(origin, "table")


def _default(entry: Field[Any]) -> str:
    if entry.name == "database_url" and entry.default is not None:
        return "a SQLite file in the user's state folder"
    if entry.default is MISSING and entry.default_factory is MISSING:
        return "required"
    value = entry.default if entry.default is not MISSING else None
    if entry.name in _SECRET or value is None or value in ("", (), frozenset()):
        return "none"
    if entry.name == "public_url":
        return f"`{DEFAULT_PUBLIC_URL}`"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if len(text) <= _LONG else "see below"


def _long_defaults(section: Section) -> list[str]:
    return [f"\nDefault of `{f.name}`: `{f.default}`." for f in fields(section.kind) if isinstance(f.default, str) and len(f.default) > _LONG]


def _words(kind: type[Any]) -> str:
    return "\n".join(line.strip() for line in inspect.cleandoc(kind.__doc__ or "").splitlines()[2:])


if __name__ == "__main__":
    print(reference(), end="")
