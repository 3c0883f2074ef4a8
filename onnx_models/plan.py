"""What the plan says of a problem: is it the head of an item of the assessment, and does an order or a drug answer it?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from onnx_models.reading import Section, Sentence
from onnx_models.segmenter import section_at

_ASSESSES = frozenset({"assessment_plan", "diagnosis", "impression", "plan", "hospital_course"})
_ACTS = re.compile(
    r"\b(?:continue[sd]?|start(?:ed|ing)?|begin|began|increase[sd]?|decrease[sd]?|refill\w*|prescri\w+|order(?:ed|ing|s)?|refer\w*|recommend\w*|obtain|check|recheck|repeat|monitor\w*|follow|"
    r"schedul\w+|consult\w*|treat(?:ed|ment|ing)?|add(?:ed)?|switch\w*|titrat\w+|taper|resume|restart|hold|held|stop(?:ped)?|discontinu\w+|advis\w+|counsel\w*|encourag\w+|"
    r"physical therapy|surgery|inject\w*|therapy|\d+(?:\.\d+)?\s?(?:mg|mcg|g|units?|ml|meq|puffs?|tabs?)\b|daily|b\.?i\.?d|t\.?i\.?d|q\.?h\.?s|prn)\b",
    re.I,
)
_HEADING_WORDS = 10
_REACH = 4  # sentences behind a problem that may still answer it


class PlanContext:
    """Looks up, for the sentences of one note, whether they head a problem and whether something is done about it."""

    def __init__(self, text: str, parts: Sequence[Section], lines: Sequence[Sentence]) -> None:
        kinds = [section_at(parts, line.begin) for line in lines]
        words = [text[line.begin : line.end] for line in lines]
        acts = [bool(_ACTS.search(w)) for w in words]
        self._heads = [
            part.kind in _ASSESSES and len(w.split()) <= _HEADING_WORDS and not (act and len(w.split()) > 4)
            for part, w, act in zip(kinds, words, acts, strict=True)
        ]
        self._planned = []
        for i, part in enumerate(kinds):
            answered = acts[i]
            for j in range(i + 1, min(len(lines), i + 1 + _REACH)):
                if kinds[j] is not part and kinds[j].kind not in _ASSESSES:
                    break
                if self._heads[j] and not acts[j] and self._heads[i]:
                    break  # the next problem begins
                answered = answered or acts[j]
            self._planned.append(answered and part.kind in _ASSESSES)

    def of(self, line: int) -> tuple[bool, bool]:
        """Return (heads a problem, something is done about it) of a sentence by index."""
        return self._heads[line], self._planned[line]
