"""The gold set of procedures: frozen, valid, and measured against a floor."""

from __future__ import annotations

import hashlib
from importlib import resources

import pytest

from cds_service.evaluation.procedures import gold_procedures
from cds_service.review.packaged import icd10pcs_2025

SHA256 = "e7c5945a18dc06b392d41b1f8dbcd3e0b85e451c1e5948153492bf8fc8e75a2b"


def test_the_set_is_frozen() -> None:
    """A change of the set is a change of what is measured: it is made on purpose, with this hash."""
    data = (resources.files("cds_service.evaluation") / "gold" / "procedures.jsonl").read_bytes()
    assert hashlib.sha256(data).hexdigest() == SHA256


def test_every_gold_code_is_a_code() -> None:
    """All codes are in the release that the package carries, and each text falls into the split of its hash."""
    release = icd10pcs_2025()
    if release is None:
        pytest.skip("the extra `procedures` isn't installed")
    every = (*gold_procedures("dev"), *gold_procedures("test"))
    assert len(every) >= 150
    assert [c for g in every for c in g.codes if not release.is_billable(c)] == []
    assert all(g.split == ("train", "dev", "test")[int(hashlib.sha256(g.text.encode()).hexdigest(), 16) % 3] for g in every)
    assert len({g.text for g in every}) == len(every)
