"""What is at hand: releases and risk models of packages and of the library, and rule files of payers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cds_service.codesets.library import Library, Shelf
from cds_service.customer_files import put_text
from cds_service.denials.shelf import DenialShelf
from cds_service.errors import RuleError
from cds_service.review.codeset import ICD10CM, CodeSet, CodeSets
from cds_service.review.knowledge import Knowledge, packaged_code_sets, packaged_risk
from cds_service.review.payer import PayerRules
from cds_service.review.payer_file import payer_rules

_LARGEST = 4 * 2**20  # bytes of a rule file


@dataclass(frozen=True)
class AtHand:
    """The data folder of an installation: `codesets/` holds the library, `payers/` one rule file a payer, `denials/` what remittances taught."""

    folder: Path

    @cached_property
    def library(self) -> Library:
        """The releases imported, on top of those of packages."""
        return Library(self.folder / "codesets", packaged_code_sets(), packaged_risk())

    @property
    def denials(self) -> DenialShelf:
        """The scores of denials, by tenant."""
        return DenialShelf(self.folder / "denials")

    @property
    def stamp(self) -> str:
        """A mark that changes with every change of the folder that counts. Cheap enough to be asked often."""
        mark = hashlib.sha256()
        for path in (self.folder / "codesets" / "state.json", *self.payer_files(), *self.denials.files()):
            try:
                state = path.stat()
            except OSError:
                continue
            mark.update(f"{path.name} {state.st_mtime_ns} {state.st_size} {state.st_ino}\n".encode())
        return mark.hexdigest()

    def knowledge(self, claim_tables: Path | None = None) -> Knowledge:
        """Read everything. Raises CodeSetError or RuleError where a file is damaged."""
        shelf: Shelf = self.library.shelf()
        return Knowledge.load(claim_tables, code_sets=shelf.code_sets, risk=shelf.risk, payers=self.payers(shelf.code_sets), maps=shelf.maps)

    def payer_files(self) -> tuple[Path, ...]:
        """Return the rule files, by name."""
        return tuple(sorted((self.folder / "payers").glob("*.toml")))

    def payers(self, releases: CodeSets) -> tuple[PayerRules, ...]:
        """Return the rules of all files. Raises RuleError, with file and line, where one is wrong."""
        return tuple(payer_rules(p.name, read_rules(p), releases) for p in self.payer_files())

    def put_rules(self, path: Path, releases: CodeSets) -> PayerRules:
        """Check a rule file and put it in force in place of an earlier one of the same name. Raises RuleError; nothing has changed then."""
        if path.suffix != ".toml":
            raise RuleError(f"{path.name} is no .toml file.", "Give the rules as TOML.")
        text = read_rules(path)
        rules = payer_rules(path.name, text, releases)
        for other in self.payer_files():
            if other.name != path.name and payer_rules(other.name, read_rules(other), releases).payer == rules.payer:
                raise RuleError(f"{path.name}, line 1: the rules of {rules.payer} are in {other.name} already.", "Keep one file a payer.")
        place = self.folder / "payers" / path.name
        put_text(place, text)
        return rules

    def drop_rules(self, name: str) -> None:
        """Take a rule file out of force. Raises RuleError where there is none of this name."""
        found = next((p for p in self.payer_files() if name in (p.name, p.stem)), None)
        if found is None:
            raise RuleError(f"There is no rule file {name}.", f"There are: {', '.join(p.name for p in self.payer_files()) or 'none'}.")
        found.unlink()


def read_rules(path: Path) -> str:
    """Return the text of a rule file. Raises RuleError where it can't be read."""
    try:
        if path.stat().st_size > _LARGEST:
            raise RuleError(f"{path.name}, line 1: the file is larger than {_LARGEST} bytes.", "Give the rules of one payer.")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise RuleError(f"{path.name} can't be read ({error.strerror}).", "Check that Marginalia may read it.") from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise RuleError(f"{path.name}, line {line}: not UTF-8.", "Save the file as UTF-8.") from error


def additions(releases: CodeSets) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the codes and names that later releases of ICD-10-CM add to the oldest, for the engine to find.

    The engine was trained on the oldest release at hand; what that one holds it knows.
    """
    known: CodeSet | None = None
    found: dict[str, dict[str, None]] = {}
    for release in releases.of(ICD10CM):
        if known is None:
            known = release
            continue
        for code, entry in release.entries.items():
            before = known.entries.get(code)
            old = {n.lower() for n in (before.title, *before.inclusion)} if before else set()
            names = (entry.title, *entry.inclusion, *(() if before else release.names.get(code, ())))
            if fresh := [n for n in names if n.lower() not in old and (not before or len(n) > 3)]:
                found.setdefault(code, {}).update(dict.fromkeys(fresh))
    return tuple((code, tuple(names)) for code, names in found.items())
