"""One normal form for words, shared by the lexicon's builder and its reader.

Terms and notes are compared as multisets of stems: "Abdominal pain", "pain, abdominal" and "pain of the abdomen"
differ in order and filler only. The form is part of the artefacts' contract: change it and the lexicon must be rebuilt,
which `NORMAL_FORM` in the manifest enforces.
"""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import snowballstemmer

from onnx_models.abbreviations import Expansion, abbreviations

if TYPE_CHECKING:
    from onnx_models.spelling import Speller

NORMAL_FORM = 3

# Letters and digits are split from each other ("DM2" -> "dm", "2"), so that "type 2 DM" and "DM2" share tokens.
_TOKEN = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")

# Words that never tell two conditions apart. "without" and "not" do, so they stay.
_FILLER = frozenset(
    """
    a an and as at by for from her his in into is its my nos nec of on or other our patient patients s specified that the their this to unspecified was
    were with has have had due secondary
    """.split()
)
# Side and degree are attributes, read apart from the name of the condition (see attributes.py).
_SIDE = frozenset("left right bilateral bilaterally unilateral lt rt b/l bilat".split())
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "first": "1", "second": "2", "third": "3", "fourth": "4"}
_ROMAN |= {"1st": "1", "2nd": "2", "3rd": "3", "4th": "4"}
# Latin and Germanic names of one organ, and British spellings: a stemmer can't join them.
_SAME = {
    "kidney": "renal", "liver": "hepatic", "lung": "pulmonary", "heart": "cardiac", "stomach": "gastric",
    "abdomen": "abdominal", "haemorrhage": "hemorrhage", "haemorrhagic": "hemorrhage", "hemorrhagic": "hemorrhage",
    "anaemia": "anemia", "oedema": "edema", "oesophagus": "esophageal", "esophagus": "esophageal",
    "oesophageal": "esophageal", "tumour": "tumor", "diarrhoea": "diarrhea", "leukaemia": "leukemia",
    "ischaemia": "ischemia", "ischaemic": "ischemic", "bleeding": "hemorrhage", "bleed": "hemorrhage",
    "cancer": "malignant neoplasm", "carcinoma": "malignant neoplasm", "thorax": "chest", "thoracic": "chest",
    "mellitus": "", "paediatric": "pediatric", "calculus": "stone", "calculi": "stone", "lithiasis": "stone",
    "type": "", "w": "", "t": "",
    "elevated": "high", "raised": "high", "increased": "high", "decreased": "low", "reduced": "low",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """A stem of the normal form and the span of the word it stands for."""

    stem: str
    begin: int
    end: int


class _Stemmers(threading.local):
    """A stemmer for each thread: one keeps the word in hand in itself, so that two threads would cut each other's words."""

    def __init__(self) -> None:
        self.english = snowballstemmer.stemmer("english")


_stemmers = _Stemmers()


def stem(word: str) -> str:
    """Return the stem of a lower-case word."""
    return str(_stemmers.english.stemWord(word)) if len(word) > 3 else word


@lru_cache(maxsize=200_000)
def _stems(word: str) -> tuple[str, ...]:
    folded = unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode() or word
    if folded in _FILLER or folded in _SIDE:
        return ()
    folded = _ROMAN.get(folded, folded)
    same = _SAME.get(folded)
    words = [folded] if same is None else same.split()
    return tuple(stem(w) if w.isalpha() else w for w in words)


def tokens(text: str, speller: Speller | None = None, shorts: Iterable[Expansion] | None = None) -> Iterator[Token]:
    """Yield the tokens of the normal form of a sentence or name, with offsets into `text`: abbreviations written out, slips put right.

    Args:
        text: the sentence or name.
        speller: knows words; None leaves them as they are.
        shorts: its abbreviations, where they are known already.
    """
    at = 0
    for short in abbreviations().find(text) if shorts is None else shorts:
        yield from _plain_tokens(text, at, short.begin, speller)
        for match in _TOKEN.finditer(short.words):
            for stem_ in _stems(match.group().lower()):
                yield Token(stem_, short.begin, short.end)
        at = short.end
    yield from _plain_tokens(text, at, len(text), speller)


def _plain_tokens(text: str, begin: int, end: int, speller: Speller | None) -> Iterator[Token]:
    for match in _TOKEN.finditer(text, begin, end):
        word = match.group()
        # Roman numerals only after a word ("type II"); a lone "I" is the pronoun.
        if word == "I" and not re.search(r"(?:type|stage|grade|class|degree)\s*$", text[: match.start()][-8:], re.I):
            continue
        if speller is not None:
            word = speller.fix(word, first=match.start() == 0)
        for stem_ in _stems(word.lower()):
            yield Token(stem_, match.start(), match.end())


def written_out(text: str, begin: int, end: int, short: Sequence[Expansion], speller: Speller | None = None) -> str:
    """Return the phrase `text[begin:end]` as the encoder reads it: abbreviations written out, slips put right.

    Args:
        text: the note.
        begin: where the phrase begins.
        end: where it ends.
        short: the abbreviations of its sentence, by offsets into the note.
        speller: knows words; None leaves them as they are.
    """
    parts, at = [], begin
    for found in short:
        if begin <= found.begin and found.end <= end:
            parts += [_spelt(text, at, found.begin, speller), found.words]
            at = found.end
    return "".join((*parts, _spelt(text, at, end, speller)))


def _spelt(text: str, begin: int, end: int, speller: Speller | None) -> str:
    if speller is None:
        return text[begin:end]
    return _TOKEN.sub(lambda m: speller.fix(m.group(), first=m.start() == 0), text[begin:end])


@lru_cache(maxsize=200_000)
def stem_hash(stem: str) -> int:
    """Return a stable 64-bit hash of a stem."""
    return int.from_bytes(hashlib.blake2b(stem.encode(), digest_size=8).digest(), "little")


def term_hash(text: str, speller: Speller | None = None) -> tuple[int, int]:
    """Return (hash of the multiset of stems, number of stems) of a term; the hash is the sum modulo 2**64."""
    stems = [t.stem for t in tokens(text, speller)]
    return sum(stem_hash(s) for s in stems) & 0xFFFF_FFFF_FFFF_FFFF, len(stems)
