"""docs/configuration.md is what the code says."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from cds_service.commands.reference import reference
from cds_service.config import Client, Settings

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_written_from_the_code() -> None:
    """Write it anew with `python -m cds_service.commands.reference > docs/configuration.md`."""
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_every_setting_is_there() -> None:
    """Each with its meaning."""
    text = reference()
    for entry in (*fields(Settings), *fields(Client)):
        rows = [line for line in text.splitlines() if line.startswith(f"| `{entry.name}` |")]
        assert entry.name == "open" or (rows and not any(row.endswith("|  |") for row in rows)), entry.name
