"""What would make another code right, by what its official title says that the suggested one doesn't."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")
_EMPTY = frozenset("a an and as at by due for from in of on or other specified the to type unspecified with".split())
_SAYS_NOTHING = "not elsewhere classified"
_MOST = 6  # different words; with more the two titles speak of different things, and the title itself says it best


def telling_words(title: str, other: str) -> str:
    """Return the words of the title of `other` code that tell it from `title`, in their order; "" where there are none or too many."""
    known = {word.lower() for word in _WORD.findall(title)}
    found = dict.fromkeys(word for word in _WORD.findall(other.replace(_SAYS_NOTHING, "")) if word.lower() not in known | _EMPTY)
    return " ".join(found) if len(found) <= _MOST else ""
