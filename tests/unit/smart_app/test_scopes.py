"""Scopes in both syntaxes (L10)."""

from __future__ import annotations

import pytest

from smart_app.scopes import Scopes, requested_scopes


@pytest.mark.parametrize(
    ("scope", "interaction", "granted"),
    [
        ("patient/Condition.rs", "s", True), ("patient/Condition.r", "s", False), ("patient/Condition.read", "s", True), ("patient/Condition.write", "c", True),
        ("patient/Condition.write", "r", False), ("user/*.cruds", "d", True), ("patient/Observation.rs", "r", False), ("patient/Condition.sr", "s", False),
        ("patient/Condition.rs?category=x", "s", True), ("Patient/Condition.rs", "s", False), ("patient/Condition.", "r", False), ("openid", "r", False),
    ],
)  # fmt: skip
def test_what_a_scope_allows(scope: str, interaction: str, granted: bool) -> None:
    """v1 read/write/*, v2 in `.cruds` order; what isn't a scope grants nothing."""
    assert Scopes.parse(scope).allows("Condition", interaction) is granted


def test_launch_scopes_fit_the_kind_of_launch() -> None:
    """L1, L2: `launch` for the EHR's, `launch/patient` for one's own; configured ones don't slip through."""
    configured = "launch launch/patient openid patient/*.rs"
    assert requested_scopes(configured, ehr_launch=True) == "launch openid patient/*.rs"
    assert requested_scopes(configured, ehr_launch=False) == "launch/patient launch/encounter openid patient/*.rs"
