"""`marginalia codeset` and `marginalia explain` as a user runs them: exit code, standard output and error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.codesets.command import codeset
from cds_service.errors import CodeSetError
from cds_service.review.codeset import ICD10CM
from cds_service.review.command import explain
from tests.unit.codesets.official_files import CODES, conversion, order

run = CliRunner().invoke


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An invented FY 2027 in a data folder of its own; R05.3 ended with FY 2026, J98.A1 took its place."""
    monkeypatch.setenv("MARGINALIA_DATA", str(tmp_path / "data"))
    folder = tmp_path / "2027"
    order(folder)
    conversion(folder, [("J98.A1", "R05.3")])
    (folder / "readme.pdf").write_bytes(b"%PDF")
    result = run(codeset, ["import", str(folder), "--accept-losses"])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("icd-10-cm 2027: 5 codes, in force from 2026-10-01, meant until 2027-09-30\n  against 2026-04-01: ")
    assert "Not read, no official file by its name: readme.pdf" in result.stderr
    return folder


def test_both_years_are_listed_and_compared(imported: Path) -> None:
    """Dates, source, and the successor of a deleted code."""
    rows = [r for r in json.loads(run(codeset, ["list", "--json"]).stdout) if r["system"] == ICD10CM]
    assert [(r["version"], r.get("effectiveTo"), r["source"]) for r in rows] == [("2026-04-01", "2026-09-30", "package"), ("2027", None, "imported")]
    told = json.loads(run(codeset, ["diff", "2026", "2027", "--json"]).stdout)
    assert {"J98.A1", "J98.A2"} <= {c["code"] for c in told["added"]}
    [cough] = [c for c in told["deleted"] if c["code"] == "R05.3"]
    assert cough["note"] == "R05.3 ended on 2026-09-30. J98.A1 takes its place (conversion table 2027)."
    missing = run(codeset, ["diff", "2026", "2030"])
    assert isinstance(missing.exception, CodeSetError)
    assert "At hand are: 2026-04-01 (2026), 2027 (2027)" in missing.exception.remedy


def test_a_deleted_code_is_refused_with_its_successor_from_its_date_on(imported: Path) -> None:
    """On the last day it is right, the day after it isn't."""
    assert run(codeset, ["check", "R05.3", "--date", "2026-09-30"]).exit_code == 0
    after = run(codeset, ["check", "R05.3", "--date", "2026-10-01"])
    assert after.exit_code == 1
    assert "code.invalid  R05.3 ended on 2026-09-30. J98.A1 takes its place" in after.stdout
    told = run(explain, ["R05.3", "--date", "2026-10-01"])
    assert told.exit_code == 2
    assert "J98.A1 takes its place" in told.stderr


def test_a_wrong_import_changes_nothing_and_a_right_one_can_be_taken_back(imported: Path) -> None:
    """The error names file, line and remedy; rollback empties the library again."""
    order(imported, {**CODES, "Q99Q9Q9": (True, "x")}, "icd10cm_order_2027.txt")
    wrong = run(codeset, ["import", str(imported), "--supersede", "--accept-losses"])
    assert isinstance(wrong.exception, CodeSetError)
    assert wrong.exception.message == "icd10cm_order_2027.txt, line 10: Q99Q9Q9 stands below no heading: its category Q99 is missing."
    assert "2027" in run(codeset, ["list"]).stdout
    assert run(codeset, ["rollback"]).stderr == "Imported are now: none\n"
    assert "2027  in force" not in run(codeset, ["list"]).stdout
