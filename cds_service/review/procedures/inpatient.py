"""Procedures of an inpatient: from the acts of all notes and the procedures of the chart to codes of ICD-10-PCS.

Sources: ICD-10-PCS Official Guidelines: B3.1b (components aren't coded), B3.2 (several procedures), B3.11a (an inspection that belongs to another
procedure isn't coded); UHDDS (what was done at this stay is reported).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cds_service.review.procedures.acts import Act, Documented, NoteActs, Status
from cds_service.review.procedures.building import Built, built
from cds_service.review.procedures.tables import ProcedureTable
from cds_service.review.procedures.words import Named, Operation

_ABDOMINAL = frozenset("DFTUV7G")  # body systems that a look into the peritoneal cavity belongs to
_LOOKS_UP = "06"  # upper intestinal tract, stomach
_UPPER = frozenset("1234569A7")  # body parts of the upper intestinal tract in the gastrointestinal system


@dataclass(frozen=True, slots=True)
class Told:
    """Where a procedure is told: an act of a note, or the label of a resource of the chart."""

    source: str
    act: Act
    structured: bool = False


@dataclass(frozen=True, slots=True)
class Performed:
    """One procedure, with all places that tell it and what came of it."""

    name: str
    told: tuple[Told, ...]
    built: Built
    by_name: bool
    converted: bool = False  # from endoscopic to open


@dataclass(frozen=True, slots=True)
class _Key:
    tables: tuple[str, ...]
    parts: tuple[str, ...]
    device: str
    qualifier: str
    operation: str
    side: str | None


def performed(notes: Mapping[str, NoteActs], chart: Sequence[Told], tables: Mapping[str, ProcedureTable]) -> tuple[Performed, ...]:
    """Return the procedures that were done, each once.

    Args:
        notes: acts by the source of their note, oldest first.
        chart: procedures of the chart without a code, read from their labels.
        tables: of the release in force.
    """
    found: list[Performed] = []
    for source, note in notes.items():
        done = [Told(source, act) for act in note.acts if act.status is Status.DONE]
        found += [_made(group, named, operation, note, tables) for named, operation, group in _groups(done)]
    nothing = NoteActs(())
    for one in chart:
        found += [_made(group, named, operation, nothing, tables) for named, operation, group in _groups([one])]
    some = [p for p in found if p.built.codes or p.built.possible]
    return _joined(_without_inspections([p for p in some if not any(_says_more(other, p) for other in some)]))


def alone(act: Act, note: NoteActs, tables: Mapping[str, ProcedureTable]) -> Built:
    """Return what one act would be coded with, had it been done."""
    return built(act.named[0] if act.named else None, act.operation, act.said, note, tables)


def _groups(told: Sequence[Told]) -> Iterator[tuple[Named | None, Operation | None, list[Told]]]:
    """Yield the procedures of a note, each with all sentences that tell it; one told without side belongs to the one that has a side."""
    groups: dict[_Key, tuple[Named | None, Operation | None, list[Told]]] = {}
    for one in told:
        for named in one.act.named or (None,):
            groups.setdefault(_key(named, one.act), (named, one.act.operation, []))[2].append(one)
    for key, (named, operation, group) in groups.items():
        sided = [k for k in groups if k.side is not None and replace(k, side=None) == key]
        if key.side is None and sided:
            for other in sided:
                groups[other][2].extend(group)
            continue
        yield named, operation, group


def _key(named: Named | None, act: Act) -> _Key:
    parts = named.parts if named and named.parts else act.said.parts
    names = tuple(sorted(f"{p.name}@{p.side}" for p in parts))
    if named is None:
        return _Key((), names, "", "", act.operation.value if act.operation else "", act.said.side)
    return _Key(named.tables, names, named.device, named.qualifier, "", act.said.side)


def _made(
    group: Sequence[Told], named: Named | None, operation: Operation | None, note: NoteActs, tables: Mapping[str, ProcedureTable]
) -> Performed:
    said = _together([t.act.said for t in group])
    name = max((t.act.name for t in group), key=len)
    made = built(named, operation, said, note, tables)
    return Performed(name, tuple(group), made, named is not None, note.converted and any(c[4] == "0" for c in made.codes))


def _together(said: Sequence[Documented]) -> Documented:
    def all_of(name: str) -> tuple[object, ...]:
        return tuple(dict.fromkeys(value for one in said for value in getattr(one, name)))

    side = next((s.side for s in said if s.side), None)
    whole = next((s.whole for s in said if s.whole is not None), None)
    first = next((s.parts for s in said if s.parts), ())
    joined = {name: all_of(name) for name in ("others", "approaches", "weak_approaches", "devices", "qualifiers", "vessels")}
    return Documented(parts=first, side=side, whole=whole, **joined)  # type: ignore[arg-type]


def _says_more(other: Performed, one: Performed) -> bool:
    """Tell whether another procedure of the same note has the name of this one and more before it: "partial nephrectomy" over "nephrectomy"."""
    if not (one.by_name and other.by_name) or {t.source for t in one.told} - {t.source for t in other.told}:
        return False
    longer, shorter = other.name.lower().split(), one.name.lower().split()
    return len(longer) > len(shorter) and longer[-len(shorter) :] == shorter


def _without_inspections(found: Sequence[Performed]) -> list[Performed]:
    """Return the procedures without looks that belong to another (guideline B3.11a)."""
    others = {code for p in found for code in (p.built.codes or p.built.possible) if code[:1] != "0" or code[2] != "J"}
    return [p for p in found if not (p.built.codes and all(_belongs(code, others) for code in p.built.codes))]


def _belongs(code: str, others: Iterable[str]) -> bool:
    if code[0] != "0" or code[2] != "J":
        return False
    return any(_same_region(code, other) for other in others if other[0] == "0")


def _same_region(look: str, other: str) -> bool:
    if look[1] == "W":
        return look[3] in "GJ" and (other[1] in _ABDOMINAL or other[:2] == "0W") and other[4] == look[4]
    if look[1] != other[1]:
        return {look[1], other[1]} <= {"S", "M", "L", "Q"} or ({look[1], other[1]} <= {"T", "V"} and other[4] == look[4])
    if look[1] == "D":
        return other[4] == look[4] and (other[3] in _UPPER) == (look[3] in _LOOKS_UP)
    return other[4] == look[4] or look[1] in "SR"


def _joined(found: Sequence[Performed]) -> tuple[Performed, ...]:
    """Return each procedure once: what is told with less detail elsewhere belongs to the one that is complete."""
    complete: dict[tuple[str, ...], Performed] = {}
    for one in (p for p in found if p.built.codes):
        same = complete.get(one.built.codes)
        complete[one.built.codes] = replace(same, told=_once((*same.told, *one.told)), by_name=same.by_name or one.by_name) if same else one
    kept = dict(complete)
    open_ones: dict[tuple[str, ...], Performed] = {}
    for one in (p for p in found if not p.built.codes):
        fuller = next((codes for codes in kept if set(codes) <= set(one.built.possible)), None)
        if fuller is not None:
            kept[fuller] = replace(kept[fuller], told=_once((*kept[fuller].told, *one.told)))
            continue
        narrower = next((possible for possible in open_ones if set(possible) & set(one.built.possible)), None)
        if narrower is None:
            open_ones[one.built.possible] = one
        elif len(one.built.possible) < len(narrower):
            open_ones[one.built.possible] = replace(one, told=_once((*one.told, *open_ones.pop(narrower).told)))
        else:
            open_ones[narrower] = replace(open_ones[narrower], told=_once((*open_ones[narrower].told, *one.told)))
    return (*kept.values(), *open_ones.values())


def _once(told: Iterable[Told]) -> tuple[Told, ...]:
    return tuple({(t.source, t.act.begin, t.act.end): t for t in told}.values())
