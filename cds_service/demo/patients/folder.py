"""Where the patients lie: one folder each, with `chart.json` and the notes as files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent

# Kind of file to (MIME type, character set); C-CDA documents travel as application/xml.
_MEDIA = {
    ".txt": "text/plain; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".rtf": "application/rtf",
    ".xml": "application/xml",
    ".pdf": "application/pdf",
}


@dataclass(frozen=True, slots=True)
class ChartFolder:
    """One patient's folder. `slug` is the Patient id and the prefix of every other resource's id."""

    path: Path

    @property
    def slug(self) -> str:
        """Name of the folder."""
        return self.path.name

    def chart(self) -> dict[str, Any]:
        """Return the content of chart.json."""
        return read_json(self.path / "chart.json")

    def content(self, file: str) -> bytes:
        """Return the bytes of one note file."""
        return (self.path / file).read_bytes()

    @staticmethod
    def media_type(file: str) -> str:
        """Return the MIME type of a note file; raises KeyError for a kind that the demo doesn't use."""
        return _MEDIA[Path(file).suffix]


def chart_folders() -> tuple[ChartFolder, ...]:
    """Return all patients' folders, by slug."""
    return tuple(ChartFolder(path.parent) for path in sorted(_ROOT.glob("*/chart.json")))


@cache
def catalogue() -> dict[str, Any]:
    """Return the codes, units and reference ranges that charts name by short keys."""
    return read_json(_ROOT / "catalogue.json")


@cache
def clinic() -> dict[str, Any]:
    """Return the organisation, payers and practitioners that all charts share."""
    return read_json(_ROOT / "clinic.json")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
