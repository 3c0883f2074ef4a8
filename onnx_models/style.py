"""What kind of document a text is: a US clinical note, or a published case report.

The two are coded by different habits (a case report's coders give findings codes that a visit's coder leaves to the diagnosis),
so the ranker must know which it reads. A logistic model over hashed stems tells, trained with the other artefacts.
"""

from __future__ import annotations

from collections.abc import Sequence

from onnx_models.linear import LinearModel
from onnx_models.normalise import Token

STYLE_BUCKETS = 1 << 14
_LEAST_TOKENS = 40  # a shorter text is a phrase or a part of a note


def style_of(stream: Sequence[Token], model: LinearModel) -> float:
    """Return 1.0 for a clinical note and 0.0 for a published case report: the two values that the ranker was trained with."""
    if len(stream) < _LEAST_TOKENS:
        return 1.0
    return 1.0 if model.score(t.stem for t in stream) >= 0 else 0.0
