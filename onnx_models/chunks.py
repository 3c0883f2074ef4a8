"""Phrases worth asking the encoder about: the parts of a sentence between commas, conjunctions and verbs of reporting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from onnx_models.assertion import has_cue, stands_whole
from onnx_models.reading import Sentence

_CUT = re.compile(
    r"[,;:()\[\]/]\s|\s-+\s|\.\s|\b(?:and|or|but|with|who|which|that|because|although|however|due to|secondary to|"
    r"reports?|reported|presents?|presented|presenting|"
    r"complain(?:s|ed|ing) of|endorses?|denies|denied|notes?|noted|states?|stated|is|are|was|were|has|have|had|been|being|"
    r"will|for|found|show(?:s|ed|ing)?|reveal(?:s|ed|ing)?|"
    r"demonstrat\w+|diagnosed|admitted|underwent|treated|started|continued?|continues|she|he|patient|pt|to|no|never|negative|"
    r"as|since|after|before|during|while|when|on|in the setting of|c/o|w/|s/p)\b",
    re.I,
)
_WORD = re.compile(r"[^\W\d_]{2,}")
# Words that never make a phrase about a condition by themselves.
_EMPTY = frozenset(
    """
    the a an of in at by no not any some his her their our this that these those year years old male female man woman mg ml daily day days week weeks
    month months hour hours time times today yesterday normal stable good well clear intact given take takes taking tablet tablets dose doses left right
    bilateral both per history past medical surgical patient discussed reviewed ordered follow up followup return visit exam examination it its from about
    also very more most within without than then there here all other another one two three four five mr mrs ms dr doctor hospital clinic emergency
    department
    """.split()
)
LONGEST = 12  # words
_LONGEST_WHOLE = 26  # words: more than the encoder reads


def chunks(text: str, sentence: Sentence, *, joined: bool = False, whole: bool = False) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of the phrases of a sentence that hold at least one word of substance.

    Args:
        text: the note.
        sentence: where to look.
        joined: also the phrases that neighbours make together ("neuropathy due to diabetes"), and a short sentence whole.
        whole: also the sentence whole, however long: many a condition is told by all of it ("arms and legs stay still since a cord lesion").
    """
    cuts = [sentence.begin]
    for match in _CUT.finditer(text, sentence.begin, sentence.end):
        cuts += (match.start(), match.end())
    cuts.append(sentence.end)
    parts = [list(_phrase(text, b, e)) for b, e in zip(cuts[::2], cuts[1::2], strict=True)]
    single = [span for part in parts for span in part]
    spans = dict.fromkeys(single)
    if joined:
        wider = [(a[0], b[1]) for a, b in pairwise(single)]
        wider += [(single[0][0], single[-1][1])] if len(single) > 2 else []
        # A cue inside would speak of one part only: "cough, no fever" isn't one condition.
        spans |= dict.fromkeys((b, e) for b, e in wider if _words(text, b, e) <= LONGEST and not has_cue(text[b:e]))
    begin, end = (single[0][0], single[-1][1]) if single else (0, 0)
    if whole and single and _words(text, begin, end) <= _LONGEST_WHOLE and stands_whole(text[begin:end]):
        spans[begin, end] = None
    yield from spans


def _words(text: str, begin: int, end: int) -> int:
    return sum(1 for _ in _WORD.finditer(text, begin, end))


def _phrase(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    while begin < end and not text[begin].isalnum():
        begin += 1
    while end > begin and not text[end - 1].isalnum():
        end -= 1
    words = list(_WORD.finditer(text, begin, end))
    if not any((len(w.group()) > 3 and w.group().lower() not in _EMPTY) or w.group().isupper() for w in words):
        return
    # Long phrases are cut into overlapping parts, since the meaning of many words averages out.
    if len(words) <= LONGEST:
        yield begin, end
        return
    for at in range(0, len(words) - LONGEST // 2, LONGEST // 2):
        part = words[at : at + LONGEST]
        yield part[0].start(), part[-1].end()
