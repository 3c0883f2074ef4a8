"""The library: releases of code systems that the customer imported, kept in one folder.

`state.json` says which releases count. A release is read and checked as a whole before it is taken in: its files are copied to a temporary folder,
which is renamed, and then `state.json` is replaced in one step. The states before are kept, so that every change can be rolled back; a failed import
changes nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cds_service.codesets.archives import unpacked
from cds_service.codesets.diagnoses import Terms, diagnosis_release
from cds_service.codesets.official import Kind, OfficialFile, recognised
from cds_service.codesets.order import mixed
from cds_service.codesets.procedures import cpt_release, hcpcs_release, procedure_release
from cds_service.codesets.risk import risk_model
from cds_service.codesets.snomed import snomed_map
from cds_service.errors import CodeSetError
from cds_service.review.codeset import ICD10CM, CodeSet, CodeSets
from cds_service.review.risk import RiskModel
from cds_service.review.snomed import SnomedMap

_HCC, _MAP = "cms-hcc-v28", "snomed-icd-10-cm"
_FAMILY: dict[Kind, str] = {
    **dict.fromkeys((Kind.CM_ORDER, Kind.CM_CODES, Kind.CM_ADDENDA, Kind.CM_CONVERSION, Kind.CM_TABULAR, Kind.CM_INDEX), "icd-10-cm"),
    **dict.fromkeys((Kind.PCS_ORDER, Kind.PCS_ADDENDA, Kind.PCS_CONVERSION, Kind.PCS_TABLES), "icd-10-pcs"),
    Kind.HCPCS: "hcpcs",
    Kind.CPT: "cpt",
    Kind.HCC: _HCC,
    Kind.SNOMED_MAP: _MAP,
}
FAMILIES = tuple(dict.fromkeys(_FAMILY.values()))
_LOSS = 0.1  # share of the codes before that a new release may drop: a year drops less than one in a hundred


@dataclass(frozen=True, slots=True)
class Held:
    """A release of the library."""

    id: str  # its folder
    family: str  # "icd-10-cm"
    version: str
    effective_from: str  # ISO dates
    meant_until: str
    files: tuple[tuple[str, str], ...]  # name, SHA-256
    imported: str
    codes: int

    @property
    def terms(self) -> Terms:
        """Version and dates."""
        return Terms(self.version, date.fromisoformat(self.effective_from), date.fromisoformat(self.meant_until))


@dataclass(frozen=True, slots=True)
class Choices:
    """What whoever imports says beside the files."""

    effective_from: date | None = None  # else by the names of the files
    meant_until: date | None = None
    supersede: bool = False  # a release that overlaps gives way
    accept_losses: bool = False


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is on hand: code sets of all systems, and risk models."""

    code_sets: CodeSets
    risk: tuple[RiskModel, ...]
    maps: tuple[SnomedMap, ...] = ()  # SNOMED CT to ICD-10-CM


class Library:
    """The releases kept in a folder, on top of those that packages carry."""

    def __init__(self, folder: Path, packaged: Iterable[CodeSet], risk: Iterable[RiskModel]) -> None:
        self._folder = folder
        self._packaged = tuple(packaged)
        self._risk = tuple(risk)

    @property
    def stamp(self) -> str:
        """A mark that changes with every import, removal and rollback."""
        try:
            return hashlib.sha256(self._state.read_bytes()).hexdigest()
        except OSError:
            return ""

    @property
    def _state(self) -> Path:
        return self._folder / "state.json"

    def held(self) -> tuple[Held, ...]:
        """Return the imported releases that count. Raises CodeSetError where the state is damaged."""
        try:
            return _read_state(self._state)
        except FileNotFoundError:
            return ()

    def shelf(self) -> Shelf:
        """Read everything on hand. Raises CodeSetError where a file isn't the one that was imported, or can't be read."""
        return self._shelf({h: self._files(h) for h in self.held()})

    def bring(self, paths: Sequence[Path], choices: Choices = Choices()) -> tuple[tuple[Held, ...], list[str]]:
        """Import the official files among files, folders, ZIP archives and workbooks, all or nothing.

        Returns:
            The releases now held, and the names of files in folders that are no official files.

        Raises:
            CodeSetError: a file is damaged, mixed up with another, or overlaps a release at hand. Nothing has changed then.
        """
        with unpacked(paths) as plain:
            return self._bring(plain, choices)

    def _bring(self, paths: Sequence[Path], choices: Choices) -> tuple[tuple[Held, ...], list[str]]:
        files, others = recognised(paths)
        groups: dict[str, list[OfficialFile]] = defaultdict(list)
        for file in files:
            groups[_FAMILY[file.kind]].append(file)
        with self._locked():
            before = self.held()
            fresh = {self._new(family, group, choices): tuple(group) for family, group in groups.items()}
            kept = tuple(h for h in before if not self._gives_way(h, fresh, choices))
            for held in fresh:
                self._check_place(held, kept, choices)
            shelf = self._shelf({**{h: self._files(h) for h in kept}, **fresh})
            if not choices.accept_losses:
                _check_losses(fresh, shelf)
            counted = {h: replace(h, codes=_count(h, shelf)) for h in fresh}
            for held, group in fresh.items():
                self._copy(held, group)
            self._write((*kept, *counted.values()))
        return tuple(counted.values()), others

    def remove(self, family: str, version: str) -> Held:
        """Take a release out of force; its files stay for a rollback. Raises CodeSetError where there is none."""
        with self._locked():
            held = self.held()
            gone = next((h for h in held if (h.family, h.version) == (family, version)), None)
            if gone is None:
                names = ", ".join(f"{h.family} {h.version}" for h in held) or "none"
                raise CodeSetError(f"No release {version} of {family} was imported.", f"Imported are: {names}.")
            kept = tuple(h for h in held if h is not gone)
            self._shelf({h: self._files(h) for h in kept})
            self._write(kept)
        return gone

    def roll_back(self) -> tuple[Held, ...]:
        """Return to the state before the last change, and name what is held then. Raises CodeSetError where there is none."""
        with self._locked():
            states = sorted((self._folder / "states").glob("*.json"))
            if not states:
                raise CodeSetError("There is no earlier state.", "Nothing was imported or removed yet.")
            held = _read_state(states[-1])
            self._shelf({h: self._files(h) for h in held})
            os.replace(states[-1], self._state)
        return held

    def _new(self, family: str, files: Sequence[OfficialFile], choices: Choices) -> Held:
        first = files[0]
        for other in files[1:]:
            if other.year != first.year or other.span()[0] != first.span()[0]:
                raise mixed(first.name, other.name, "their names are of different years")
        begins, until = first.span()
        begins, until = choices.effective_from or begins, choices.meant_until or until
        if begins > until:
            raise CodeSetError(f"The release would begin on {begins} and end on {until}.", "Give --from and --until in order.")
        usual = first.span()[0] == begins and begins.month in (1, 10) and first.kind not in (Kind.HCPCS, Kind.SNOMED_MAP)
        version = str(first.year) if usual else begins.isoformat()
        hashes = tuple(sorted((f.name, hashlib.sha256(f.data).hexdigest()) for f in files))
        mark = hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:12]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Held(f"{family}-{version}-{mark}", family, version, begins.isoformat(), until.isoformat(), hashes, now, 0)

    def _gives_way(self, old: Held, fresh: Iterable[Held], choices: Choices) -> bool:
        return choices.supersede and any(new.family == old.family and new.effective_from == old.effective_from for new in fresh)

    def _check_place(self, new: Held, kept: Iterable[Held], choices: Choices) -> None:
        """Check that a release overlaps no other, or may."""
        spans = [(f"{h.family} {h.version}", h.effective_from, h.meant_until) for h in kept if h.family == new.family]
        if new.family == "icd-10-cm":
            spans += [(f"{new.family} {r.version}", r.effective_from.isoformat(), str(r.superseded_after or r.effective_from)) for r in self._packaged]
        for name, begins, until in spans:
            if begins <= new.meant_until and new.effective_from <= until and not choices.supersede:
                own = f"{new.files[0][0]}, line 1: release {new.version}, {new.effective_from} to {new.meant_until}"
                told = f"{own}, overlaps {name}, {begins} to {until}."
                raise CodeSetError(told, "Give --from and --until for an update within the year, or --supersede where it takes the other's place.")

    def _shelf(self, files: Mapping[Held, Sequence[OfficialFile]]) -> Shelf:
        ordered = sorted(files, key=lambda h: h.effective_from)
        releases: list[CodeSet] = list(self._packaged)
        risk = list(self._risk)
        maps: list[SnomedMap] = []
        for held in ordered:
            by_kind = {f.kind: f for f in files[held]}
            if held.family == _MAP:
                maps.append(snomed_map(by_kind[Kind.SNOMED_MAP], held.terms))
                continue
            if held.family == _HCC:
                year = held.terms.effective_from.year + 1
                base = max(risk, key=lambda m: m.payment_year)
                risk = [m for m in risk if m.payment_year != year] + [risk_model(by_kind[Kind.HCC], year, base)]
                continue
            base_set = max((r for r in releases if r.system == ICD10CM and r.effective_from <= held.terms.effective_from), key=_begin, default=None)
            release = _release(held, by_kind, files[held], base_set)
            releases = [r for r in releases if (r.system, r.effective_from) != (release.system, release.effective_from)] + [release]
        return Shelf(CodeSets(releases), tuple(sorted(risk, key=lambda m: m.payment_year)), tuple(maps))

    def _files(self, held: Held) -> tuple[OfficialFile, ...]:
        found = []
        for name, sha256 in held.files:
            file = OfficialFile.of(self._folder / "releases" / held.id / name)
            if file is None or hashlib.sha256(file.data).hexdigest() != sha256:
                raise CodeSetError(f"{name} of release {held.version} isn't the file that was imported.", "Import the release again, or roll back.")
            found.append(file)
        return tuple(found)

    def _copy(self, held: Held, files: Iterable[OfficialFile]) -> None:
        place = self._folder / "releases" / held.id
        if place.exists():
            shutil.rmtree(place)  # left by an import that was cut off, or the same files again
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=".new-"))
        try:
            for file in files:
                _write_file(temporary / file.name, file.data)
            temporary.chmod(0o755)
            os.replace(temporary, place)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise CodeSetError(f"The release can't be written ({error.strerror}).", "Check space and rights of the data folder.") from error

    def _write(self, held: Iterable[Held]) -> None:
        text = json.dumps({"releases": [asdict(h) for h in sorted(held, key=lambda h: h.id)]}, indent=2)
        states = self._folder / "states"
        number = max((int(p.stem) for p in states.glob("*.json")), default=0) + 1
        earlier = states / f"{number:05d}.json"
        try:
            states.mkdir(parents=True, exist_ok=True)
            _write_file(earlier, self._state.read_bytes() if self._state.exists() else b'{"releases": []}')
            _write_file(self._folder / "state.json.new", text.encode())
            os.replace(self._folder / "state.json.new", self._state)
        except OSError as error:
            earlier.unlink(missing_ok=True)  # nothing has changed that could be rolled back
            raise CodeSetError(f"The state of the library can't be written ({error.strerror}).", "Check space and rights of the data folder.") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time change the library."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            raise CodeSetError(f"The data folder {self._folder} can't be written ({error.strerror}).", "Set MARGINALIA_DATA to a folder of its own.") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _release(held: Held, by_kind: Mapping[Kind, OfficialFile], files: Iterable[OfficialFile], base: CodeSet | None) -> CodeSet:
    terms = held.terms
    match held.family:
        case "icd-10-cm":
            return diagnosis_release(by_kind, tuple(f for f in files if f.kind is Kind.CM_ADDENDA), terms, base)
        case "icd-10-pcs":
            return procedure_release(by_kind, tuple(f for f in files if f.kind is Kind.PCS_ADDENDA), terms)
        case "hcpcs":
            return hcpcs_release(by_kind[Kind.HCPCS], terms)
        case _:
            return cpt_release(by_kind[Kind.CPT], terms)


def _begin(release: CodeSet) -> date:
    return release.effective_from


def _count(held: Held, shelf: Shelf) -> int:
    if held.family == _MAP:
        return len(next(m for m in shelf.maps if m.effective_from == held.terms.effective_from))
    if held.family == _HCC:
        return len(next(m for m in shelf.risk if m.payment_year == held.terms.effective_from.year + 1).categories)
    return len(_own(held, shelf).billable)


def _own(held: Held, shelf: Shelf) -> CodeSet:
    family = {"icd-10-cm": "icd-10-cm", "icd-10-pcs": "ICD10", "hcpcs": "HCPCS", "cpt": "cpt"}[held.family]
    return next(r for r in shelf.code_sets if family in r.system and r.effective_from == held.terms.effective_from)


def _check_losses(fresh: Iterable[Held], shelf: Shelf) -> None:
    """Refuse a release that drops far more codes than a year does: a file that was cut off."""
    for held in fresh:
        if held.family in (_HCC, _MAP):
            continue
        own = _own(held, shelf)
        before = next((r for r in reversed(shelf.code_sets.of(own.system)) if r.effective_from < own.effective_from), None)
        if before and len(before.billable - own.billable) > _LOSS * len(before.billable):
            gone = len(before.billable - own.billable)
            told = f"{held.files[0][0]}, line {len(own.billable)}: {gone} of the {len(before.billable)} codes of release {before.version} are missing."
            raise CodeSetError(told, "Check that the file is whole; give --accept-losses if it is meant so.")


def _read_state(path: Path) -> tuple[Held, ...]:
    try:
        document: Any = json.loads(path.read_bytes())
        return tuple(Held(**{**h, "files": tuple((n, s) for n, s in h["files"])}) for h in document["releases"])
    except (ValueError, KeyError, TypeError) as error:
        raise CodeSetError(f"{path.name} of the library is damaged.", "Restore it from a backup, or roll back.") from error


def _write_file(path: Path, data: bytes) -> None:
    """Write a file so that it survives a power cut."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())

