"""Procedures measured: sentences and short reports of inpatient care with the ICD-10-PCS codes that they document.

The gold set is committed (`gold/procedures.jsonl`), written for this purpose; its split is by hash of the text. An example has the codes that are right, or
the axis that is not documented (`open`), or neither: then nothing was done at this encounter, and every code is wrong.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from cds_service.evaluation.measure import Answer, Measured, calibration_of
from cds_service.evaluation.reader import Product
from cds_service.review.codeset import ICD10PCS
from onnx_models.evaluation.metrics import Score, micro

_SECTIONS = {"0": "medical and surgical", "1": "obstetrics"}


@dataclass(frozen=True, slots=True)
class GoldProcedure:
    """One example."""

    id: str
    split: str  # "train" | "dev" | "test"
    text: str
    codes: frozenset[str]
    open: str | None  # axis that isn't documented


def gold_procedures(split: str) -> tuple[GoldProcedure, ...]:
    """Return the examples of a split; "dev" are all that were worked with, "test" those that were not."""
    lines = (resources.files("cds_service.evaluation") / "gold" / "procedures.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines if line]
    found = (GoldProcedure(e["id"], e["split"], e["text"], frozenset(e["codes"]), e.get("open")) for e in entries)
    return tuple(g for g in found if (g.split == "test") == (split == "test"))


def procedures(product: Product, gold: Sequence[GoldProcedure]) -> Measured:
    """Compare with the gold set; empty where no tables of ICD-10-PCS are at hand."""
    if not any(r.tables for r in product.knowledge.code_sets.of(ICD10PCS)):
        return Measured({})
    said: dict[str, set[str]] = {}
    wanted: dict[str, set[str]] = {}
    by_kind: dict[str, dict[str, tuple[set[str], set[str]]]] = defaultdict(dict)
    wrong, asked, verbatim, excerpts, false = [], 0, 0, 0, 0
    answers: list[Answer] = []
    for one in gold:
        _, answer = product.code(one.text, "inpatient")
        said[one.id], wanted[one.id] = {p.code for p in answer.procedures}, set(one.codes)
        kind = _kind(one)
        by_kind[kind][one.id] = (said[one.id], wanted[one.id])
        asked += one.open is not None and any(q.rule == "procedure.open" for q in answer.queries) and not answer.procedures
        false += not one.codes and one.open is None and bool(answer.procedures)
        for found in answer.procedures:
            answers.append(Answer(found.confidence, found.code in one.codes, found.code))
            spans = [e for e in found.evidence if e.begin is not None]
            excerpts += len(spans)
            verbatim += sum(one.text[e.begin : e.end] == e.text for e in spans)
        if said[one.id] != wanted[one.id]:
            wrong.append((one.id, tuple(sorted(wanted[one.id] - said[one.id])), tuple(sorted(said[one.id] - wanted[one.id]))))
    score = micro(said, wanted)
    open_ones = sum(g.open is not None for g in gold)
    figures = {
        "examples": float(len(gold)),
        "precision": score.precision,
        "recall": score.recall,
        "f1": score.f1,
        "open_axis_asked": asked / open_ones if open_ones else 0.0,
        "coded_though_not_done": float(false),
        "verbatim": verbatim / excerpts if excerpts else 1.0,
        "calibration_error": calibration_of(answers),
    }
    groups = {"kind": {kind: _score(pairs) for kind, pairs in sorted(by_kind.items())}}
    return Measured(figures, groups, tuple(wrong), tuple(answers))


def _kind(one: GoldProcedure) -> str:
    if one.open:
        return "an axis is not documented"
    return _SECTIONS.get(next(iter(one.codes))[0], "other") if one.codes else "nothing was done"


def _score(pairs: dict[str, tuple[set[str], set[str]]]) -> Score:
    return micro({i: said for i, (said, _) in pairs.items()}, {i: wanted for i, (_, wanted) in pairs.items()})
