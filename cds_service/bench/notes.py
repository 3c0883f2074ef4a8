"""Synthetic notes of a wanted length that hardly repeat each other, so that no cache makes a first reading look cheap."""

from __future__ import annotations

import random
import re
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

_SLOT = re.compile(r"\{(?:(?P<low>\d+)-(?P<high>\d+)|(?P<name>[a-z]+))\}")


def _grammar() -> dict[str, Any]:
    return tomllib.loads((resources.files("cds_service.bench") / "sentences.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class SyntheticNotes:
    """An endless row of invented notes; the same `seed` gives the same row."""

    seed: int = 1
    _grammar: dict[str, Any] = field(default_factory=_grammar, repr=False)

    def note(self, number: int, words: int) -> str:
        """Return the note of this number: `words` words, up to one sentence more, in the sections of a US visit note.

        Args:
            number: which note; no two share more than a few sentences.
            words: length, at least 100.
        """
        chance = random.Random(f"{self.seed}/{number}/{words}")  # noqa: S311 - variety, not secrecy
        sections = self._grammar["sections"]
        whole = sum(s["share"] for s in sections)
        parts: list[str] = []
        written = share = 0
        for section in sections:
            share += section["share"]
            lines: list[str] = []
            written += len(section["title"].split())
            while written < words * share / whole or not lines:
                sentence = self._filled(chance.choice(section["sentences"]), chance)
                sentence = sentence[0].upper() + sentence[1:]
                written += len(sentence.split())
                lines.append(f"{len(lines) + 1}. {sentence}\n" if section.get("numbered") else f"{sentence} ")
            parts.append(f"{section['title']}:\n{''.join(lines).strip()}\n")
        return "\n".join(parts)

    def _filled(self, template: str, chance: random.Random) -> str:
        def fill(match: re.Match[str]) -> str:
            if match["name"]:
                return self._filled(chance.choice(self._grammar["slots"][match["name"]]), chance)
            return str(chance.randint(int(match["low"]), int(match["high"])))

        return _SLOT.sub(fill, template)
