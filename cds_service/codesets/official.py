"""Official files: how each is recognised by its name, and how a damaged one is told with its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from cds_service.errors import CodeSetError

_MONTHS = {"JAN": 1, "APR": 4, "JUL": 7, "OCT": 10}
_LARGEST = 200 * 2**20  # bytes: the largest official file has some 15 MB
AGAIN = "Download the file again, and don't edit it."


class Kind(StrEnum):
    """What an official file holds."""

    CM_ORDER = "ICD-10-CM order file"
    CM_CODES = "ICD-10-CM code list"
    CM_ADDENDA = "ICD-10-CM addenda"
    CM_CONVERSION = "ICD-10-CM conversion table"
    CM_TABULAR = "ICD-10-CM tabular list"
    CM_INDEX = "ICD-10-CM alphabetic index"
    PCS_ORDER = "ICD-10-PCS order file"
    PCS_ADDENDA = "ICD-10-PCS addenda"
    PCS_CONVERSION = "ICD-10-PCS conversion table"
    PCS_TABLES = "ICD-10-PCS tables"
    HCPCS = "HCPCS Level II file"
    CPT = "CPT file"
    HCC = "CMS-HCC V28 mapping"
    SNOMED_MAP = "SNOMED CT to ICD-10-CM map"


# The first that matches counts. CMS writes underscores, NCHS hyphens; both name an update by its month.
_NAMES: tuple[tuple[Kind, str], ...] = (
    (Kind.CM_ADDENDA, r"icd10cm[_-](?:order|codes)[_-]addenda[_-].*?(?P<year>\d{4})\.txt"),
    (Kind.CM_ORDER, r"icd10cm[_-]order[_-].*?(?P<year>\d{4})\.txt"),
    (Kind.CM_CODES, r"icd10cm[_-]codes[_-].*?(?P<year>\d{4})\.txt"),
    (Kind.CM_CONVERSION, r"icd10cm[_-]conversion[_-]table.*?(?P<year>\d{4}).*\.(?:txt|csv)"),
    (Kind.CM_TABULAR, r"icd10cm?[_-]tabular.*?(?P<year>\d{4})\.xml"),
    (Kind.CM_INDEX, r"icd10cm?[_-]index.*?(?P<year>\d{4})\.xml"),
    (Kind.PCS_CONVERSION, r"icd10pcs[_-]conversion[_-]table.*?(?P<year>\d{4}).*\.(?:txt|csv)"),
    (Kind.PCS_ADDENDA, r"(?:icd10pcs[_-])?order[_-]addenda[_-].*?(?P<year>\d{4})\.txt"),
    (Kind.PCS_ORDER, r"icd10pcs[_-]order[_-].*?(?P<year>\d{4})\.txt"),
    (Kind.PCS_TABLES, r"icd10pcs[_-]tables[_-].*?(?P<year>\d{4})\.xml"),
    (Kind.HCPCS, r"HCPC(?P<year>\d{4})_(?P<month>[A-Z]{3})_ANWEB.*\.(?:txt|csv)"),
    (Kind.CPT, r"cpt[_-](?P<year>\d{4})\.csv"),
    (Kind.HCC, r"F\d{2}(?P<short>\d{2})T\d[A-Z](?:_.*)?\.txt"),
    (Kind.HCC, r"(?P<year>\d{4}).*ICD-?10.*mappings.*\.csv"),
    (Kind.SNOMED_MAP, r"x?der2_iisssccRefset_ExtendedMap\w*Snapshot_US\d*_(?P<year>\d{4})(?P<number>\d{2})\d{2}\.txt"),
)
NAMES = (
    "icd10cm_order_2027.txt",
    "icd10cm_codes_2027.txt",
    "icd10cm_order_addenda_2027.txt",
    "icd10cm_conversion_table_2027.txt",
    "icd10cm_tabular_2027.xml",
    "icd10cm_index_2027.xml",
    "icd10pcs_order_2027.txt",
    "icd10pcs_tables_2027.xml",
    "HCPC2027_JAN_ANWEB.txt",
    "cpt_2027.csv",
    "F2827T1N.TXT",
    "der2_iisssccRefset_ExtendedMapSnapshot_US1000124_20260901.txt",
)
_MONTH = re.compile(r"(?<![A-Za-z])(January|April|July|October)(?![A-Za-z])", re.I)


@dataclass(frozen=True)
class OfficialFile:
    """One file of a release, and what its name says. Read when its lines are asked for."""

    path: Path
    kind: Kind
    year: int  # fiscal year of ICD-10, calendar year of services, payment year of HCC
    month: int | None = None  # of an update within the year

    @classmethod
    def of(cls, path: Path) -> OfficialFile | None:
        """Return the official file that a name tells of, or None."""
        for kind, pattern in _NAMES:
            if match := re.fullmatch(pattern, path.name, re.I):
                groups = match.groupdict()
                year = int(groups.get("year") or f"20{groups['short']}")
                month = _MONTHS.get((groups.get("month") or "").upper())
                if number := groups.get("number"):
                    month = int(number)
                if named := _MONTH.search(path.name):
                    month = _MONTHS.get(named[1][:3].upper())
                return cls(path, kind, year, month)
        return None

    @property
    def name(self) -> str:
        """The file's name, as messages give it."""
        return self.path.name

    @cached_property
    def data(self) -> bytes:
        """The bytes. Raises CodeSetError where the file can't be read, or is no file of this kind by its size."""
        try:
            size = self.path.stat().st_size
            if not 0 < size <= _LARGEST:
                raise CodeSetError(f"{self.name}, line 1: the file has {size} bytes.", AGAIN)
            return self.path.read_bytes()
        except OSError as error:
            raise CodeSetError(f"{self.name} can't be read ({error.strerror}).", "Check that Marginalia may read it.") from error

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield number and text of each line that isn't blank. CMS writes UTF-8 or Windows-1252. Raises CodeSetError for a binary file."""
        data = self.data
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", errors="replace")
        for number, line in enumerate(text.split("\n"), 1):
            line = line.rstrip("\r")
            if "\0" in line:
                raise self.damaged(number, "not text")
            if line.strip():
                yield number, line

    def damaged(self, line: int, what: str, remedy: str = AGAIN) -> CodeSetError:
        """Return the error of a line of this file."""
        return CodeSetError(f"{self.name}, line {line}: {what}.", remedy)

    def span(self) -> tuple[date, date]:
        """Return first and last day that the publisher means the release for."""
        if self.kind is Kind.HCC:  # diagnoses of the year before the payment year count
            return date(self.year - 1, 1, 1), date(self.year - 1, 12, 31)
        if self.kind is Kind.HCPCS:
            first = date(self.year, self.month or 1, 1)
            return first, quarter_end(first)
        if self.kind is Kind.CPT:
            return date(self.year, 1, 1), date(self.year, 12, 31)
        if self.kind is Kind.SNOMED_MAP:  # the US Edition comes twice a year
            first = date(self.year, min(max(self.month or 1, 1), 12), 1)
            return first, quarter_end(quarter_end(first) + timedelta(days=1))
        begins = date(self.year, self.month, 1) if self.month and self.month < 10 else date(self.year - 1, 10, 1)
        return begins, date(self.year, 9, 30)


def quarter_end(first: date) -> date:
    """Return the last day of the quarter that begins on `first`."""
    month = first.month + 3
    return date(first.year + (month > 12), (month - 1) % 12 + 1, 1) - timedelta(days=1)


def dotted(code: str) -> str:
    """Return an ICD-10-CM code as it is written: "A000" -> "A00.0"."""
    return code if len(code) <= 3 else f"{code[:3]}.{code[3:]}"


def recognised(paths: Iterable[Path]) -> tuple[list[OfficialFile], list[str]]:
    """Return the official files among files and folders, and the names in the folders that are none.

    Raises:
        CodeSetError: a file named outright isn't one; two are of one kind; or nothing is there.
    """
    found: list[OfficialFile] = []
    others: list[str] = []
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for one in inside:
            official = OfficialFile.of(one)
            if official is not None:
                found.append(official)
            elif path.is_dir():
                others.append(one.name)
            else:
                told = f"{one.name} is no official file by its name." if one.exists() else f"There is no file {one}."
                raise CodeSetError(told, f"Keep the publisher's names, such as {', '.join(NAMES)}.")
    if not found:
        raise CodeSetError("There is no official file here.", f"Give files with the publisher's names, such as {', '.join(NAMES)}.")
    seen: dict[Kind, OfficialFile] = {}
    for file in found:
        if file.kind in seen and file.kind is not Kind.CM_ADDENDA:
            raise CodeSetError(f"{seen[file.kind].name} and {file.name} are both: {file.kind}.", "Import one release at a time.")
        seen[file.kind] = file
    return found, others
