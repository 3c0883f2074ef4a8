"""Code systems of procedures and supplies: ICD-10-PCS, HCPCS Level II, and a customer's licensed CPT file."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from cds_service.codesets.diagnoses import Terms
from cds_service.codesets.official import Kind, OfficialFile
from cds_service.codesets.order import PROCEDURE, changes, check_changes, conversions, order_lines
from cds_service.errors import CodeSetError
from cds_service.review.codeset import ICD10PCS, CodeSet, Entry
from cds_service.review.codeset_tabular import parsed
from cds_service.review.procedures.tables import ProcedureTable, tables_of
from fhir_mappers.systems import CPT, HCPCS

_Head = tuple[str, str, str]  # labels of section, body system, root operation
_Words = tuple[str, str, str, str]  # labels of body part, approach, device, qualifier
_HCPCS = re.compile(r"[A-V]\d{4}")
_CPT = re.compile(r"\d{4}[0-9AFMTU]")
_FIRST, _MORE, _MODIFIERS = "3", "4", ("7", "8")  # record identification codes
_WIDTH = 293  # least length of a record that carries dates
_COLUMNS = {
    "code": ("HCPC", "HCPCS"),
    "record": ("RECID", "RIC"),
    "long": ("LONG DESCRIPTION",),
    "added": ("ADD DT", "ADD DATE"),
    "ended": ("TERM DT", "TERM DATE"),
}
CPT_COLUMNS = ("code", "descriptor", "effective_from", "effective_to", "replaced_by")


def procedure_release(files: Mapping[Kind, OfficialFile], addenda: tuple[OfficialFile, ...], terms: Terms) -> CodeSet:
    """Return a release of ICD-10-PCS from the order file, checked against the tables and addenda that come with it. Raises CodeSetError."""
    order = files.get(Kind.PCS_ORDER)
    if order is None:
        raise CodeSetError("There is no ICD-10-PCS order file.", "Give the order file of the year; tables and addenda are checked against it.")
    lines = order_lines(order, PROCEDURE)
    for code, line in lines.items():
        if line.complete != (len(code) == 7):
            raise order.damaged(line.line, f"{code} is called {'complete' if line.complete else 'a heading'}")
        if line.complete and code[:3] not in lines:
            raise order.damaged(line.line, f"{code} stands below no heading: table {code[:3]} is missing")
    if tables := files.get(Kind.PCS_TABLES):
        built = table_codes(tables, terms)
        for code, line in lines.items():
            if line.complete and code not in built:
                raise order.damaged(line.line, f"{code} can't be built from {tables.name}", "Put together the files of one release.")
        missing = next((c for c in sorted(built) if c not in lines), None)
        if missing:
            raise tables.damaged(built[missing], f"{missing} is missing in {order.name}", "Put together the files of one release.")
    for file in addenda:
        check_changes(file, changes(file, PROCEDURE), lines, order.name)
    entries = {c: Entry(c, line.title, c[:3] if line.complete else None) for c, line in lines.items()}
    billable = frozenset(c for c, line in lines.items() if line.complete)
    became = conversions(files[Kind.PCS_CONVERSION], PROCEDURE) if Kind.PCS_CONVERSION in files else {}
    axes = procedure_tables(tables, terms) if tables else {}
    return CodeSet(ICD10PCS, terms.version, terms.effective_from, None, terms.meant_until, entries, billable, conversions=became, tables=axes)


def table_codes(file: OfficialFile, terms: Terms) -> dict[str, int]:
    """Return every code that the tables allow, with the line of its row. Raises CodeSetError."""
    return {code: line for line, code, _, _ in _table_rows(file, terms)}


def procedure_tables(file: OfficialFile, terms: Terms) -> dict[str, ProcedureTable]:
    """Return the tables with the labels of their axes, by their three characters. Raises CodeSetError."""
    return tables_of((code, head, words) for _, code, head, words in _table_rows(file, terms))


def _table_rows(file: OfficialFile, terms: Terms) -> Iterator[tuple[int, str, _Head, _Words]]:
    """Yield, for every code that the tables allow, line of its row, code, labels of the table, and labels of the row's axes."""
    root = parsed(file.data, file.name, "ICD10PCS.tabular")
    year = (root.findtext("version") or "")[:4]
    if year and year != str(terms.meant_until.year):
        raise file.damaged(2, f"the file says version {year}, its name says {terms.meant_until.year}")
    empty = True
    for table in root.iterchildren("pcsTable"):
        stems = _combined(table)
        for row in table.iterchildren("pcsRow"):
            rests = _combined(row)
            wrong = next((s + r for s, _ in stems for r, _ in rests if not PROCEDURE.fullmatch(s + r) or len(s + r) != 7), None)
            if wrong is not None or not rests or not row.findall("axis"):
                raise file.damaged(row.sourceline, f"{wrong or 'nothing'} is built by this row, and a code has seven characters")
            stated = row.get("codes")
            if stated and stated.isdigit() and int(stated) != len(rests):
                raise file.damaged(row.sourceline, f"the row says {stated} codes and allows {len(rests)}")
            empty = False
            yield from ((row.sourceline, stem + rest, head, words) for stem, head in stems for rest, words in rests)  # type: ignore[misc]
    if empty:
        raise file.damaged(1, "no code in the whole file")


def _combined(element: Any) -> list[tuple[str, tuple[str, ...]]]:
    """Return every combination of the axes of a table or row: characters, and their labels."""
    found: list[tuple[str, tuple[str, ...]]] = [("", ())]
    for axis in element.iterchildren("axis"):
        labels = [(label.get("code", ""), " ".join((label.text or "").split())) for label in axis.iterchildren("label")]
        found = [(code + value, (*words, label)) for code, words in found for value, label in labels]
    return found


def hcpcs_release(file: OfficialFile, terms: Terms) -> CodeSet:
    """Return a release of HCPCS Level II: the fixed-width file of CMS, or the same as CSV. Raises CodeSetError.

    Layout, positions from 1: code 1-5, sequence 6-10, record 11 ("3" first line of a code, "4" more of its title, "7" and "8" modifiers),
    long title 12-91, short title 92-119, added 269-276, effective 277-284, ended 285-292, action 293.
    """
    records = _hcpcs_csv(file) if file.path.suffix.lower() == ".csv" else _hcpcs_fixed(file)
    titles: dict[str, list[str]] = {}
    added: dict[str, date | None] = {}
    ended: dict[str, date] = {}
    for number, code, record, words, begins, ends in records:
        if record in _MODIFIERS:
            continue
        if not _HCPCS.fullmatch(code):
            raise file.damaged(number, f"{code!r} is no HCPCS Level II code", "CPT codes come in a file of their own; see the documentation.")
        if record == _MORE:
            if code not in titles:
                raise file.damaged(number, f"{code} goes on before it begins")
            titles[code].append(words)
        elif record == _FIRST:
            if code in titles:
                raise file.damaged(number, f"{code} comes twice")
            titles[code] = [words]
            added[code] = _day(file, number, begins)
            if last := _day(file, number, ends):
                ended[code] = last
        else:
            raise file.damaged(number, f"{record!r} is no record identification code (3, 4, 7, 8)")
    return _flat(file, HCPCS, terms, {c: " ".join(w for w in words if w) for c, words in titles.items()}, added, ended)


def _hcpcs_fixed(file: OfficialFile) -> Iterator[tuple[int, str, str, str, str, str]]:
    for number, text in file.lines():
        if len(text) < _WIDTH - 1:
            raise file.damaged(number, f"the record has {len(text)} characters, and its dates end at {_WIDTH}")
        yield number, text[:5].strip(), text[10], text[11:91].strip(), text[268:276].strip(), text[284:292].strip()


def _hcpcs_csv(file: OfficialFile) -> Iterator[tuple[int, str, str, str, str, str]]:
    numbered = list(file.lines())
    at: dict[str, int] | None = None
    for number, cells in zip((n for n, _ in numbered), csv.reader(text for _, text in numbered), strict=False):
        heads = [c.strip().upper() for c in cells]
        if at is None:
            at = {key: heads.index(n) for key, names in _COLUMNS.items() for n in names if n in heads}
            missing = next((names[0] for key, names in _COLUMNS.items() if key not in at), None)
            if missing:
                raise file.damaged(number, f"the column {missing} is missing")
            continue
        if len(cells) <= max(at.values()):
            raise file.damaged(number, "a row with too few fields")
        yield number, *(cells[at[key]].strip() for key in ("code", "record", "long", "added", "ended"))  # type: ignore[misc]


def cpt_release(file: OfficialFile, terms: Terms) -> CodeSet:
    """Return a release of CPT from a customer's licensed file, as CSV with the columns of `CPT_COLUMNS`. Raises CodeSetError.

    Dates are YYYY-MM-DD or empty; `replaced_by` names codes, separated by semicolons. Marginalia carries no CPT content of its own.
    """
    numbered = list(file.lines())
    titles: dict[str, str] = {}
    added: dict[str, date | None] = {}
    ended: dict[str, date] = {}
    became: dict[str, tuple[str, ...]] = {}
    heads: list[str] = []
    for number, cells in zip((n for n, _ in numbered), csv.reader(text for _, text in numbered), strict=False):
        if not heads:
            heads = [c.strip().lower() for c in cells]
            unknown = [h for h in heads if h not in CPT_COLUMNS]
            if unknown or heads[:2] != list(CPT_COLUMNS[:2]):
                what = f"the column {unknown[0]} is unknown" if unknown else "the columns code and descriptor are expected first"
                raise file.damaged(number, what, f"The columns are {', '.join(CPT_COLUMNS)}.")
            continue
        row = dict(zip(heads, (c.strip() for c in cells), strict=False))
        code = row.get("code", "")
        if len(cells) != len(heads) or not _CPT.fullmatch(code) or not row["descriptor"]:
            raise file.damaged(number, f"a CPT code, its descriptor and {len(heads)} fields are expected", "Mend the row.")
        if code in titles:
            raise file.damaged(number, f"{code} comes twice", "Keep one of the rows.")
        titles[code] = row["descriptor"]
        added[code] = _day(file, number, row.get("effective_from", ""))
        if last := _day(file, number, row.get("effective_to", "")):
            ended[code] = last
        if new := [c.strip() for c in row.get("replaced_by", "").split(";") if c.strip()]:
            became[code] = tuple(new)
    return _flat(file, CPT, terms, titles, added, ended, became)


def _flat(
    file: OfficialFile,
    system: str,
    terms: Terms,
    titles: Mapping[str, str],
    added: Mapping[str, date | None],
    ended: Mapping[str, date],
    became: Mapping[str, tuple[str, ...]] | None = None,
) -> CodeSet:
    if not titles:
        raise file.damaged(1, "no code in the whole file")
    over = {c for c, last in ended.items() if last < terms.effective_from}
    late = {c for c, first in added.items() if first and first > terms.meant_until}
    entries = {c: Entry(c, title, None) for c, title in titles.items() if c not in over | late}
    ends = {c: last for c, last in ended.items() if c in entries}
    return CodeSet(system, terms.version, terms.effective_from, None, terms.meant_until, entries, frozenset(entries), conversions=became or {}, ends=ends)


def _day(file: OfficialFile, number: int, words: str) -> date | None:
    if not words.strip("0"):
        return None
    for form in ("%Y%m%d", "%Y-%m-%d", "%m/%d/%Y"):
        try:
            return datetime.strptime(words, form).date()
        except ValueError:
            continue
    raise file.damaged(number, f"{words[:20]!r} is no date")
