"""Whole Bundles and the records they become, as files: a change of reading shows as a change of a file.

`python tests/unit/fhir_mappers/test_golden.py` writes the records anew; read the difference before committing it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from fhir_mappers import EncounterRecord, read_bundle

CASES = Path(__file__).resolve().parents[2] / "fixtures" / "fhir"
TODAY = date(2026, 3, 10)


def lean(value: Any) -> Any:
    """Return JSON of a record without what is empty."""
    if isinstance(value, dict):
        return {k: lean(v) for k, v in value.items() if v not in (None, (), [], {}, False, "")}
    if isinstance(value, list | tuple):
        return [lean(v) for v in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def record(case: Path) -> EncounterRecord:
    """Read the Bundle of a case."""
    return read_bundle(json.loads((case / "bundle.json").read_text(encoding="utf-8")), today=TODAY)


@pytest.mark.parametrize("case", sorted(p.parent for p in CASES.glob("*/bundle.json")), ids=lambda p: p.name)
def test_a_bundle_becomes_the_record_on_file(case: Path) -> None:
    """Office visit, older server, discharge documents, damaged input."""
    assert lean(asdict(record(case))) == json.loads((case / "record.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    for folder in sorted(p.parent for p in CASES.glob("*/bundle.json")):
        written = json.dumps(lean(asdict(record(folder))), indent=1, ensure_ascii=False)
        (folder / "record.json").write_text(written + "\n", encoding="utf-8")
