"""Coded examples of all kinds in one form: published cases, US notes, phrases."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from onnx_models.coder import CLINICAL_NOTE
from onnx_models.evaluation.notes import GoldNote, gold_notes
from onnx_models.evaluation.phrases import Phrase, read
from onnx_models.training.corpora import Case, codiesp
from onnx_models.training.terms import TabularList, Term

_CASE_REPORT = 0.0
_RANKER_SHARE = 0.3  # of the training phrases: the encoder doesn't see them, so that the ranker learns how far to trust it


@dataclass(frozen=True, slots=True)
class Example:
    """A coded text. Codes are without 7th characters."""

    id: str
    kind: str  # "case" | "note" | "phrase"
    text: str
    style: float
    required: tuple[frozenset[str], ...]  # each a code with its alternatives
    neutral: frozenset[str]  # neither required nor wrong
    evidence: tuple[Term, ...]
    trains_ranker: bool = True

    @property
    def right(self) -> frozenset[str]:
        """Return all codes that are right."""
        return frozenset(c for group in self.required for c in group)


def from_case(case: Case, tabular: TabularList) -> Example:
    """Return a published case as example."""
    codes = tuple(frozenset({tabular.stem(c) or c}) for c in sorted(case.codes))
    return Example(case.id, "case", case.text, _CASE_REPORT, codes, frozenset(), tuple(t for _, _, t in case.evidence))


def from_note(note: GoldNote, tabular: TabularList) -> Example:
    """Return a coded US note as example; status codes that a coder may add are neutral."""
    required = tuple(frozenset(tabular.stem(c) for c in (g.code, *g.alternatives)) for g in note.codes if g.status == "required")
    neutral = frozenset(tabular.stem(c) for g in note.codes if g.status != "required" for c in (g.code, *g.alternatives))
    evidence = tuple(Term(note.text[b:e], g.code, "evidence") for g in note.codes for b, e in g.evidence if g.status == "required")
    return Example(f"{note.source}:{note.id}", "note", note.text, CLINICAL_NOTE, required, neutral, evidence)


def for_ranker(text: str) -> bool:
    """Tell whether a training phrase is kept from the encoder."""
    return hashlib.sha256(f"ranker:{text}".encode()).digest()[0] < _RANKER_SHARE * 256


def from_phrase(phrase: Phrase, tabular: TabularList) -> Example:
    """Return a phrase as example: a note of one line."""
    codes = [tabular.stem(c) for c in ((phrase.code, *phrase.alternatives) if phrase.code else ())]
    terms = (Term(phrase.text, phrase.code, "phrase"),) if phrase.code else ()
    required = (frozenset(codes),) if codes else ()
    return Example(f"phrase:{phrase.text}", "phrase", phrase.text, CLINICAL_NOTE, required, frozenset(), terms, for_ranker(phrase.text) or not terms)


def training_examples(data: Path, tabular: TabularList) -> list[Example]:
    """Return the examples of all training splits."""
    examples = [from_case(c, tabular) for c in codiesp(data, "train")]
    examples += [from_note(n, tabular) for n in gold_notes(data, "train") if n.text]
    return [*examples, *(from_phrase(p, tabular) for p in read() if p.split == "train")]


def encoder_terms(examples: Sequence[Example]) -> Iterator[Term]:
    """Yield the names that the encoder learns from examples."""
    for example in examples:
        if example.kind != "phrase" or not example.trains_ranker:
            yield from example.evidence
