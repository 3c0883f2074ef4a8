"""Leaf choice: as specific as documented and never more specific."""

from __future__ import annotations

import pytest

from cds_service.review import Knowledge
from cds_service.review.specificity import leaves
from onnx_models.reading import Attributes


@pytest.mark.parametrize(
    ("code", "attributes", "expected"),
    [
        ("E11", {}, ("E11.9",)),
        ("I50", {}, ("I50.9",)),
        ("J45", {}, ("J45.909",)),
        ("G43", {}, ("G43.909",)),
        ("K57", {}, ("K57.90",)),
        ("K40.2", {}, ("K40.20",)),
        ("I10", {}, ("I10",)),
        ("N18.9", {"stage": "3a"}, ("N18.31",)),
        ("N18.9", {"stage": "3"}, ("N18.30",)),
        ("N18.30", {"stage": "3"}, ("N18.30",)),
        ("L89.15", {"stage": "3"}, ("L89.153",)),
        ("F32", {"severity": "mild"}, ("F32.0",)),
        ("M17.1", {"laterality": "left"}, ("M17.12",)),
        ("M25.51", {"laterality": "bilateral"}, ("M25.511", "M25.512")),
        ("H66.9", {"laterality": "bilateral"}, ("H66.93",)),
        ("C50.919", {"laterality": "left"}, ("C50.912",)),
        ("C50.911", {"laterality": "left"}, ("C50.911",)),
        ("S72.00", {"laterality": "right"}, ("S72.001A",)),
        ("S72.001", {"episode": "subsequent"}, ("S72.001D",)),
        ("S72.001", {"episode": "sequela"}, ("S72.001S",)),
        ("T36.0X1", {}, ("T36.0X1A",)),
        ("W19", {}, ("W19.XXXA",)),
        ("H40.11", {}, ("H40.1190",)),
        ("S72.001D", {"episode": "initial"}, ("S72.001D",)),
        ("ABC", {}, ()),
        ("E11.99", {}, ()),
    ],
)
def test_leaf(knowledge: Knowledge, code: str, attributes: dict[str, str], expected: tuple[str, ...]) -> None:
    """Unspecified where the note says nothing; side, stage, severity and episode where it does; a stated side is never overruled."""
    assert leaves(next(iter(knowledge.code_sets)), code, Attributes(**attributes)) == expected


def test_an_open_fracture_is_open_only_where_documented(knowledge: Knowledge) -> None:
    """I.C.19.c: closed unless documented; open reduction is a treatment."""
    codes = next(iter(knowledge.code_sets))
    assert leaves(codes, "S82.201", Attributes(), "open fracture of the right tibia") == ("S82.201B",)
    assert leaves(codes, "S82.201", Attributes(), "fracture, treated by open reduction") == ("S82.201A",)


def test_every_heading_leads_to_a_billable_code_or_to_none(knowledge: Knowledge) -> None:
    """Whatever the engine proposes, only complete codes come out."""
    codes = next(iter(knowledge.code_sets))
    wrong = [c for c in list(codes.entries)[::7] for leaf in leaves(codes, c, Attributes()) if not codes.is_billable(leaf)]
    assert wrong == []
    lost = [c for c in codes.entries if len(c) == 3 and not leaves(codes, c, Attributes())]
    assert lost == []
