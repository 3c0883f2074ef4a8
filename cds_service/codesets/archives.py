"""Downloads as the publishers pack them: ZIP archives, and tables as XLSX workbooks (ECMA-376), unpacked to plain files for one import.

Limits stand against archives that unpack to more than any official download ("zip bombs"); nothing is written outside the temporary folder.
"""

from __future__ import annotations

import csv
import re
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from cds_service.errors import CodeSetError

_MEMBERS = 300
_WHOLE = 1 << 30  # bytes of everything in an archive; the largest official download unpacks to about 200 MB
_RATIO = 250  # times that one member may unpack to; official text files stay below 40
_SMALL = 1 << 20  # below this a high ratio does no harm
_CHUNK = 1 << 20
_AGAIN = "Download it again from the publisher."
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_CELL = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_COLUMNS = 200


@contextmanager
def unpacked(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Give the same paths with each archive as a folder of its files and each workbook as CSV; both last as long as the context.

    Raises:
        CodeSetError: an archive or workbook is damaged, encrypted, names a place outside itself, or unpacks to too much.
    """
    with tempfile.TemporaryDirectory(prefix="marginalia-import-") as name:
        yield [_plain(path, Path(name) / str(at)) for at, path in enumerate(paths)]


def _plain(path: Path, folder: Path) -> Path:
    suffix = path.suffix.lower()
    if not path.is_file() or suffix not in (".zip", ".xlsx"):
        return path
    folder.mkdir()
    if suffix == ".xlsx":
        return _table(path, folder, path.name)
    with _opened(path, path.name) as archive:
        for member in _members(archive, path.name):
            _extract(archive, member, folder / PurePosixPath(member.filename).name, path.name)
    for workbook in sorted(folder.glob("*.[xX][lL][sS][xX]")):
        if not any(workbook.with_suffix(s).exists() for s in (".csv", ".txt", ".CSV", ".TXT")):
            _table(workbook, folder, f"{path.name}: {workbook.name}")
        workbook.unlink()
    return folder


@contextmanager
def _opened(path: Path, named: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise CodeSetError(f"{named}, line 1: no whole archive ({error}).", _AGAIN) from error
    except OSError as error:
        raise CodeSetError(f"{named} can't be read ({error.strerror}).", "Check that Marginalia may read it.") from error


def _members(archive: zipfile.ZipFile, named: str, *, by_path: bool = False) -> list[zipfile.ZipInfo]:
    """Return the files of an archive, checked before any of them is unpacked; told apart by their names, or `by_path`."""
    found = [m for m in archive.infolist() if not m.is_dir()]
    if len(found) > _MEMBERS:
        raise CodeSetError(f"{named}: {len(found)} files are more than {_MEMBERS}.", "Unpack it yourself, and give the official files.")
    if sum(m.file_size for m in found) > _WHOLE or any(m.file_size > max(_SMALL, _RATIO * m.compress_size) for m in found):
        raise CodeSetError(f"{named}: it unpacks to more than any official download.", _AGAIN)
    names: set[str] = set()
    for member in found:
        inside = PurePosixPath(member.filename.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or stat.S_ISLNK(member.external_attr >> 16):
            raise CodeSetError(f"{named}: a file of it lies outside the archive.", _AGAIN)
        if member.flag_bits & 1:
            raise CodeSetError(f"{named}: it is encrypted.", "Unpack it yourself, and give the official files.")
        own = str(inside) if by_path else inside.name
        if own in names:
            raise CodeSetError(f"{named}: {own} comes twice.", "Unpack it yourself, and give one of the two.")
        names.add(own)
    return found


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, named: str) -> None:
    """Write one file, never more of it than the archive says."""
    left = member.file_size
    with archive.open(member) as packed, target.open("wb") as plain:
        while chunk := packed.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise CodeSetError(f"{named}: {target.name} is larger than the archive says.", _AGAIN)
            plain.write(chunk)


def _table(workbook: Path, folder: Path, named: str) -> Path:
    """Write the first sheet of a workbook as CSV, a line for each row, so that errors name the row."""
    target = folder / f"{workbook.stem}.csv"
    with _opened(workbook, named) as archive:
        members = {m.filename for m in _members(archive, named, by_path=True)}
        sheets = sorted((n for n in members if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", n)), key=lambda n: (len(n), n))
        if not sheets:
            raise CodeSetError(f"{named}, line 1: no workbook: it has no sheet.", _AGAIN)
        strings = _strings(archive, named) if "xl/sharedStrings.xml" in members else ()
        sheet = _xml(archive, sheets[0], named)
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        line = 0
        for number, cells in _rows(sheet, strings, named):
            for _ in range(line + 1, number):
                file.write("\n")
            writer.writerow([" ".join(cell.split()) for cell in cells])
            line = number
    return target


def _strings(archive: zipfile.ZipFile, named: str) -> tuple[str, ...]:
    return tuple("".join(t.text or "" for t in item.iter(f"{_MAIN}t")) for item in _xml(archive, "xl/sharedStrings.xml", named).iter(f"{_MAIN}si"))


def _xml(archive: zipfile.ZipFile, name: str, named: str) -> Element:
    try:
        root: Element = fromstring(archive.read(name))
    except (ParseError, DefusedXmlException, KeyError) as error:
        raise CodeSetError(f"{named}, line 1: {name} is damaged.", _AGAIN) from error
    return root


def _rows(sheet: Element, strings: Sequence[str], named: str) -> Iterator[tuple[int, list[str]]]:
    last = 0
    for row in sheet.iter(f"{_MAIN}row"):
        number = int(row.get("r") or last + 1)
        if number <= last or number > _WHOLE:
            raise CodeSetError(f"{named}, line {last + 1}: rows are out of order.", _AGAIN)
        last = number
        cells: list[str] = []
        for cell in row.iter(f"{_MAIN}c"):
            at = _column(cell.get("r") or "", len(cells))
            if at >= _COLUMNS:
                raise CodeSetError(f"{named}, line {number}: more than {_COLUMNS} columns.", _AGAIN)
            cells += [""] * (at + 1 - len(cells))
            cells[at] = _value(cell, strings, f"{named}, line {number}")
        yield number, cells


def _column(reference: str, following: int) -> int:
    match = _CELL.fullmatch(reference)
    if match is None:
        return following
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - 64
    return column - 1


def _value(cell: Element, strings: Sequence[str], where: str) -> str:
    kind = cell.get("t")
    if kind == "inlineStr":
        return "".join(t.text or "" for t in cell.iter(f"{_MAIN}t"))
    value = cell.find(f"{_MAIN}v")
    text = (value.text or "") if value is not None else ""
    if kind != "s" or not text:
        return text
    if not text.isdigit() or int(text) >= len(strings):
        raise CodeSetError(f"{where}: a text is missing from the workbook.", _AGAIN)
    return strings[int(text)]
