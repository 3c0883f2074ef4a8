"""How quick the review is: `python -m tests.review_speed [--patients 60] [--mentions 60] [--json]`. A measurement, no test.

Processor time of this process, so that other work on the machine decides less. The tables are read before, one review warms the caches up, and every
further patient is new. Figures and what they mean: docs/performance.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import random
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from cds_service.review import Knowledge, ModelUsed, review
from fhir_mappers.record import EncounterRecord, Note, Patient, Setting
from onnx_models.assertion import judge
from onnx_models.attributes import attributes_of
from onnx_models.reading import Candidate, Mention, NoteReading
from onnx_models.segmenter import section_at, sections, sentences

BAR_MS = 20.0
DAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
MODEL = ModelUsed("speed", "0", "0" * 64)
SOURCE = "DocumentReference/1"
FREQUENT = (
    "E11.9", "E11.65", "I10", "N18.32", "I50.9", "I50.22", "J44.9", "G62.9", "R05.9", "R06.00", "M10.9", "D64.9", "I48.91", "M25.561", "A41.9", "R65.20",
    "N17.9", "K92.2", "F32.9", "E66.9", "Z68.36", "I25.10", "I63.9", "J18.9", "E87.1", "L89.159", "N39.0", "R07.9",
)  # fmt: skip
LETTERS = "abcdefghij"


def patient(number: int, knowledge: Knowledge, mentions: int = 60) -> tuple[EncounterRecord, Mapping[str, NoteReading]]:
    """Return an inpatient with one note of mentions with three candidates each: up to twenty frequent conditions, the rest of the whole classification."""
    draw = random.Random(number)
    codes = next(iter(knowledge.code_sets))
    others = [c for c in sorted(codes.billable) if c[0] in "ABCDEFGHIJKLMN" and not codes.is_manifestation(c)]
    frequent = min(20, mentions // 3)
    lines, meant = [], {}
    for at, code in enumerate(draw.sample(FREQUENT, frequent) + draw.sample(others, mentions - frequent)):
        words = f"Conditio {''.join(LETTERS[int(d)] for d in f'{at:03}')}"
        meant[words] = (Candidate(code, draw.uniform(0.5, 1.0)), Candidate(draw.choice(others), 0.2), Candidate(draw.choice(FREQUENT), 0.15))
        lines.append(f"{at}. {words}, stable on treatment.")
    half = mentions // 2
    text = "HPI:\n" + "\n".join(lines[:half]) + "\n\nAssessment:\n" + "\n".join(lines[half:])
    record = EncounterRecord(
        Patient("p", date(1960, 5, 1), "female"), "e", Setting.INPATIENT, DAY, DAY, notes=(Note(SOURCE, text, "Progress note", date=DAY),)
    )
    return record, {SOURCE: _read(text, meant)}


def _read(text: str, meant: Mapping[str, tuple[Candidate, ...]]) -> NoteReading:
    parts = sections(text)
    lines = sentences(text, parts)
    found = []
    for words, candidates in meant.items():
        begin = text.index(words)
        end = begin + len(words)
        line = next(s for s in lines if s.begin <= begin < s.end)
        kind = section_at(parts, begin).kind
        judged = judge(text, (line.begin, line.end), (begin, end), kind)
        attributes = attributes_of(text, (line.begin, line.end), (begin, end))
        found.append(Mention(begin, end, words, kind, line, judged.assertion, attributes, candidates, judged.cue))
    return NoteReading(parts, lines, tuple(sorted(found, key=lambda m: m.begin)), "en")


def measured(patients: int, mentions: int) -> list[float]:
    """Return the milliseconds of processor time that each of the reviews took, sorted."""
    knowledge = Knowledge.load()
    prepared = [patient(number, knowledge, mentions) for number in range(patients + 1)]
    gc.collect()
    gc.freeze()  # as a service that serves for hours has its tables out of the collector's way
    spent = []
    for record, readings in prepared:
        began = time.process_time()
        review(record, readings, knowledge, id="speed", created=DAY, today=DAY.date(), model=MODEL)
        spent.append((time.process_time() - began) * 1000)
    return sorted(spent[1:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Always 0: a measurement has no verdict that a busy machine could turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--mentions", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    spent = measured(given.patients, given.mentions)
    p50, p95 = spent[math.ceil(len(spent) * 0.5) - 1], spent[math.ceil(len(spent) * 0.95) - 1]
    figures = {"patients": given.patients, "mentions": given.mentions, "p50Ms": round(p50, 2), "p95Ms": round(p95, 2), "mostMs": round(spent[-1], 2)}
    figures |= {"barMs": BAR_MS, "met": p95 < BAR_MS, "load": round(os.getloadavg()[0], 1)}
    if given.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return 0
    verdict = f"under {BAR_MS:g} ms: {'met' if figures['met'] else 'NOT MET'}"
    told = f"p50 {p50:.1f}, p95 {p95:.1f}, most {spent[-1]:.1f} ms of processor time; {verdict}"
    sys.stdout.write(f"{given.patients} patients, {given.mentions} mentions each: {told}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
