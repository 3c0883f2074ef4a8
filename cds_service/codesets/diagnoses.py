"""A release of ICD-10-CM from the official files of one year.

With a tabular list the notes are the year's own. Without one, a code that the release before holds keeps its notes, and a new code has its title alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from cds_service.codesets.official import Kind, OfficialFile, dotted
from cds_service.codesets.order import DIAGNOSIS, OrderLine, changes, check_changes, conversions, listed, mixed, order_lines
from cds_service.errors import CodeSetError
from cds_service.review.codeset import ICD10CM, CodeSet, Entry
from cds_service.review.codeset_tabular import Tabular, parsed, tabular

_STRAY = 0.05  # share of the index's codes that may be unknown: it has misprints, and another year's index has far more


@dataclass(frozen=True, slots=True)
class Terms:
    """When a release is in force, and what it is called."""

    version: str
    effective_from: date
    meant_until: date


def diagnosis_release(files: Mapping[Kind, OfficialFile], addenda: tuple[OfficialFile, ...], terms: Terms, base: CodeSet | None) -> CodeSet:
    """Return the release that files of one year make.

    Args:
        files: by kind; the order file, or the tabular list with the code list.
        addenda: checked against the other files.
        terms: version and dates.
        base: the release before it.

    Raises:
        CodeSetError: a file is damaged, or two contradict each other; the message names file and line.
    """
    order = files.get(Kind.CM_ORDER)
    codes = files.get(Kind.CM_CODES)
    table = _tabular(files.get(Kind.CM_TABULAR), terms)
    lines = order_lines(order, DIAGNOSIS) if order else None
    if codes is not None:
        complete = listed(codes)
        if lines is not None:
            _same(codes, complete, order.name if order else "", lines)
    elif lines is not None:
        complete = {c: line for c, line in lines.items() if line.complete}
    else:
        raise CodeSetError("There is no order file.", "Give the order file of the year, or its tabular list together with its code list.")
    if table is None and lines is None:
        raise CodeSetError("A code list alone names no headings.", "Give the order file of the year, or the tabular list beside the code list.")
    if order is not None and lines is not None:
        _headed(order, lines)
    source = order or codes
    if table is not None and source is not None:
        _agrees(files[Kind.CM_TABULAR], table, source, complete)
    for file in addenda:
        check_changes(file, changes(file, DIAGNOSIS), lines if lines is not None else complete, source.name if source else "")
    entries, children = (table.entries, table.children) if table else _entries(lines or {}, base)
    billable = frozenset(dotted(c) for c in complete)
    release = CodeSet(ICD10CM, terms.version, terms.effective_from, None, terms.meant_until, entries, billable, children)
    if index := files.get(Kind.CM_INDEX):
        release = replace(release, names=index_names(index, release))
    if became := files.get(Kind.CM_CONVERSION):
        release = replace(release, conversions=conversions(became, DIAGNOSIS))
    return release


def _tabular(file: OfficialFile | None, terms: Terms) -> Tabular | None:
    if file is None:
        return None
    table = tabular(file.data, file.name)
    if table.year and table.year[:4] != str(terms.meant_until.year):
        raise file.damaged(2, f"the file says version {table.year}, its name and the other files say {terms.meant_until.year}")
    return table


def _same(codes: OfficialFile, complete: Mapping[str, OrderLine], order: str, lines: Mapping[str, OrderLine]) -> None:
    for code, line in complete.items():
        if code not in lines or not lines[code].complete:
            raise codes.damaged(line.line, f"{code} is no complete code of {order}")
    missing = next((line for code, line in lines.items() if line.complete and code not in complete), None)
    if missing:
        raise mixed(codes.name, order, f"{missing.code} of line {missing.line} of the order file is missing in the code list")


def _headed(order: OfficialFile, lines: Mapping[str, OrderLine]) -> None:
    """Check that every code stands below a heading, and that no complete code has codes below it."""
    for code, line in lines.items():
        above = next((code[:n] for n in range(len(code) - 1, 2, -1) if code[:n] in lines), None)
        if above is None and len(code) > 3:
            raise order.damaged(line.line, f"{code} stands below no heading: its category {code[:3]} is missing")
        if above is not None and lines[above].complete:
            raise order.damaged(line.line, f"{above} is called complete, and {code} stands below it")


def _agrees(file: OfficialFile, table: Tabular, source: OfficialFile, complete: Mapping[str, OrderLine]) -> None:
    """Check that the tabular list and the listed codes are of one release."""
    stems: set[str] = set()
    for code, line in complete.items():
        stem = dotted(code)
        while stem and stem not in table.entries:
            stem = stem[:-1].rstrip(".")
        rest = dotted(code)[len(stem) :].replace(".", "")
        if not stem or (rest and not _seventh(table, stem, rest, code)):
            raise source.damaged(line.line, f"{code} is unknown to {file.name}", "Put together the files of one release.")
        stems.add(stem)
    for code, entry in table.entries.items():
        if not table.children[code] and code not in stems:
            raise file.damaged(table.lines[code], f"{entry.code} is missing in {source.name}", "Put together the files of one release.")


def _seventh(table: Tabular, stem: str, rest: str, code: str) -> bool:
    at: str | None = stem
    while at and not table.entries[at].seventh:
        at = table.entries[at].parent
    return bool(at) and len(code) == 7 and not rest[:-1].strip("X") and rest[-1] in {c for c, _ in table.entries[at or ""].seventh}


def _entries(lines: Mapping[str, OrderLine], base: CodeSet | None) -> tuple[dict[str, Entry], dict[str, tuple[str, ...]]]:
    """Return entries and children as the tabular list would give them; 7th characters are meanings of an entry, not entries."""
    seventh: dict[str, list[tuple[str, str]]] = defaultdict(list)
    entries: dict[str, Entry] = {}
    for code, line in lines.items():
        stem = code[:6].rstrip("X")
        if len(code) == 7 and stem in lines and _is_seventh(code, stem, base):
            title = lines[stem].title
            meaning = line.title[len(title) :].strip(" ,") if line.title.startswith(title) else line.title
            seventh[dotted(stem)].append((code[-1], meaning))
            continue
        written = dotted(code)
        known = base.entries.get(written) if base else None
        entries[written] = replace(known, title=line.title) if known else Entry(written, line.title, None)
    below: dict[str, list[str]] = defaultdict(list)
    for code in list(entries):
        parent = next((p for n in range(len(code) - 1, 2, -1) if (p := code[:n].rstrip(".")) in entries and p != code), None)
        own = entries[code].seventh or (tuple(seventh[code]) if code in seventh and not _inherits(code, base) else ())
        entries[code] = replace(entries[code], parent=parent, seventh=own)
        if parent:
            below[parent].append(code)
    return entries, {code: tuple(below[code]) for code in entries}


def _is_seventh(code: str, stem: str, base: CodeSet | None) -> bool:
    """Tell whether the last of seven characters is an extension: as in the release before; for a new code, where it is a letter."""
    if base is not None:
        if dotted(code) in base.entries:
            return False
        if base.is_billable(dotted(code)) or base.seventh(dotted(stem)):
            return True
    return code[-1].isalpha()


def _inherits(code: str, base: CodeSet | None) -> bool:
    return bool(base and base.is_valid(code) and base.seventh(code))


def index_names(file: OfficialFile, release: CodeSet) -> dict[str, tuple[str, ...]]:
    """Return the names that the alphabetic index gives to codes, as "Fracture, traumatic, rib". Raises CodeSetError."""
    root = parsed(file.data, file.name, "ICD10CM.index")
    found: dict[str, list[str]] = defaultdict(list)
    stray: list[tuple[int, str]] = []
    total = 0
    for term in root.iter("mainTerm"):
        for names, code, line in _terms(term, ()):
            total += 1
            plain = code.rstrip("-").rstrip(".")
            if release.is_valid(plain) or release.stem(plain) not in ("", plain[:3]):
                found[release.stem(plain) if not release.is_valid(plain) else plain].append(", ".join(names))
            else:
                stray.append((line, code))
    if not total:
        raise file.damaged(1, "no code in the whole file")
    if len(stray) > _STRAY * total:
        line, code = stray[0]
        raise file.damaged(line, f"{code} and {len(stray) - 1} more codes are no codes of release {release.version}", "Give the index of the same year.")
    return {code: tuple(dict.fromkeys(names)) for code, names in found.items()}


def _terms(term: Any, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, int]]:
    title = term.find("title")
    words = "".join(t for t in ([title.text or ""] + [c.tail or "" for c in title])).strip() if title is not None else ""
    names = (*above, " ".join(words.split()))
    code = term.findtext("code")
    if code:
        yield names, code.strip(), term.sourceline
    for child in term.iterchildren("term"):
        yield from _terms(child, names)
