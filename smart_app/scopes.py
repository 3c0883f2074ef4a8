"""SMART scopes: what was granted, in v1 and v2 syntax, and what is missing for the review.

Source: SMART App Launch 2.2, "Scopes and launch context".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RESOURCE_SCOPE = re.compile(
    r"^(?P<level>patient|user|system)/(?P<type>\*|[A-Za-z]+)\.(?P<access>read|write|\*|c?r?u?d?s?)(?:\?.*)?$"
)
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}

# Resource types of the review, with the words for what a person misses without them.
NEEDED = {
    "DocumentReference": "notes",
    "Condition": "problems and diagnoses",
    "Observation": "laboratory results and vital signs",
    "MedicationRequest": "medications",
    "Encounter": "the encounter",
}


@dataclass(frozen=True, slots=True)
class Scopes:
    """A set of granted scopes."""

    granted: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Scopes:
        """Return the scopes in a space-separated list; unknown ones are kept and never grant anything."""
        return cls(tuple(dict.fromkeys(text.split())))

    def allows(self, resource_type: str, interaction: str) -> bool:
        """Return True if `interaction` ("c", "r", "u", "d" or "s") on `resource_type` is granted."""
        for scope in self.granted:
            match = _RESOURCE_SCOPE.match(scope)
            if not match or match["type"] not in ("*", resource_type):
                continue
            if interaction in _V1.get(match["access"], match["access"]):
                return True
        return False

    def has(self, scope: str) -> bool:
        """Return True if exactly this scope ("openid", "launch") is granted."""
        return scope in self.granted

    def missing(self) -> tuple[str, ...]:
        """Return, in words, what the review would read but may not search, in a fixed order."""
        return tuple(words for resource_type, words in NEEDED.items() if not self.allows(resource_type, "s"))


def requested_scopes(configured: str, *, ehr_launch: bool) -> str:
    """Return the scopes to ask for: the configured ones, with the launch scopes of this kind of launch only."""
    kept = [s for s in configured.split() if s != "launch" and not s.startswith("launch/")]
    launch = ["launch"] if ehr_launch else ["launch/patient", "launch/encounter"]
    return " ".join(dict.fromkeys(launch + kept))
