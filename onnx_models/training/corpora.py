"""Readers of the data folder: coded cases and uncoded text."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onnx_models.training.terms import Term


@dataclass(frozen=True, slots=True)
class Case:
    """A CodiEsp case: text, the codes its coders gave, and evidence spans as projected onto the English text."""

    id: str
    text: str
    codes: frozenset[str]
    evidence: tuple[tuple[int, int, Term], ...]  # begin, end, term


def codiesp(data: Path, split: str) -> list[Case]:
    """Return the cases of one split ("train" or "dev"). Raises FileNotFoundError naming the file."""
    spans: dict[str, list[tuple[int, int, Term]]] = {}
    with gzip.open(data / "codiesp/evidence_en.jsonl.gz", "rt") as handle:
        for line in handle:
            entry = json.loads(line)
            spans[entry["id"]] = [(s["begin"], s["end"], Term(s["text"], s["code"], "evidence")) for s in entry["evidence"]]
    with gzip.open(data / f"codiesp/{split}.jsonl.gz", "rt") as handle:
        cases = [json.loads(line) for line in handle]
    return [Case(c["id"], c["text_en"], frozenset(c["diagnoses"]), tuple(spans.get(c["id"], ()))) for c in cases]


def background(data: Path, limit: int = 1500) -> Iterator[str]:
    """Yield uncoded documents: published cases, dictated reports, visit notes, in equal turn up to `limit`."""
    with gzip.open(data / "codiesp/background_unlabelled.jsonl.gz", "rt") as handle:
        cases = [json.loads(line)["text_en"] for line in handle]
    with gzip.open(data / "notes/mtsamples/mtsamples_500.jsonl.gz", "rt") as handle:
        reports = [json.loads(line)["text"] for line in handle]
    csv.field_size_limit(10**7)
    visits: list[str] = []
    for name in sorted((data / "notes/aci_bench").glob("*.csv")):
        with name.open(newline="") as handle:
            visits += [row["note"] for row in csv.DictReader(handle)]
    yield from visits
    yield from reports
    yield from cases[: max(0, limit - len(visits) - len(reports))]


def plain_english(data: Path) -> Iterator[str]:
    """Yield text whose words are known words: health pages for lay readers, and visits as they were spoken."""
    with gzip.open(data / "medquad/medquad.jsonl.gz", "rt") as handle:
        yield from handle
    for name in sorted((data / "notes/aci_bench").glob("*.csv")):
        with name.open(newline="") as handle:
            yield from (row["dialogue"] for row in csv.DictReader(handle))


def us_code_uses(data: Path) -> Counter[str]:
    """Count in how many charts US professional coders used each ICD-10-CM code."""
    with (data / "mdace_codes/annotations.tsv").open() as handle:
        pairs = {(row["chart"], row["code"]) for row in csv.DictReader(handle, delimiter="\t") if row["system"] == "ICD-10-CM"}
    return Counter(code for _, code in pairs)
