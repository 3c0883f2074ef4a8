"""Reasons: the code that a remittance would carry for an edit, and why the claim would be denied, in the project's own words.

Source: X12 claim adjustment reason codes (external code source 139) and remittance advice remark codes, by number; CMS, Medicare Claims Processing
Manual, chapters 22 and 23.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from cds_service.review.model import ClaimFinding


class DenialReasons:
    """Reason code and words, by edit."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        """Take a table as parsed from TOML: [edit] code, denial. Raises KeyError where a field is missing."""
        self._reasons = {edit: (str(entry["code"]), str(entry["denial"])) for edit, entry in table.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._reasons)

    def __contains__(self, edit: str) -> bool:
        return edit in self._reasons

    def told(self, findings: Iterable[ClaimFinding]) -> tuple[ClaimFinding, ...]:
        """Return the findings, each with the reason of its edit."""
        return tuple(replace(f, reason_code=self._reasons[f.edit][0], denial=self._reasons[f.edit][1]) if f.edit in self._reasons else f for f in findings)
