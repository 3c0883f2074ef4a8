"""The shelf of learned scores: one folder a tenant, one file a version; the newest is in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote, unquote

from cds_service.customer_files import put_text
from cds_service.errors import NotFoundError, RuleError
from cds_service.review.claims.learned import LearnedDenials

__all__ = ["DenialShelf"]


@dataclass(frozen=True)
class DenialShelf:
    """The scores in a folder."""

    folder: Path

    def files(self) -> tuple[Path, ...]:
        """Return the files in force, one a tenant."""
        newest = {p.parent: p for p in sorted(self.folder.glob("*/*.json"))}
        return tuple(newest[folder] for folder in sorted(newest))

    def in_force(self) -> dict[str, LearnedDenials]:
        """Return the scores by tenant. Raises RuleError, with file and line, where one is damaged."""
        return {unquote(p.parent.name): _read(p) for p in self.files()}

    def of(self, tenant: str) -> LearnedDenials | None:
        """Return the score of a tenant; None where nothing was trained. Raises RuleError where it is damaged."""
        versions = self._versions(tenant)
        return _read(versions[-1]) if versions else None

    def next_version(self, tenant: str, today: date) -> str:
        """Return the name of a version trained today."""
        taken = {p.stem for p in self._versions(tenant)}
        return next(name for n in range(1, 1000) if (name := f"{today.isoformat()}-{n:03}") not in taken)

    def put(self, tenant: str, learned: LearnedDenials) -> Path:
        """Put a score in force in one step. Raises RuleError where it can't be written."""
        place = self._folder(tenant) / f"{learned.version}.json"
        put_text(place, learned.written())
        return place

    def remove(self, tenant: str) -> LearnedDenials | None:
        """Take the newest score of a tenant away and return the one now in force, if any. Raises NotFoundError where there is none."""
        versions = self._versions(tenant)
        if not versions:
            raise NotFoundError(f"Nothing was trained for {tenant}.", "See `marginalia denials show`.")
        versions[-1].unlink()
        return self.of(tenant)

    def _versions(self, tenant: str) -> list[Path]:
        return sorted(self._folder(tenant).glob("*.json"))

    def _folder(self, tenant: str) -> Path:
        return self.folder / quote(tenant, safe="").replace(".", "%2E")


def _read(path: Path) -> LearnedDenials:
    try:
        return LearnedDenials.read(path.read_text(encoding="utf-8"), f"{path.parent.name}/{path.name}")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{path} can't be read.", "Check that Marginalia may read it.") from error
