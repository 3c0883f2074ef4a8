"""Cues: wordings that rules ask for and that are no diagnosis of their own ("on insulin", "poor glycemic control")."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

from cds_service.errors import RuleError

_LEAST_LETTERS = 2
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)  # keeps every offset, which str.lower doesn't


class Cues:
    """Patterns by name, as the table gives them."""

    def __init__(self, patterns: Mapping[str, re.Pattern[str]], parts: Mapping[str, tuple[str, ...]]) -> None:
        self._patterns = patterns
        self._parts = parts  # letters of which one must stand in a note before its pattern is tried at all

    @classmethod
    def of(cls, table: Mapping[str, list[str]]) -> Cues:
        """Compile a table of wordings: lower case, whole words, blanks for any white space. Raises RuleError for a wrong pattern."""
        compiled, parts = {}, {}
        for name, words in table.items():
            try:
                compiled[name] = re.compile(r"(?<!\w)(?:" + "|".join(w.replace(" ?", r"\s*").replace(" ", r"\s+") for w in words) + r")(?!\w)")
            except re.error as error:
                raise RuleError(f"The cue {name} is no regular expression: {error}.", "Mend its line in cues.toml.") from error
            needed = [_letters(w) for w in words]
            parts[name] = tuple(dict.fromkeys(needed)) if all(needed) else ()
        return cls(compiled, parts)

    def __contains__(self, name: str) -> bool:
        return name in self._patterns

    def find(self, name: str, lowered: str) -> list[tuple[int, int]]:
        """Return begin and end of the occurrences of a cue in `lower(text)`, in order."""
        parts = self._parts[name]
        if parts and not any(part in lowered for part in parts):
            return []
        return [match.span() for match in self._patterns[name].finditer(lowered)]


def _letters(wording: str) -> str:
    """Return the longest run of letters that every match of a wording holds; "" where it has none that is long enough, or alternatives of its own."""
    plain = re.sub(r"\\.", " ", wording)  # \d, \w, escaped signs
    plain = re.sub(r"\[[^\]]*\]", " ", plain)
    while "(" in plain:
        shorter = re.sub(r"\([^()]*\)", " ", plain)
        if shorter == plain:
            return ""
        plain = shorter
    if "|" in plain:
        return ""
    plain = re.sub(r".(?:[?*]|\{0)", " ", plain)
    longest = max(re.findall(r"[a-z]+", plain), key=len, default="")
    return longest if len(longest) >= _LEAST_LETTERS else ""


def lower(text: str) -> str:
    """Return `text` with ASCII capitals lowered: as long as before."""
    return text.translate(_LOWER)
