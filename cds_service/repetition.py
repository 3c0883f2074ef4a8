"""Text that is no writing: one word over and over, or no end of a sentence for pages. Reading it would take minutes and find nothing."""

from __future__ import annotations

import re
from collections import Counter

LONGEST_SENTENCE = 6_000  # characters; lists of results and of symptoms stay far below
MOST_REPEATS = 40  # of one word in one sentence: a review of systems says "no" some thirty times
_SENTENCE = re.compile(r"[^.!?;\n]*[.!?;\n]?")
_WORD = re.compile(r"\w+")


def written_length(text: str) -> int:
    """Return how many characters of a text, from its beginning, are writing; all of them for any real note."""
    begin = 0
    while begin < len(text):
        found = _SENTENCE.match(text, begin, begin + LONGEST_SENTENCE)
        end = found.end() if found and found.end() > begin else begin + 1
        if end - begin >= LONGEST_SENTENCE:
            return begin
        if end - begin > 2 * MOST_REPEATS and max(Counter(_WORD.findall(text, begin, end)).values(), default=0) > MOST_REPEATS:
            return begin
        begin = end
    return len(text)
