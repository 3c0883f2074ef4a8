"""The reference of all settings, written from the code: `python -m cds_service.commands.reference > docs/configuration.md`."""

from __future__ import annotations

import inspect
import re
from dataclasses import MISSING, Field, fields
from typing import Any

from cds_service.config import DEFAULT_PUBLIC_URL, Client, Settings

_HEAD = """# Settings

Written from the code by `python -m cds_service.commands.reference`; a test keeps it so.

Settings come from the environment (`MARGINALIA_` and the name in capitals, lists with commas) or from a TOML file (`marginalia serve --config FILE`, or
the file that `MARGINALIA_CONFIG` names); the environment wins. A wrong value stops the start and says what was expected.
"""
_SECRET = frozenset({"data_keys", "audit_key"})


def reference() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD, _table(Settings, leave=frozenset({"open"}))]
    parts += ["\n## Clients\n\nOne table `[[clients]]` for each; `marginalia client add` writes it.\n", _table(Client), "\n" + _words(Client)]
    return "\n".join(parts) + "\n"


def _table(kind: type[Any], leave: frozenset[str] = frozenset()) -> str:
    comments = _comments(kind)
    rows = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    rows += [f"| `{f.name}` | {_type(f)} | {_default(f)} | {comments.get(f.name, '').replace('|', '&#124;')} |" for f in fields(kind) if f.name not in leave]
    return "\n".join(rows)


def _comments(kind: type[Any]) -> dict[str, str]:
    """Return the comment behind each field in the source."""
    found = re.findall(r"^    (\w+): [^#\n]*#\s*(.+)$", inspect.getsource(kind), re.MULTILINE)
    return {name: words.strip() for name, words in found}


def _type(entry: Field[Any]) -> str:
    named = str(entry.type)
    if "tuple" in named:
        return "list of tables" if "Client" in named or "Mapping" in named else "list"
    if "Path" in named:
        return "path"
    known = {"str": "text", "int": "whole number", "bool": "true or false", "Profile": "`standard`, `epic`, `oracle`"}
    return known.get(named, "table")


def _default(entry: Field[Any]) -> str:
    if entry.name == "database_url":
        return "a SQLite file in the user's state folder"
    if entry.default is MISSING and entry.default_factory is MISSING:
        return "required"
    value = entry.default if entry.default is not MISSING else None
    if entry.name in _SECRET or value in ("", (), None):
        return "none"
    return f"`{DEFAULT_PUBLIC_URL}`" if entry.name == "public_url" else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _words(kind: type[Any]) -> str:
    return "\n".join(line.strip() for line in inspect.cleandoc(kind.__doc__ or "").splitlines()[2:])


if __name__ == "__main__":
    print(reference(), end="")
