"""Files: the official tables of claims as a customer downloads them, read from one folder.

Known by name: NCCI pairs (`cci*.txt`, tab-separated), unit limits (`MCR_MUE_*.csv`), and the tables of the Medicare Coverage Database
(`article.csv`, `article_x_hcpc_code.csv`, `article_x_icd10_covered.csv`, `article_x_icd10_noncovered.csv`). A damaged file is refused with its line.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from cds_service.errors import CodeSetError
from cds_service.review.claims.necessity import CoveragePolicy
from cds_service.review.claims.services import ProcedurePair, UnitLimit

_CODE = re.compile(r"[0-9A-Z]\d{3}[0-9A-Z]")
_DATE_IN_NAME = re.compile(r"[Ee]ff[_-]?(\d{2})-(\d{2})-(\d{4})")
_RELEASE_IN_NAME = re.compile(r"v(\d{2})(\d)r\d", re.I)
_PAIR_COLUMNS = 6
_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", "%m/%d/%Y", "%Y%m%d")
csv.field_size_limit(2**24)  # an article's text is one field


@dataclass(frozen=True)
class ClaimTables:
    """Tables of claims, ready to be asked. Empty where the customer supplies none."""

    pairs: Mapping[tuple[str, str], ProcedurePair] = field(default_factory=dict)
    limits: Mapping[str, UnitLimit] = field(default_factory=dict)
    policies: Mapping[str, tuple[CoveragePolicy, ...]] = field(default_factory=dict)  # by service code


def claim_tables(folder: Path | None) -> ClaimTables:
    """Read the tables of a folder; None gives empty ones.

    Raises:
        CodeSetError: the folder or a file can't be read, or isn't in the official layout. The message names file and line.
    """
    if folder is None:
        return ClaimTables()
    if not folder.is_dir():
        raise CodeSetError(f"There is no folder {folder}.", "Set claim_tables to the folder with the official files, or leave it out.")
    pairs: dict[tuple[str, str], ProcedurePair] = {}
    limits: dict[str, UnitLimit] = {}
    for path in sorted(folder.iterdir()):
        if path.name.lower().startswith("cci") and path.suffix.lower() == ".txt":
            pairs.update(((p.first, p.second), p) for p in ptp_pairs(_lines(path), path.name))
        elif "_mue_" in path.name.lower() and path.suffix.lower() == ".csv":
            limits.update((u.code, u) for u in unit_limits(_lines(path), path.name))
    return ClaimTables(pairs, limits, _policies(folder))


def ptp_pairs(lines: Iterable[str], name: str) -> Iterator[ProcedurePair]:
    """Yield the pairs of a PTP file: column 1, column 2, prior to 1996, effective date, deletion date, modifier indicator, rationale."""
    release = _RELEASE_IN_NAME.search(name)
    version = f"v{release[1]}.{release[2]} ({name})" if release else name
    found = False
    for number, line in enumerate(lines, 1):
        cells = [c.strip() for c in line.rstrip("\r\n").split("\t")]
        if not _CODE.fullmatch(cells[0]):
            if found and line.strip():
                raise _damaged(name, number, "a line that begins with no procedure code")
            continue
        if len(cells) < _PAIR_COLUMNS or not _CODE.fullmatch(cells[1]) or cells[5] not in ("0", "1", "9"):
            raise _damaged(name, number, "two codes, two dates and a modifier indicator (0, 1, 9) are expected, separated by tabs")
        found = True
        begins = _day(cells[3], name, number)
        ends = _day(cells[4], name, number) if cells[4] not in ("", "*") else None
        if begins is None:
            raise _damaged(name, number, "the effective date is missing")
        yield ProcedurePair(cells[0], cells[1], begins, ends, cells[5], cells[6] if len(cells) > _PAIR_COLUMNS else "", version)
    if not found:
        raise _damaged(name, 1, "no pair of codes in the whole file")


def unit_limits(lines: Iterable[str], name: str) -> Iterator[UnitLimit]:
    """Yield the limits of an MUE file: code, MUE value, adjudication indicator, rationale. Its date stands in its name."""
    dated = _DATE_IN_NAME.search(name)
    begins = date(int(dated[3]), int(dated[1]), int(dated[2])) if dated else None
    found = False
    for number, cells in enumerate(csv.reader(lines), 1):
        if not cells or not _CODE.fullmatch(cells[0].strip()):
            if found and any(c.strip() for c in cells):
                raise _damaged(name, number, "a line that begins with no procedure code")
            continue
        if len(cells) < 4 or not cells[1].strip().isdigit() or cells[2].strip()[:1] not in ("1", "2", "3"):
            raise _damaged(name, number, "code, units, adjudication indicator (1, 2, 3) and rationale are expected")
        found = True
        yield UnitLimit(cells[0].strip(), int(cells[1]), cells[2].strip()[0], cells[3].strip(), begins.isoformat() if begins else name, begins)
    if not found:
        raise _damaged(name, 1, "no code in the whole file")


def _policies(folder: Path) -> dict[str, tuple[CoveragePolicy, ...]]:
    article = folder / "article.csv"
    if not article.exists():
        return {}
    services = _codes(folder / "article_x_hcpc_code.csv", "hcpc_code_id")
    covered = _codes(folder / "article_x_icd10_covered.csv", "icd10_code_id")
    excluded = _codes(folder / "article_x_icd10_noncovered.csv", "icd10_code_id", must=False)
    by_service: dict[str, list[CoveragePolicy]] = defaultdict(list)
    for number, row in _rows(article, ("article_id", "article_version", "title")):
        key = (row["article_id"], row["article_version"])
        if key not in services:
            continue
        begins = _day(row.get("article_eff_date") or "", article.name, number)
        ends = _day(row.get("article_end_date") or "", article.name, number)
        id_ = row["article_id"] if row["article_id"].startswith("A") else f"A{row['article_id']}"
        parts = (frozenset(services[key]), frozenset(covered.get(key, ())), frozenset(excluded.get(key, ())))
        policy = CoveragePolicy(id_, row["article_version"], row["title"], begins, ends, *parts)
        for code in policy.services:
            by_service[code].append(policy)
    return {code: tuple(sorted(found, key=lambda p: (p.id, p.version))) for code, found in by_service.items()}


def _codes(path: Path, column: str, *, must: bool = True) -> dict[tuple[str, str], list[str]]:
    """Return the codes of a table by article and version."""
    if not path.exists():
        if must:
            raise CodeSetError(f"{path.name} is missing beside article.csv.", "Unpack the whole download of the Medicare Coverage Database.")
        return {}
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for _, row in _rows(path, ("article_id", "article_version", column)):
        found[row["article_id"], row["article_version"]].append(row[column].strip())
    return found


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(_lines(path))
    missing = [c for c in columns if c not in (reader.fieldnames or ())]
    if missing:
        raise _damaged(path.name, 1, f"the column {missing[0]} is missing")
    for row in reader:
        if any(row[c] is None for c in columns):
            raise _damaged(path.name, reader.line_num, "a row with too few fields")
        yield reader.line_num, row


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file; CMS writes UTF-8 or Windows-1252."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CodeSetError(f"{path.name} can't be read.", "Check that the service may read it.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    return text.splitlines(keepends=True)


def _day(words: str, name: str, number: int) -> date | None:
    plain = words.strip().split(".")[0]
    if not plain:
        return None
    for form in _FORMATS:
        try:
            return datetime.strptime(plain, form).date()
        except ValueError:
            continue
    raise _damaged(name, number, f"{plain[:20]!r} is no date")


def _damaged(name: str, number: int, what: str) -> CodeSetError:
    return CodeSetError(f"{name}, line {number}: {what}.", "Download the file again, and don't edit it.")
