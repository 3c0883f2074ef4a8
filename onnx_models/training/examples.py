"""Coded examples of all kinds in one form: published cases, US notes, phrases."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onnx_models.evaluation.notes import GoldNote, gold_notes
from onnx_models.evaluation.phrases import Phrase, read
from onnx_models.normalise import term_hash
from onnx_models.style import Style
from onnx_models.training.corpora import Case, codiesp
from onnx_models.training.terms import TabularList, Term

_PLAIN = frozenset({"title", "inclusion", "index", "ontology", "propagated", "abbreviation"})
_DAILY = 3  # charts of US coders that use a code
_NAMES_EACH = 5
_STATEMENTS = ("{}", "{}.", "The patient has {}.", "Assessment: {}", "Dx: {}", "1. {} - continue current treatment.", "Presents with {}.", "{} today")
_DENIALS = ("Denies {}.", "No {}.", "Rule out {}.", "Mother had {}.", "No evidence of {}.", "Return if {} develops.")
_DENIED_SHARE = 0.2
# One code in ten is hidden with all its phrases, of the others a tenth of the phrases train the ranker; in the bank one code in five is kept from training.
_HIDDEN_SHARE, _HIDDEN_WEIGHT = 0.1, 0.3
_RANKER_SHARE = 0.12  # of the training phrases: the encoder doesn't see them, so that the ranker learns how far to trust it


@dataclass(frozen=True, slots=True)
class Example:
    """A coded text. Codes are without 7th characters."""

    id: str
    kind: str  # "case" | "note" | "phrase"
    text: str
    required: tuple[frozenset[str], ...]  # each a code with its alternatives
    neutral: frozenset[str]  # neither required nor wrong
    evidence: tuple[Term, ...]
    spans: tuple[tuple[int, int], ...] = ()  # of the evidence
    teaches_encoder: bool = True
    misspelt: bool = False
    hidden_code: str = ""  # whose phrases are hidden together in one fold

    @property
    def trains_ranker(self) -> bool:
        """Tell whether the ranker learns from it: of phrases, those that the encoder didn't see, and those that a fold takes for unseen."""
        return self.kind != "phrase" or not self.teaches_encoder or bool(self.hidden_code)

    @property
    def group(self) -> str:
        """Return what examples of one fold share: the code whose phrases are hidden together, or the example itself."""
        return self.hidden_code or self.id

    @property
    def weight(self) -> float:
        """Return its say in the ranker's training: codes known by name only have the share that they have among phrases."""
        return _HIDDEN_WEIGHT if self.hidden_code else 1.0

    @property
    def style(self) -> Style:
        """Return whose habits of coding it follows."""
        return Style.CASE if self.kind == "case" else Style.NOTE

    @property
    def right(self) -> frozenset[str]:
        """Return all codes that are right."""
        return frozenset(c for group in self.required for c in group)


def from_case(case: Case, tabular: TabularList) -> Example:
    """Return a published case as example."""
    codes = tuple(frozenset({tabular.stem(c) or c}) for c in sorted(case.codes))
    spans = tuple((b, e) for b, e, _ in case.evidence)
    return Example(case.id, "case", case.text, codes, frozenset(), tuple(t for _, _, t in case.evidence), spans)


def from_note(note: GoldNote, tabular: TabularList) -> Example:
    """Return a coded US note as example; status codes that a coder may add are neutral."""
    required = tuple(frozenset(tabular.stem(c) for c in (g.code, *g.alternatives)) for g in note.codes if g.status == "required")
    neutral = frozenset(tabular.stem(c) for g in note.codes if g.status != "required" for c in (g.code, *g.alternatives))
    evidence = tuple(Term(note.text[b:e], g.code, "evidence") for g in note.codes for b, e in g.evidence if g.status == "required")
    spans = tuple(span for g in note.codes for span in g.evidence)
    return Example(f"{note.source}:{note.id}", "note", note.text, required, neutral, evidence, spans)


def for_ranker(text: str) -> bool:
    """Tell whether a training phrase is kept from the encoder."""
    return _drawn(f"ranker:{text}", _RANKER_SHARE)


def is_hidden(code: str) -> bool:
    """Tell whether the phrases of a code (without 7th character) are hidden in one fold, by hash of its first five characters, so that kin go together."""
    return _drawn(f"hidden:{code[:5]}", _HIDDEN_SHARE)


def _drawn(name: str, share: float) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] < share * 256


def taught_codes(examples: Iterable[Example], tabular: TabularList) -> set[str]:
    """Return the codes, without 7th character, that phrases among the examples name."""
    return {tabular.stem(t.code) for e in examples if e.kind == "phrase" for t in e.evidence}


def from_phrase(phrase: Phrase, tabular: TabularList) -> Example:
    """Return a phrase as example: a note of one line."""
    codes = [tabular.stem(c) for c in ((phrase.code, *phrase.alternatives) if phrase.code else ())]
    terms = (Term(phrase.text, phrase.code, "phrase"),) if phrase.code else ()
    required = (frozenset(codes),) if codes else ()
    return Example(
        id=f"phrase:{phrase.text}",
        kind="phrase",
        text=phrase.text,
        required=required,
        neutral=frozenset(),
        evidence=terms,
        teaches_encoder=not for_ranker(phrase.text) and bool(terms),
        misspelt=phrase.kind == "m",
        hidden_code=codes[0][:5] if terms and is_hidden(codes[0]) else "",
    )


def plain_examples(terms: Sequence[Term], us_uses: Mapping[str, int], tabular: TabularList) -> Iterator[Example]:
    """Yield the known names of codes of daily work, as short statements: said plainly, and denied, doubted or of a relative.

    Without them the ranker would know short texts from the phrase bank alone, where nothing is said plainly.
    """
    by_code: dict[str, list[str]] = defaultdict(list)
    owners: dict[int, set[str]] = defaultdict(set)
    for term in terms:
        owners[term_hash(term.text)[0]].add(tabular.default_leaf(term.code))
    for term in terms:
        code = tabular.default_leaf(term.code)
        known = us_uses.get(code, 0) >= _DAILY and term.source in _PLAIN and owners[term_hash(term.text)[0]] == {code}
        if known and 3 <= len(term.text) <= 60 and term.text not in by_code[code]:
            by_code[code].append(term.text)
    for code, names in sorted(by_code.items()):
        for name in sorted(names, key=lambda n: hashlib.sha256(n.encode()).digest())[:_NAMES_EACH]:
            dice = hashlib.sha256(f"plain:{name}".encode()).digest()
            said = name if name[:2].isupper() else name[0].lower() + name[1:]
            denied = dice[0] < _DENIED_SHARE * 256
            forms = _DENIALS if denied else _STATEMENTS
            text = forms[dice[1] % len(forms)].format(said)
            required = () if denied else (frozenset({code}),)
            yield Example(f"name:{text}", "phrase", text, required, frozenset(), (), teaches_encoder=False)


def training_examples(data: Path, tabular: TabularList) -> list[Example]:
    """Return the examples of all training splits."""
    examples = [from_case(c, tabular) for c in codiesp(data, "train")]
    examples += [from_note(n, tabular) for n in gold_notes(data, "train") if n.text]
    return [*examples, *(from_phrase(p, tabular) for p in read() if p.split == "train")]


def encoder_terms(examples: Sequence[Example]) -> Iterator[Term]:
    """Yield the names that the encoder learns from examples."""
    for example in examples:
        if example.teaches_encoder:
            yield from example.evidence
