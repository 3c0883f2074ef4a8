"""SMART scopes, v1 and v2, as permissions on resource types."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CLINICAL = re.compile(r"(?P<context>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]+)\.(?P<what>read|write|\*|c?r?u?d?s?)(\?.*)?")
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
_PLAIN = frozenset({"openid", "fhirUser", "profile", "launch", "launch/patient", "launch/encounter", "online_access"})
# What the demo's EHR lets an app write: decisions on codes, and where they come from.
_WRITABLE = {"Condition": "cu", "Provenance": "c", "Communication": "c", "Task": "c", "QuestionnaireResponse": "c", "Claim": "cu", "ChargeItem": "cu"}


def granted(requested: str) -> str:
    """Return the scopes that this EHR grants of those requested, in the same order; reading all, writing little, v2 spelling for what is cut."""
    return " ".join(filter(None, map(_cut, requested.split())))


def allows(scope: str, resource_type: str, permission: str) -> bool:
    """Tell whether a granted scope string permits `permission` (one of c, r, u, d, s) on a resource type."""
    return any(found["type"] in ("*", resource_type) and permission in _letters(found["what"]) for found in _clinical(scope))


def _cut(scope: str) -> str:
    found = _CLINICAL.fullmatch(scope)
    if not found:
        return scope if scope in _PLAIN else ""
    if found["context"] == "system":
        return ""
    letters = _letters(found["what"])
    allowed = "".join(letter for letter in letters if letter in "rs" or letter in _WRITABLE.get(found["type"], ""))
    if allowed == letters:
        return scope
    return f"{found['context']}/{found['type']}.{allowed}" if allowed else ""


def _clinical(scope: str) -> Iterable[re.Match[str]]:
    return filter(None, map(_CLINICAL.fullmatch, scope.split()))


def _letters(what: str) -> str:
    return _V1.get(what, what)
