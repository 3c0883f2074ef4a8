"""The tabular list of ICD-10-CM as NCHS publishes it: XML with the notes that stand at each code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from cds_service.errors import CodeSetError
from cds_service.review.codeset import Entry

_REMEDY = "Download the file again, and don't edit it."


@dataclass(frozen=True)
class Tabular:
    """A tabular list."""

    year: str  # as the file says: "2027"
    entries: Mapping[str, Entry]
    children: Mapping[str, tuple[str, ...]]
    lines: Mapping[str, int] = field(default_factory=dict, repr=False)  # of the file, where a code stands


def tabular(data: bytes, name: str) -> Tabular:
    """Read a tabular list.

    Args:
        data: the file.
        name: what messages call it.

    Raises:
        CodeSetError: it is damaged or no tabular list; the message names the line.
    """
    root = parsed(data, name, "ICD10CM.tabular")
    entries: dict[str, Entry] = {}
    children: dict[str, tuple[str, ...]] = {}
    lines: dict[str, int] = {}
    for chapter in root.iterchildren("chapter"):
        for section in chapter.iterchildren("section"):
            # Notes of a chapter or block hold for every category below it.
            blocks = [_read(element)[1] for element in (chapter, section)]
            above = {tag: tuple(line for notes in blocks for line in notes.get(tag, ())) for tag in ("excludes1", "excludes2")}
            for category in section.iterchildren("diag"):
                _add(category, None, above, entries, children, lines, name)
    if not entries:
        raise CodeSetError(f"{name}, line 1: no code in the whole file.", _REMEDY)
    return Tabular((root.findtext("version") or "").strip(), entries, children, lines)


def parsed(data: bytes, name: str, tag: str) -> Any:
    """Return the root of an XML file. Raises CodeSetError, with the line, where it is damaged or its root is not `tag`."""
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    except etree.XMLSyntaxError as error:
        raise CodeSetError(f"{name}, line {error.lineno}: not well-formed XML ({error.msg}).", _REMEDY) from error
    if root.tag != tag:
        raise CodeSetError(f"{name}, line {root.sourceline}: the root is <{root.tag}>, where <{tag}> is expected.", "Give each file its own place and name.")
    return root


def _read(element: Any) -> tuple[dict[str, str], dict[str, tuple[Any, ...]], list[Any]]:
    """Return the texts, the notes by kind, and the codes below an element of the tabular list."""
    texts: dict[str, str] = {}
    notes: dict[str, tuple[Any, ...]] = {}
    below: list[Any] = []
    for child in element:
        if child.tag == "diag":
            below.append(child)
        elif child.tag in ("name", "desc"):
            texts[child.tag] = child.text or ""
        elif child.tag == "sevenChrDef":
            notes["seventh"] = tuple((x.get("char") or "", x.text or "") for x in child if x.tag == "extension")
        elif isinstance(child.tag, str):
            notes[child.tag] = (*notes.get(child.tag, ()), *(n.text or "" for n in child if n.tag == "note"))
    return texts, notes, below


def _add(
    element: Any,
    parent: str | None,
    above: Mapping[str, tuple[str, ...]],
    entries: dict[str, Entry],
    children: dict[str, tuple[str, ...]],
    lines: dict[str, int],
    name: str,
) -> None:
    texts, notes, below = _read(element)
    code = texts.get("name", "")
    if not code or code in entries or (parent and not code.startswith(parent)):
        told = f"{code} comes twice" if code in entries else f"{code or 'a code without name'} doesn't belong below {parent or 'its section'}"
        raise CodeSetError(f"{name}, line {element.sourceline}: {told}.", _REMEDY)
    lines[code] = element.sourceline
    entries[code] = Entry(
        code,
        texts.get("desc", ""),
        parent,
        (*notes.get("inclusionTerm", ()), *notes.get("includes", ())),
        (*notes.get("excludes1", ()), *above.get("excludes1", ())),
        (*notes.get("excludes2", ()), *above.get("excludes2", ())),
        notes.get("codeFirst", ()),
        notes.get("useAdditionalCode", ()),
        notes.get("codeAlso", ()),
        notes.get("seventh", ()),
    )
    children[code] = tuple(d.findtext("name") or "" for d in below)
    for child in below:
        _add(child, code, {}, entries, children, lines, name)
