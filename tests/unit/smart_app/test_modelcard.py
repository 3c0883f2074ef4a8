"""The model card: the 31 source attributes of HTI-1, with versions and figures."""

from __future__ import annotations

from collections import Counter

from cds_service.review.knowledge import icd10cm_2026
from smart_app.modelcard import card_json, figures, model_card

# 45 CFR 170.315(b)(11)(iv)(B)(1) to (9): how many attributes each paragraph asks for.
_ASKED = (4, 4, 2, 4, 2, 4, 5, 4, 2)
_REPORT = """# Evaluation

## notes

| figure | value |
|---|---|
| f1 | 0.67 |

### by source and setting

| group | precision |
|---|---|
| inpatient | 0.92 |

## machine

| figure | value |
|---|---|
| cores | 2 |
"""


def test_all_31_source_attributes_are_answered() -> None:
    """HTI-1 asks for 31 attributes in nine groups; each has words, and versions stand where they belong."""
    card = model_card("engine", "1.2", "ab" * 32, [icd10cm_2026()])
    assert tuple(len(g.attributes) for g in card.groups) == _ASKED
    assert sum(_ASKED) == 31
    titles = Counter(a.title for g in card.groups for a in g.attributes)
    assert max(titles.values()) == 1
    assert all(len(a.words) > 8 and "{" not in a.words for g in card.groups for a in g.attributes)
    told = card_json(card)
    assert told["model"] == {"name": "engine", "version": "1.2", "sha256": "ab" * 32}
    assert any("engine 1.2" in a["text"] and "ab" * 32 in a["text"] for g in told["sourceAttributes"] for a in g["attributes"])


def test_figures_are_those_of_the_report() -> None:
    """Tables of the evaluation report are taken as they are; what is about the machine is left out."""
    notes, groups = figures(_REPORT)
    assert (notes.title, notes.rows) == ("notes", (("f1", "0.67"),))
    assert (groups.title, groups.head, groups.rows) == ("notes, by source and setting", ("group", "precision"), (("inpatient", "0.92"),))
