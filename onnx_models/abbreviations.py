"""What the abbreviations of US notes stand for, in the words around them.

The table is hand-made: one sense a line, with the words of the sentence that tell it ("MS" is mitral stenosis beside "murmur",
multiple sclerosis by default). Notes are read with their abbreviations written out, by the lexicon and by the encoder.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

# Words of plain English, of Latin and of measurement that are abbreviations in capitals only.
_ENGLISH = frozenset(
    """
    ad age aid aim air all am an and any arm as ash at bad bag bar bat be bed bid bin bit bite but by can cap car care cast cat chip clue cope cup cut
    dare dash day did die dip do dots due ear eat edge end eye face fan far fast fat few fit fix flair for from gas get go got grace had hap hard has
    he heap hen her him hint hip his hit hot how i ice if ill in is it its jaw job key lab lad lag lap last led leg let lid lip lips lit lot low man map
    mat may me men mild mind mine miss mode must my no nor not now of off old on one opt or our out own pad pain pals pan part pas past pat pen per pet
    pill pin pit plan pop post pot push put rad raw rest rib rod rose run sad sat saw see set she side sit six ski skin so soap son soon stat step stop
    sun tab tag tan tap tar tea team ten tens that the tie tip to toe top trap trip two up us use van vial wad was we well wet who why will with worse
    yes you port para prep mom poly ms st nec mg mm dl cc sac pg gave aspects come pes rd sea en ups tips add art crab cart cd et la di iso os ic er pee
    """.split()
)
_HEADINGS = frozenset({"pe", "cc", "vs", "ap"})  # before a colon
# "QTc 480 ms", "Ms. Smith": a unit and a title.
_UNIT_OR_TITLE = re.compile(r"\d\s?ms\b|\bM[sr]s?\.", re.I)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9/&+.'-]*")
_PART = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2,}(?![A-Za-z])")
_STEM = 5  # letters from which a telling word may have an ending
_END = ".'-/&+"


@dataclass(frozen=True, slots=True)
class Sense:
    """One thing an abbreviation stands for."""

    words: str
    when: str  # begins of the words of a sentence that tell this sense, separated by bars; "" for the usual one


@dataclass(frozen=True, slots=True)
class Expansion:
    """An abbreviation at a place of a text, and what it stands for there."""

    begin: int
    end: int
    words: str


class Abbreviations:
    """The table. Immutable; safe to share between threads."""

    def __init__(self, rows: Iterator[tuple[str, str, str]]) -> None:
        """`rows` gives (abbreviation, words, begins of words that tell this sense, separated by bars)."""
        senses: dict[str, list[Sense]] = defaultdict(list)
        self._written: dict[str, set[str]] = defaultdict(set)  # of words of plain English: the forms that are abbreviations
        for short, words, when in rows:
            key = short.lower()
            senses[key].append(Sense(words, when.lower().strip("|")))
            if key in _ENGLISH:
                self._written[key].add(short)
        # What the words around tell comes before the usual sense.
        self._senses = {key: tuple(sorted(own, key=lambda s: not s.when)) for key, own in senses.items()}
        self._widest = max((key.count(" ") + 1 for key in senses), default=1)
        self._heads = {key.split(" ")[0] for key in senses if " " in key}

    def __len__(self) -> int:
        return len(self._senses)

    def __contains__(self, short: str) -> bool:
        return short.lower() in self._senses

    def find(self, text: str) -> Iterator[Expansion]:
        """Yield the abbreviations of a sentence that stand for one thing there, from left to right."""
        words = [(m.start(), m.start() + len(m.group().rstrip(_END)) or 1) for m in _WORD.finditer(text)]
        shouted = text.isupper()
        lowered = text.lower()
        skip = -1
        for i, (begin, end) in enumerate(words):
            if begin < skip:
                continue
            wide = self._wide(text, words[i : i + self._widest], lowered, shouted=shouted) if lowered[begin:end] in self._heads else None
            if wide:
                skip = wide.end
                yield wide
                continue
            for found in self._single(text, begin, end, lowered, shouted=shouted):
                if not _UNIT_OR_TITLE.search(text[max(0, begin - 4) : end + 1]) and not (text[end : end + 1] == ":" and lowered[begin:end] in _HEADINGS):
                    yield found

    def _wide(self, text: str, words: list[tuple[int, int]], sentence: str, *, shouted: bool) -> Expansion | None:
        """Return the longest abbreviation of several words that begins with the first of `words`."""
        begin = words[0][0]
        for _, end in reversed(words[1:]):
            if told := self._told(text[begin:end], sentence, shouted=shouted):
                return Expansion(begin, end, told)
        return None

    def _single(self, text: str, begin: int, end: int, sentence: str, *, shouted: bool) -> Iterator[Expansion]:
        if told := self._told(text[begin:end], sentence, shouted=shouted):
            yield Expansion(begin, end, told)
            return
        if text[begin:end].isalpha():
            return
        # "HTN/HLD" names two things, "CKD3b" one and its stage.
        for part in _PART.finditer(text, begin, end):
            stage = part.end() < end and text[part.end()].isdigit()
            if (part.start(), part.end()) != (begin, end) and (told := self._told(part.group(), sentence, shouted=shouted)):
                yield Expansion(part.start(), part.end(), f"{told} " if stage else told)

    def _told(self, short: str, sentence: str, *, shouted: bool) -> str | None:
        key = short.lower()
        senses = self._senses.get(key)
        if not senses or (key in _ENGLISH and (shouted or short not in self._written[key])):
            return None
        # Of several senses that the sentence tells, the one that more of its words tell; else the usual one, which stands last.
        told = [len(_telling(sense.when).findall(sentence)) if sense.when else 0 for sense in senses]
        best = max(range(len(senses)), key=lambda i: (told[i], i)) if any(told) or not senses[-1].when else None
        return None if best is None else senses[best].words


@cache  # compiled when first met: the table has thousands, a note a dozen
def _telling(when: str) -> re.Pattern[str]:
    """Return the pattern of the words that tell a sense: short ones whole, longer ones with their endings."""
    ends = (re.escape(w) + (r"(?![a-z0-9])" if len(w) < _STEM and w[-1].isalnum() else "") for w in when.split("|") if w)
    return re.compile(r"(?<![a-z0-9])(?:" + "|".join(ends) + ")")


@cache
def abbreviations() -> Abbreviations:
    """Return the table of the package."""
    lines = (resources.files("onnx_models") / "tables/abbreviations.tsv").read_text(encoding="ascii").splitlines()
    rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return Abbreviations((r["abbreviation"], r["expansion"], r["when"] or "") for r in rows)
