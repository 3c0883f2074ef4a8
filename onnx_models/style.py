"""What kind of document a text is: a US clinical note, or a published case report.

The two are coded by different habits (a case report's coders give findings codes that a visit's coder leaves to the diagnosis),
so each has a ranker of its own. A logistic model over hashed stems tells them apart, trained with the other artefacts.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from onnx_models.linear import LinearModel
from onnx_models.normalise import Token

STYLE_BUCKETS = 1 << 14
_LEAST_TOKENS = 40  # a shorter text is a phrase or a part of a note


class Style(StrEnum):
    """Whose habits of coding a text follows."""

    NOTE = "note"  # of care
    CASE = "case"  # report, published


def style_of(stream: Sequence[Token], model: LinearModel) -> Style:
    """Return the style of a text by its words."""
    return Style.NOTE if len(stream) < _LEAST_TOKENS or model.score(t.stem for t in stream) >= 0 else Style.CASE
