"""What is measured, and how: figures of cases, notes and phrases from the product's own answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from cds_service.evaluation.groups import chapter, frequency, person
from cds_service.evaluation.reader import Product, ranked_codes
from cds_service.review.model import CodingReview
from onnx_models.evaluation.metrics import Bin, Score, average_precision, calibration_error, micro, reliability
from onnx_models.evaluation.notes import GoldNote
from onnx_models.evaluation.phrases import KINDS, Phrase
from onnx_models.training.corpora import Case
from onnx_models.training.terms import TabularList

FORBIDDEN = frozenset({"negated", "family", "historical", "hypothetical", "ruled out", "other person"})


class Answer(NamedTuple):
    """A code that was given."""

    confidence: float
    right: bool
    code: str


@dataclass(frozen=True)
class Measured:
    """Figures by name, and the examples that went wrong (ids and codes, never note text)."""

    figures: dict[str, float]
    groups: dict[str, dict[str, Score]] = field(default_factory=dict)
    wrong: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = ()  # id, missed, too many
    answers: tuple[Answer, ...] = ()

    @property
    def reliability(self) -> tuple[Bin, ...]:
        """Return how sure the answers were and how many were right, by ranges of confidence."""
        return tuple(reliability(np.array([a.confidence for a in self.answers]), np.array([a.right for a in self.answers]))) if self.answers else ()


def _said(answer: CodingReview) -> list[str]:
    return [d.code for d in answer.diagnoses]


def _verbatim(answer: CodingReview, text: str) -> tuple[int, int]:
    spans = [e for d in answer.diagnoses for e in d.evidence if e.begin is not None]
    return sum(text[e.begin : e.end] == e.text for e in spans), len(spans)


def calibration_of(answers: Sequence[Answer]) -> float:
    """Return how far confidences lie from the share that was right; 0 without answers."""
    return calibration_error(np.array([a.confidence for a in answers]), np.array([a.right for a in answers])) if answers else 0.0


def cases(product: Product, gold: Sequence[Case], tabular: TabularList, progress: Callable[[int], None] = lambda _: None) -> Measured:
    """Compare with published cases: micro F1, three-character F1, MAP, calibration; codes without 7th character."""
    said, engine, wanted, ranking = {}, {}, {}, {}
    answers, verbatim, excerpts, valid, codes = [], 0, 0, 0, 0
    for at, case in enumerate(gold):
        reading, answer = product.code(case.text)
        wanted[case.id] = {tabular.stem(c) or c for c in case.codes}
        said[case.id] = {tabular.stem(c) for c in _said(answer)}
        ranked = ranked_codes(reading)
        ranking[case.id] = [c for c, _ in ranked]
        engine[case.id] = {c for c, p in ranked if product.knowledge.confidence.worth(p, len(case.text)) >= product.knowledge.threshold}
        answers += [Answer(p, c in wanted[case.id], c) for c, p in ranked]
        ok, n = _verbatim(answer, case.text)
        verbatim, excerpts = verbatim + ok, excerpts + n
        valid, codes = valid + sum(c in tabular.billable for c in _said(answer)), codes + len(_said(answer))
        progress(at)
    full = micro(said, wanted)
    short = micro({d: {c[:3] for c in s} for d, s in said.items()}, {d: {c[:3] for c in s} for d, s in wanted.items()})
    return Measured(
        {
            "documents": len(gold), "precision": full.precision, "recall": full.recall, "f1": full.f1, "f1_three_characters": short.f1,
            "f1_of_the_engine_before_review": micro(engine, wanted).f1,
            "map": float(np.mean([average_precision(ranking[d], wanted[d]) for d in wanted])),
            "candidate_recall": sum(len(wanted[d] & set(ranking[d])) for d in wanted) / sum(map(len, wanted.values())),
            "calibration_error": calibration_of(answers),
            "excerpts_verbatim": verbatim / max(1, excerpts), "codes_valid": valid / max(1, codes),
        },
        answers=tuple(answers),
    )  # fmt: skip


def notes(product: Product, gold: Sequence[GoldNote], tabular: TabularList, progress: Callable[[int], None] = lambda _: None) -> Measured:
    """Compare with coded US notes: required codes at full length, principal, and codes taken from text that must not be coded."""
    totals: Counter[str] = Counter()
    groups: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    wrong, answers = [], []
    for at, note in enumerate(gold):
        _, answer = product.code(note.text, note.setting)
        said = _said(answer)
        required = [{g.code, *g.alternatives} for g in note.codes if g.status == "required"]
        neutral = {c for g in note.codes for c in (g.code, *g.alternatives)}
        missed = [sorted(group)[0] for group in required if not group & set(said)]
        extra = [c for c in said if c not in neutral]
        hits = sum(any(c in g for g in required) for c in said)
        counts = Counter(required=len(required), met=len(required) - len(missed), said=hits + len(extra), extra=len(extra))
        firsts = {c for g in note.codes if g.principal or g.may_be_first for c in (g.code, *g.alternatives)}
        totals += counts
        totals["principal"] += bool(said and said[0] in firsts)
        denied = {c for c, reason, _ in note.not_coded if reason in FORBIDDEN}
        totals["forbidden"] += sum(c in extra for c in denied)
        totals["category met"] += sum(bool({c[:3] for c in group} & {c[:3] for c in said}) for group in required)
        ok, n = _verbatim(answer, note.text)
        totals["verbatim"], totals["excerpts"] = totals["verbatim"] + ok, totals["excerpts"] + n
        for title, name in (("source", note.source), ("setting", note.setting), *person(note.text)):
            groups[title][name] += counts
        for group in required:
            code, met = sorted(group)[0], bool(group & set(said))
            for title, name in (("chapter", chapter(code)), ("use of the code by US coders", frequency(code, product.coder.concepts, tabular))):
                groups[title][name] += Counter(required=1, met=met, said=met)
        for code in extra:
            groups["chapter"][chapter(code)] += Counter(said=1, extra=1)
            groups["use of the code by US coders"][frequency(code, product.coder.concepts, tabular)] += Counter(said=1, extra=1)
        answers += [Answer(d.confidence, d.code in neutral, d.code) for d in answer.diagnoses if d.code in extra or d.code in neutral]
        wrong.append((f"{note.source}:{note.id}", tuple(missed), tuple(extra)))
        progress(at)
    score = _score(totals)
    return Measured(
        {
            "notes": len(gold), "precision": score.precision, "recall": score.recall, "f1": score.f1,
            "category_recall": totals["category met"] / max(1, totals["required"]), "principal_right": totals["principal"] / max(1, len(gold)),
            "forbidden_codes_a_note": totals["forbidden"] / max(1, len(gold)),
            "calibration_error": calibration_of(answers),
            "excerpts_verbatim": totals["verbatim"] / max(1, totals["excerpts"]),
        },
        {f"by {title}": {name: _score(c) for name, c in sorted(members.items())} for title, members in groups.items()},
        tuple(wrong),
        tuple(answers),
    )  # fmt: skip


def _score(totals: Counter[str]) -> Score:
    precision = 1 - totals["extra"] / totals["said"] if totals["said"] else 0.0
    recall = totals["met"] / totals["required"] if totals["required"] else 0.0
    return Score(precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0)


def phrases(product: Product, bank: Iterable[Phrase], tabular: TabularList) -> Measured:
    """Compare with the phrase bank: recall and precision at the threshold, recall among the first 1 and 10 candidates, traps."""
    totals: Counter[str] = Counter()
    groups: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    wrong, answers = [], []
    for phrase in bank:
        reading, answer = product.code(phrase.text)
        said = _said(answer)
        if phrase.code is None:
            totals["traps"] += 1
            totals["trapped"] += phrase.wrong in said
            continue
        accepted = {phrase.code, *phrase.alternatives}
        ranked = [c for c, _ in ranked_codes(reading)]
        stems = {tabular.stem(c) for c in accepted}
        counts = Counter(required=1, met=bool(accepted & set(said)), said=len(said), extra=sum(c not in accepted for c in said))
        totals += counts
        named = (("kind", KINDS[phrase.kind]), ("chapter", chapter(phrase.code)))
        for title, name in (*named, ("use of the code by US coders", frequency(phrase.code, product.coder.concepts, tabular))):
            groups[title][name] += counts
        answers += [Answer(d.confidence, d.code in accepted, d.code) for d in answer.diagnoses]
        totals["at 1"] += bool(stems & set(ranked[:1]))
        totals["at 10"] += bool(stems & set(ranked[:10]))
        if not accepted & set(said):
            wrong.append((phrase.text, (phrase.code,), tuple(said)))
    score, n = _score(totals), max(1, totals["required"])
    return Measured(
        {
            "phrases": totals["required"], "precision": score.precision, "recall": score.recall, "f1": score.f1, "recall_at_1": totals["at 1"] / n,
            "recall_at_10": totals["at 10"] / n, "traps": totals["traps"], "trapped": totals["trapped"] / max(1, totals["traps"]),
            "calibration_error": calibration_of(answers),
        },
        {f"by {title}": {name: _score(c) for name, c in sorted(members.items())} for title, members in groups.items()},
        tuple(wrong),
        tuple(answers),
    )  # fmt: skip
