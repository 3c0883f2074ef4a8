"""Attributes of a mention: side, acuity, severity, stage, episode and control, read from the words around it."""

from __future__ import annotations

import re

from onnx_models.reading import Attributes

_SIDE = re.compile(
    r"\b(?:(?P<both>bilateral(?:ly)?|both|b/l|bilat|left and right|right and left)|(?P<left>left|lt|(?-i:L))|(?P<right>right|rt|(?-i:R)))\b", re.I
)
_ACUITY = re.compile(
    r"\b(acute[- ]on[- ]chronic|acute on top of chronic|subacute|acute|chronic|recurrent|exacerbation|decompensated|long[- ]?standing)\b", re.I
)
_SEVERITY = re.compile(r"\b(mild|moderate|severe|profound|end[- ]stage)\b", re.I)
_STAGE = re.compile(r"\b(?:stage|grade|class|nyha(?: class)?|gold|ckd)\s*[:=]?\s*(?P<stage>[1-5][ab]?|(?:iv|iii|ii|i|v)[abc]?)\b", re.I)
_EPISODE = re.compile(
    r"\b(?:(?P<sequela>sequelae?|late effects?)|(?P<subsequent>follow[- ]?up|post-?op\w*|healing|aftercare|status post|recheck|weeks? out))\b", re.I
)
_CONTROL = re.compile(
    r"\b(poorly[- ]controlled|poor(?:\s\w+)? control|uncontrolled|not (?:well |adequately )?controlled|out of control|well[- ]controlled|controlled|"
    r"at goal|not at goal|above goal)\b",
    re.I,
)
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5"}
_NEAR = 40  # characters on either side in which a side word belongs to the mention


def attributes_of(text: str, sentence: tuple[int, int], mention: tuple[int, int]) -> Attributes:
    """Return the attributes that the sentence gives to the mention.

    Words inside the mention win over words beside it; beside it the nearest wins, within the sentence and without a comma
    or "and" between, because "left hip pain and knee pain" says nothing of the knee's side.
    """
    begin, end = sentence
    low, high = mention
    inside = text[low:high]
    before = re.split(r"[,;:]|\band\b|\bor\b|\bbut\b", text[max(begin, low - _NEAR) : low])[-1]
    after = re.split(r"[,;]|\band\b|\bor\b|\bbut\b", text[high : min(end, high + _NEAR)])[0]
    around = (inside, before, after)
    stage = _first(_STAGE, around)
    episode = _EPISODE.search(text[begin:end])
    control = _first(_CONTROL, (inside, before, text[high:end]))
    return Attributes(
        laterality=_side(around),
        acuity=_acuity(_first(_ACUITY, (inside, before))),
        severity=(m.group(1).lower() if (m := _first(_SEVERITY, (inside, before))) else None),
        stage=_ROMAN.get(stage["stage"].lower(), stage["stage"].lower()) if stage else None,
        episode=("sequela" if episode["sequela"] else "subsequent") if episode else None,
        control=_control(control),
    )


def _first(pattern: re.Pattern[str], places: tuple[str, ...]) -> re.Match[str] | None:
    return next((m for place in places if (m := pattern.search(place))), None)


def _side(places: tuple[str, ...]) -> str | None:
    for place in places:
        found = {"bilateral" if m["both"] else "left" if m["left"] else "right" for m in _SIDE.finditer(place)}
        if found:
            return "bilateral" if len(found) > 1 else found.pop()
    return None


def _acuity(match: re.Match[str] | None) -> str | None:
    if match is None:
        return None
    word = re.sub(r"[- ]+", " ", match.group(1).lower())
    if word.startswith("acute on"):
        return "acute on chronic"
    return {"exacerbation": "acute", "decompensated": "acute", "long standing": "chronic", "longstanding": "chronic"}.get(word, word)


def _control(match: re.Match[str] | None) -> str | None:
    if match is None:
        return None
    word = match.group(1).lower()
    if word.startswith("poor"):
        return "poorly controlled"
    return "uncontrolled" if re.search(r"\bnot\b|un|out of|above", word) else "controlled"
