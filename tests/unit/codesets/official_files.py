"""Writers of official layouts with invented content: order files, addenda, tabular lists and so on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from cds_service.review.codeset import ICD10CM, CodeSet, Entry

# code -> (complete, title)
CODES: Mapping[str, tuple[bool, str]] = {
    "J98": (False, "Marsh disorders"),
    "J981": (True, "Marsh cough"),
    "J98A": (False, "Marsh light lung"),
    "J98A1": (True, "Marsh light lung with tremolo"),
    "J98A2": (True, "Marsh light lung without tremolo"),
    "S93": (False, "Tidal sprain"),
    "S931": (False, "Tidal sprain of ankle"),
    "S931XXA": (True, "Tidal sprain of ankle, initial encounter"),
    "S931XXD": (True, "Tidal sprain of ankle, subsequent encounter"),
}


def order(folder: Path, codes: Mapping[str, tuple[bool, str]] = CODES, name: str = "icd10cm_order_2027.txt") -> Path:
    """Write an order file: number, code, 0 or 1, short title, long title, each at its position."""
    lines = [f"{n:05d} {c:<7} {int(complete)} {title[:60]:<60} {title}" for n, (c, (complete, title)) in enumerate(codes.items(), 1)]
    return write(folder / name, lines)


def codes(folder: Path, of: Mapping[str, tuple[bool, str]] = CODES, name: str = "icd10cm_codes_2027.txt") -> Path:
    """Write a code list."""
    return write(folder / name, [f"{c:<7} {title}" for c, (complete, title) in of.items() if complete])


def addenda(folder: Path, changes: Sequence[tuple[str, int, str, str]], name: str = "icd10cm_order_addenda_2027.txt") -> Path:
    """Write addenda: (action, 0 or 1, code, title)."""
    return write(folder / name, [f"{action + ':':<13}{complete} {code:<8}{title[:60]:<60} {title}" for action, complete, code, title in changes])


def conversion(folder: Path, rows: Sequence[tuple[str, str]], name: str = "icd10cm_conversion_table_FY2027.txt") -> Path:
    """Write a conversion table: (current code, previous codes)."""
    head = ["ICD-10-CM conversion table", "Current code assignment\tEffective\tPrevious Code(s) Assignment"]
    return write(folder / name, [*head, *(f"{new}\t2026\t{old}" for new, old in rows)])


def tabular_list(folder: Path, version: str = "2027", name: str = "icd10cm_tabular_2027.xml", body: str | None = None) -> Path:
    """Write a tabular list of CODES, with an inclusion term and an Excludes1 note."""
    body = body or """
    <diag><name>J98</name><desc>Marsh disorders</desc>
      <diag><name>J98.1</name><desc>Marsh cough</desc><inclusionTerm><note>Bog cough</note></inclusionTerm></diag>
      <diag><name>J98.A</name><desc>Marsh light lung</desc><excludes1><note>marsh cough (J98.1)</note></excludes1>
        <diag><name>J98.A1</name><desc>Marsh light lung with tremolo</desc></diag>
        <diag><name>J98.A2</name><desc>Marsh light lung without tremolo</desc></diag>
      </diag>
    </diag>
    <diag><name>S93</name><desc>Tidal sprain</desc>
      <sevenChrDef><extension char="A">initial encounter</extension><extension char="D">subsequent encounter</extension></sevenChrDef>
      <diag><name>S93.1</name><desc>Tidal sprain of ankle</desc></diag>
    </diag>"""
    text = f"<ICD10CM.tabular>\n<version>{version}</version>\n<chapter><name>1</name><section id='A'>{body}</section></chapter></ICD10CM.tabular>"
    return write(folder / name, ['<?xml version="1.0" encoding="utf-8"?>', *text.split("\n")])


def index(folder: Path, term: str = "Will-o'-wisp lung", code: str = "J98.A-", name: str = "icd10cm_index_2027.xml") -> Path:
    """Write an alphabetic index of one main term with one term below it."""
    below = '<term level="1"><title>tremulous <nemod>(faint)</nemod></title><code>J98.A1</code></term>'
    main = f"<letter><title>W</title><mainTerm><title>{term}</title><code>{code}</code>{below}</mainTerm></letter>"
    return write(folder / name, ["<ICD10CM.index>", "<version>2027</version>", main, "</ICD10CM.index>"])


def hcpcs_record(code: str, record: str, words: str, *, added: str = "20200101", ended: str = "", action: str = "N") -> str:
    """Return one record of 320 characters of the HCPCS file."""
    row = f"{code:<5}{'00100':<5}{record}{words:<80}{'short':<28}"
    return f"{row:<268}{added:<8}{'20270101':<8}{ended:<8}{action}".ljust(320)


def write(path: Path, lines: Sequence[str]) -> Path:
    """Write lines as CMS does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")
    return path


def earlier() -> CodeSet:
    """Return an invented release of FY 2026: J98.2 ends with it, and J98.1 has a note."""
    titles = {"J98": "Marsh disorders", "J98.1": "Marsh cough", "J98.2": "Marsh light lung with tremolo", "S93": "Tidal sprain"}
    titles["S93.1"] = "Tidal sprain of ankle"
    entries = {c: Entry(c, t, c[:3] if len(c) > 3 else None, excludes1=("bog cough (R05.-)",) if c == "J98.1" else ()) for c, t in titles.items()}
    entries["S93"] = Entry("S93", "Tidal sprain", None, seventh=(("A", "initial encounter"), ("D", "subsequent encounter")))
    billable = frozenset({"J98.1", "J98.2", "S93.1XXA", "S93.1XXD"})
    below = {"J98": ("J98.1", "J98.2"), "S93": ("S93.1",)}
    return CodeSet(ICD10CM, "2026-04-01", date(2025, 10, 1), None, date(2026, 9, 30), entries, billable, below)
