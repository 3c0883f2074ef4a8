"""Files that a customer puts in force: written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from cds_service.errors import RuleError

__all__ = ["put_text"]


def put_text(place: Path, text: str) -> None:
    """Write a file in one step, so that a reader finds the old text or the new. Raises RuleError where it can't be written."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_suffix(".new")
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, place)
    except OSError as error:
        raise RuleError(f"{place} can't be written ({error.strerror}).", "Set MARGINALIA_DATA to a folder of its own.") from error
