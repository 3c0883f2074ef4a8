"""Building: from what is documented of a procedure to its codes, axis by axis and inside the rows of the tables; or to what is left open.

Sources: ICD-10-PCS Official Guidelines for Coding and Reporting: A9 (a row decides), A11 (the coder determines what the documentation equates to in the
definitions), B3.8 (excision or resection), B4.4 (coronary arteries), B5.2 (converted approach), B6.1a (only devices that remain).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cds_service.review.procedures.acts import Documented, NoteActs
from cds_service.review.procedures.bypass import STEM, bypass_codes
from cds_service.review.procedures.parts import Part, fitting
from cds_service.review.procedures.tables import NONE, Axis, ProcedureTable
from cds_service.review.procedures.words import Named, Operation

_CORONARY = ("Coronary Artery, One Artery", "Coronary Artery, Two Arteries", "Coronary Artery, Three Arteries", "Coronary Artery, Four or More Arteries")
_MEDICAL_SURGICAL = "0"
_INSERTION, _DILATION = "H", "7"
_STENT = "Intraluminal Device"


@dataclass(frozen=True, slots=True)
class Built:
    """What came of one procedure: its codes, or the codes that are left to choose from."""

    codes: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()  # where something isn't documented
    elsewhere: tuple[str, ...] = ()  # what was decided by other words of the note: "side", "approach", ...

    @property
    def is_complete(self) -> bool:
        """True where every axis is documented."""
        return bool(self.codes)


@dataclass
class _Table:
    """What one table makes of a procedure."""

    table: ProcedureTable
    groups: tuple[tuple[str, ...], ...] = ()  # codes that remain, one group a side for both sides
    elsewhere: dict[str, None] = field(default_factory=dict)


def built(named: Named | None, operation: Operation | None, said: Documented, note: NoteActs, tables: Mapping[str, ProcedureTable]) -> Built:
    """Return the codes of a procedure, given by name or by a verb, in a release's tables."""
    if named is not None and named.tables == (STEM,) and (grafted := bypass_codes(note.grafts, tables)):
        return Built(grafted)
    found = [made for stem in _stems(named, operation, said, note, tables) if (made := _in_table(tables[stem], named, operation, said, note)).groups]
    if not found:
        return Built()
    elsewhere = tuple(dict.fromkeys(word for made in found for word in made.elsewhere))
    groups = [g for made in found for g in made.groups]
    if len(found) == 1 and all(len(g) == 1 for g in groups):
        return Built(tuple(g[0] for g in groups), (), elsewhere)
    return Built((), tuple(dict.fromkeys(code for g in groups for code in g)), elsewhere)


def _stems(
    named: Named | None, operation: Operation | None, said: Documented, note: NoteActs, tables: Mapping[str, ProcedureTable]
) -> tuple[str, ...]:
    if named is not None:
        devices = (*said.devices, *note.devices)
        instead = next((table for label, table in named.with_device if any(d.startswith(label) or _like(d, label) for d in devices)), None)
        return tuple(stem for stem in ((instead,) if instead else named.tables) if stem in tables)
    if operation is None:
        return ()
    values = {operation.value}
    if operation.value == _INSERTION and any(d.startswith(_STENT) for d in said.devices):
        values = {_DILATION}  # a stent keeps the way through a body part open: dilation with a device, by definition
    if operation.other and said.whole is not True:
        values = {operation.other} if said.whole is False else {operation.value, operation.other}
    return tuple(stem for stem in tables if stem[0] == _MEDICAL_SURGICAL and stem[2] in values)


def _like(device: str, label: str) -> bool:
    """Tell whether a device is of a kind: any tissue or synthetic substitute takes the place that a table keeps for one."""
    return "Substitute" in device and "Substitute" in label


def _in_table(table: ProcedureTable, named: Named | None, operation: Operation | None, said: Documented, note: NoteActs) -> _Table:
    made = _Table(table)
    parts = _parts(named, said, note, made)
    if not parts:
        return made
    values = _sided(table, parts, said, note, made)
    if not values:
        return made
    approaches = _approaches(table, values, named, said, note, made)
    devices = _devices(table, values, approaches, named, said, note, made)
    qualifiers = _qualifiers(table, values, approaches, devices, named, operation, said)
    sides = {s for s in values.values() if s}
    if said.side == "bilateral" and sides == {"right", "left"}:
        each = [[v for v, s in values.items() if s == side] for side in ("right", "left")]
        groups = tuple(table.built((part, approaches, devices, qualifiers)) for part in each)
        made.groups = groups if all(groups) else ()
        return made
    codes = table.built((tuple(values), approaches, devices, qualifiers))
    made.groups = (codes,) if codes else ()
    return made


def _parts(named: Named | None, said: Documented, note: NoteActs, made: _Table) -> tuple[Part, ...]:
    """Return the body parts meant. A name that leaves several is narrowed by the words of its sentence, else of its note."""
    if named is None or not named.parts:
        return said.parts
    if named.parts[0].name == _CORONARY[0]:
        return (Part(_CORONARY[min(len(said.vessels), len(_CORONARY)) - 1]),) if said.vessels else named.parts
    if len(named.parts) > 1:
        for words, where in ((said.others, ""), (note.parts, "body part")):
            names = {p.name for p in words}
            narrowed = tuple(p for p in named.parts if p.name in names)
            if len(narrowed) == 1:
                if where:
                    made.elsewhere[where] = None
                return narrowed
    return named.parts


def _sided(table: ProcedureTable, parts: Iterable[Part], said: Documented, note: NoteActs, made: _Table) -> dict[str, str | None]:
    values = fitting(table.labels[Axis.PART], parts, said.side)
    sides = {s for s in values.values() if s}
    if said.side == "bilateral" and "bilateral" in sides:
        return {v: s for v, s in values.items() if s == "bilateral"}
    if said.side is None and len(sides) > 1 and len(note.sides) == 1:
        made.elsewhere["side"] = None
        return _sided(table, parts, replace(said, side=note.sides[0]), note, made)
    return values


def _approaches(
    table: ProcedureTable, values: Collection[str], named: Named | None, said: Documented, note: NoteActs, made: _Table
) -> tuple[str, ...]:
    """Return the approaches that are documented, in the sentence or else in the note; all that the table allows where none is."""
    rows = table.values(Axis.APPROACH, (values, None, None, None))
    allowed = tuple(a for a in rows if not named or not named.approach or a in named.approach)
    if len(allowed) < 2:
        return allowed or rows
    if note.converted and "0" in allowed and "4" in _chosen((*said.approaches, *note.approaches), allowed):
        return ("0",)
    for words, where in ((said.approaches, ""), (note.approaches, "approach"), (said.weak_approaches, ""), (note.weak_approaches, "approach")):
        documented = _chosen(words, allowed)
        if len(documented) == 1 or (documented and not where):
            if where:
                made.elsewhere[where] = None
            return documented
        if documented:
            break
    return allowed


def _chosen(words: Iterable[tuple[str, ...]], allowed: Collection[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(next(v for v in values if v in allowed) for values in words if any(v in allowed for v in values)))


def _devices(
    table: ProcedureTable,
    values: Collection[str],
    approaches: Sequence[str],
    named: Named | None,
    said: Documented,
    note: NoteActs,
    made: _Table,
) -> tuple[str, ...]:
    """Return the devices that remain: those documented, those a name brings, else none where the table has "No Device"."""
    rows = table.values(Axis.DEVICE, (values, approaches, None, None))
    documented = _labelled(table, Axis.DEVICE, said.devices, rows)
    given = tuple(d for d in rows if named and d in named.device)
    if documented:
        return tuple(d for d in documented if d in given) or documented
    if given and not (named and named.with_device):
        return given
    if NONE in rows:
        return (NONE,)
    from_note = _labelled(table, Axis.DEVICE, note.devices, rows)
    if len(from_note) == 1:
        made.elsewhere["device"] = None
        return from_note
    return rows


def _qualifiers(
    table: ProcedureTable,
    values: Collection[str],
    approaches: Sequence[str],
    devices: Sequence[str],
    named: Named | None,
    operation: Operation | None,
    said: Documented,
) -> tuple[str, ...]:
    rows = table.values(Axis.QUALIFIER, (values, approaches, devices, None))
    wanted = (operation.qualifier,) if operation and operation.qualifier else said.qualifiers
    documented = _labelled(table, Axis.QUALIFIER, wanted, rows)
    given = tuple(q for q in rows if named and q in named.qualifier)
    if len(given) == 1 and (not documented or (named is not None and given != (NONE,))):
        return given
    if documented:
        within = tuple(q for q in documented if q in given)
        return within or documented
    if given:
        return given
    return (NONE,) if NONE in rows else rows


def _labelled(table: ProcedureTable, axis: Axis, labels: Sequence[str], rows: Collection[str]) -> tuple[str, ...]:
    return tuple(v for v in rows if table.label(axis, v) in labels)
