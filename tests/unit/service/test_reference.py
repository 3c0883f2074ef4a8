"""docs/configuration.md is what the code says."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from cds_service.commands.reference import Section, reference, sections
from cds_service.config import Client, Settings
from smart_app import Issuer, SmartSettings, read_settings
from smart_app.straight_through import Rule

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_written_from_the_code() -> None:
    """Write it anew with `python -m cds_service.commands.reference > docs/configuration.md`."""
    assert PAGE.read_text(encoding="utf-8") == reference()


@pytest.mark.parametrize("section", sections(), ids=lambda s: s.title or "service")
def test_every_setting_is_there(section: Section) -> None:
    """Each with its type, its default and its meaning."""
    text = reference().partition(f"## {section.title}\n" if section.title else "# Settings\n")[2].partition("\n## ")[0]
    for entry in fields(section.kind):
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith(f"| `{entry.name}` |")]
        assert len(rows) == (entry.name not in section.leave), entry.name
        assert all(len(row) == 4 and all(row) for row in rows), entry.name


def test_every_table_that_a_customer_writes_is_there() -> None:
    """The service, its clients, the app, its EHRs, the rules of a pilot; and the app takes no setting that the page doesn't name."""
    assert [s.kind for s in sections()] == [Settings, Client, SmartSettings, Issuer, Rule]
    with pytest.raises(Exception, match="unknown fields: colour"):
        read_settings({"issuers": [{"iss": "https://ehr.example.org", "client_id": "m", "colour": "red"}]}, public_url="https://m.example.org")
