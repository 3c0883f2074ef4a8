"""The gold set of procedures: frozen, valid, and measured against a floor."""

from __future__ import annotations

import hashlib
from importlib import resources
from types import SimpleNamespace
from typing import Any

import pytest

from cds_service.evaluation.procedures import gold_procedures, procedures
from cds_service.review import CodingReview, Knowledge
from cds_service.review.packaged import icd10pcs_2025
from fhir_mappers.record import Setting
from tests.unit.review.conftest import note, of, reading, record

SHA256 = "e7c5945a18dc06b392d41b1f8dbcd3e0b85e451c1e5948153492bf8fc8e75a2b"


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    """All tables."""
    return Knowledge.load()


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


def test_the_worked_with_examples_stay_right(knowledge: Knowledge) -> None:
    """At most one code in fifty wrong or missing, nothing coded that wasn't done, every excerpt verbatim."""
    if icd10pcs_2025() is None:
        pytest.skip("the extra `procedures` isn't installed")

    def code(text: str, setting: str) -> tuple[None, CodingReview]:
        one = note(text)
        return None, of(record(one, setting=Setting(setting)), {one.source: reading(text, {})}, knowledge)

    product: Any = SimpleNamespace(knowledge=knowledge, code=code)
    figures = procedures(product, gold_procedures("dev")).figures
    assert figures["precision"] >= 0.98
    assert figures["recall"] >= 0.98
    assert (figures["coded_though_not_done"], figures["verbatim"], figures["open_axis_asked"]) == (0, 1, 1)
