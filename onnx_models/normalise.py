"""One normal form for words, shared by the lexicon's builder and its reader.

Terms and notes are compared as multisets of stems: "Abdominal pain", "pain, abdominal" and "pain of the abdomen"
differ in order and filler only. The form is part of the artefacts' contract: change it and the lexicon must be rebuilt,
which `NORMAL_FORM` in the manifest enforces.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

NORMAL_FORM = 2

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
    # Abbreviations of US notes that mean one thing.
    "ckd": "chronic renal disease", "copd": "chronic obstructive pulmonary disease", "chf": "congestive cardiac failure", "dm": "diabetes",
    "htn": "hypertension", "hld": "hyperlipidemia", "cad": "coronary artery disease", "gerd": "gastroesophageal reflux disease",
    "uti": "urinary tract infection", "osa": "obstructive sleep apnea", "esrd": "end stage renal disease", "afib": "atrial fibrillation",
    "dvt": "deep vein thrombosis", "bph": "benign prostatic hyperplasia", "oa": "osteoarthritis", "tia": "transient ischemic attack", "pna": "pneumonia",
    "sob": "shortness breath", "abd": "abdominal", "fx": "fracture", "type": "", "w": "", "t": "",
    "elevated": "high", "raised": "high", "increased": "high", "decreased": "low", "reduced": "low",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """A stem of the normal form and the span of the word it stands for."""

    stem: str
    begin: int
    end: int


_stemmer = snowballstemmer.stemmer("english")


@lru_cache(maxsize=200_000)
def _stems(word: str) -> tuple[str, ...]:
    folded = unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode() or word
    if folded in _FILLER or folded in _SIDE:
        return ()
    folded = _ROMAN.get(folded, folded)
    same = _SAME.get(folded)
    words = [folded] if same is None else same.split()
    return tuple(_stemmer.stemWord(w) if w.isalpha() and len(w) > 3 else w for w in words)


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of the normal form of `text`, with offsets into `text`."""
    for match in _TOKEN.finditer(text):
        word = match.group()
        # Roman numerals only after a word ("type II"); a lone "I" is the pronoun.
        lowered = "" if word == "I" and not re.search(r"(?:type|stage|grade|class|degree)\s*$", text[: match.start()][-8:], re.I) else word.lower()
        if not lowered:
            continue
        for stem in _stems(lowered):
            yield Token(stem, match.start(), match.end())


@lru_cache(maxsize=200_000)
def stem_hash(stem: str) -> int:
    """Return a stable 64-bit hash of a stem."""
    return int.from_bytes(hashlib.blake2b(stem.encode(), digest_size=8).digest(), "little")


def term_hash(text: str) -> tuple[int, int]:
    """Return (hash of the multiset of stems, number of stems) of a term; the hash is the sum modulo 2**64."""
    stems = [t.stem for t in tokens(text)]
    return sum(stem_hash(s) for s in stems) & 0xFFFF_FFFF_FFFF_FFFF, len(stems)
