"""Downloads as they come: ZIP archives and workbooks are imported; bombs, traps and damaged ones are refused, and nothing changes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import pytest

from cds_service.codesets import Choices, Library
from cds_service.codesets.archives import unpacked
from cds_service.errors import CodeSetError
from cds_service.review.codeset import ICD10CM
from tests.unit.codesets.official_files import earlier, order

LOSSES = Choices(accept_losses=True)
NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def archive(path: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write a compressed archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def workbook(path: Path, rows: Sequence[str], strings: Sequence[str] = ()) -> Path:
    """Write the least that is a workbook: one sheet of rows."""
    shared = "".join(f"<si><t>{s}</t></si>" for s in strings)
    sheet = f"<worksheet {NAMESPACE}><sheetData>{''.join(rows)}</sheetData></worksheet>"
    return archive(path, {"xl/worksheets/sheet1.xml": sheet, "xl/sharedStrings.xml": f"<sst {NAMESPACE}>{shared}</sst>", "docProps/sheet1.xml": "<a/>"})


def plain(path: Path) -> str:
    """Return what an archive or workbook holds."""
    with unpacked([path]) as (at,):
        return (at if at.is_file() else next(p for p in at.iterdir())).read_text(encoding="utf-8")


def test_an_archive_is_imported_as_it_was_downloaded(tmp_path: Path) -> None:
    """The order file in its folder inside the ZIP of CMS; what is no official file is named."""
    text = order(tmp_path / "plain").read_text(encoding="utf-8")
    library = Library(tmp_path / "library", (earlier(),), ())
    zipped = archive(tmp_path / "2027-code-descriptions.zip", {"Code Descriptions/icd10cm_order_2027.txt": text, "Code Descriptions/ReadMe.pdf": b"%PDF"})
    held, others = library.bring([zipped], LOSSES)
    assert ([h.version for h in held], others) == (["2027"], ["ReadMe.pdf"])
    assert library.shelf().code_sets.in_force(ICD10CM, date(2026, 10, 1)).version == "2027"


def test_a_workbook_becomes_its_first_sheet_row_by_row(tmp_path: Path) -> None:
    """Shared, inline and bare values, skipped columns and rows: a line of the file is a row of the sheet."""
    rows = ['<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="inlineStr"><is><t>in line</t></is></c></row>', '<row r="3"><c r="B3"><v>37</v></c></row>']
    assert plain(workbook(tmp_path / "a.xlsx", rows, ["Diagnosis\nCode"])) == "Diagnosis Code,,in line\n\n,37\n"


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """Far more than the archive's own size, or too many files."""
    with pytest.raises(CodeSetError, match=r"bomb\.zip: it unpacks to more than any official download"):
        plain(archive(tmp_path / "bomb.zip", {"icd10cm_order_2027.txt": b"0" * (8 << 20)}))
    with pytest.raises(CodeSetError, match=r"many\.zip: 301 files are more than 300"):
        plain(archive(tmp_path / "many.zip", {f"{n}.txt": "" for n in range(301)}))


@pytest.mark.parametrize("name", ["../icd10cm_order_2027.txt", "/etc/icd10cm_order_2027.txt", "a\\..\\..\\b.txt"])
def test_a_file_outside_the_archive_is_refused(name: str, tmp_path: Path) -> None:
    """No path leads out of the temporary folder."""
    with pytest.raises(CodeSetError, match=r"outside the archive"):
        plain(archive(tmp_path / "trap.zip", {name: "x"}))


def test_a_damaged_one_is_refused_and_the_library_stays(tmp_path: Path) -> None:
    """Cut off, no archive at all, a sheet that is no XML, a text that is missing, rows out of order: file, line and reason."""
    library = Library(tmp_path / "library", (earlier(),), ())
    whole = archive(tmp_path / "whole.zip", {"icd10cm_order_2027.txt": "x"}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CodeSetError, match=r"cut\.zip, line 1: no whole archive"):
        library.bring([tmp_path / "cut.zip"], LOSSES)
    (tmp_path / "b.xlsx").write_text("no workbook", encoding="utf-8")
    with pytest.raises(CodeSetError, match=r"b\.xlsx, line 1: no whole archive"):
        library.bring([tmp_path / "b.xlsx"], LOSSES)
    with pytest.raises(CodeSetError, match=r"c\.xlsx, line 2: a text is missing"):
        plain(workbook(tmp_path / "c.xlsx", ['<row r="2"><c r="A2" t="s"><v>7</v></c></row>']))
    with pytest.raises(CodeSetError, match=r"d\.xlsx, line 3: rows are out of order"):
        plain(workbook(tmp_path / "d.xlsx", ['<row r="2"/>', '<row r="2"/>']))
    assert library.held() == ()


def test_the_same_name_twice_in_an_archive_is_refused(tmp_path: Path) -> None:
    """Which of the two counts can't be told."""
    with pytest.raises(CodeSetError, match=r"icd10cm_order_2027\.txt comes twice"):
        plain(archive(tmp_path / "twice.zip", {"a/icd10cm_order_2027.txt": "x", "b/icd10cm_order_2027.txt": "y"}))
