"""What the benchmark found: as a JSON document and as a page for the terminal. The bars are those of a machine with two cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cds_service.bench.measures import Calls, Stages
from cds_service.bench.peers import WORDS, Compared

_LIMITS_MS = {300: 250.0, 1500: 500.0}  # words of the note -> p95 of a cold call
_IN_FULL = 0.95  # of the calls: one that leaves a part of its note unread is no fast call


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the figures come from."""

    system: str
    cores: int  # that this process may use
    load: float  # mean number of running processes in the minute before the start: far above zero, figures are too high
    python: str
    onnxruntime: str
    provider: str
    model: str  # name and version


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit that the product sets itself."""

    name: str
    unit: str
    limit: float
    value: float
    in_full: float = 1.0  # share of the calls whose note was read to its end

    @property
    def met(self) -> bool:
        """True where the value stays under the limit, and not because notes were left unread."""
        return self.value < self.limit and self.in_full >= _IN_FULL


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured in one run."""

    machine: Machine
    rounds: int
    start_s: float
    start_processor_s: float
    memory_ready_mb: float
    memory_most_mb: float
    calls: Sequence[Calls]
    busy: Sequence[Calls]
    stages: Sequence[Stages]
    peers: Compared | None = None

    def bars(self) -> list[Bar]:
        """Return the bars with what was measured; the calls are cold ones."""
        cold = [c for c in self.calls if c.state == "cold" and c.words in _LIMITS_MS]
        return [
            *(Bar(f"p95 of a call, {c.words:,} words", "ms", _LIMITS_MS[c.words], c.percentile_ms(0.95), c.in_full / len(c.answers)) for c in cold),
            Bar("resident memory", "MB", 1000.0, self.memory_most_mb),
            Bar("ready after", "s", 5.0, self.start_s),
        ]


def to_document(report: Report) -> dict[str, Any]:
    """Return the report as JSON values; figures are rounded for reading, verdicts come from the exact ones."""
    document: dict[str, Any] = {
        "machine": {
            "system": report.machine.system,
            "cores": report.machine.cores,
            "load": round(report.machine.load, 2),
            "python": report.machine.python,
            "onnxruntime": report.machine.onnxruntime,
            "provider": report.machine.provider,
            "model": report.machine.model,
        },
        "rounds": report.rounds,
        "startUpS": round(report.start_s, 3),
        "startUpProcessorS": round(report.start_processor_s, 2),
        "memoryMb": {"ready": round(report.memory_ready_mb, 1), "most": round(report.memory_most_mb, 1)},
        "calls": [_row(c) for c in report.calls],
        "throughput": [
            {"clients": c.clients, **_row(c), "seconds": round(c.seconds, 2), "perSecond": round(c.per_second, 2), "turnedAway": c.turned_away}
            for c in report.busy
        ],
        "stages": [{"words": s.words, "processorMs": round(s.processor_ms, 1), "medianMs": {name: round(ms, 2) for name, ms in s.ms}} for s in report.stages],
        "bars": [
            {"name": b.name, "unit": b.unit, "limit": b.limit, "value": round(b.value, 3), "readInFull": round(b.in_full, 3), "met": b.met}
            for b in report.bars()
        ],
    }
    if report.peers:
        document["peers"] = _peers(report.peers)
    return document


def _row(calls: Calls) -> dict[str, Any]:
    return {
        "words": calls.words,
        "state": calls.state,
        "calls": len(calls.answers),
        "readInFull": calls.in_full,
        "withCards": sum(a.cards > 0 for a in calls.answers),
        "p50Ms": round(calls.percentile_ms(0.5), 1),
        "p95Ms": round(calls.percentile_ms(0.95), 1),
        "processorMs": round(calls.processor_ms, 1),
    }


def _peers(found: Compared) -> dict[str, Any]:
    return {
        "words": WORDS,
        "rounds": found.rounds,
        "sentencesPerNote": round(found.sentences / found.rounds, 1),
        "encodingMs": {"onnxInt8": round(found.onnx_encoder, 1), "pytorch": round(found.torch_encoder, 1)},
        "noteMs": {"marginalia": round(found.marginalia, 1), "icd10Coder": round(found.keyword_coder, 1)},
    }


def as_text(report: Report) -> str:
    """Return the report as lines for a person."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    m = report.machine
    yield f"{m.system}, {m.cores} cores, load {m.load:.1f}, Python {m.python}, ONNX Runtime {m.onnxruntime} ({m.provider}), {m.model}"
    if m.load > m.cores / 2:
        yield "The machine is busy with other work: times of the clock are too high. Processor times hardly suffer."
    yield ""
    yield "Hook calls, one after the other             p50 ms    p95 ms  processor ms   read in full"
    for c in report.calls:
        yield f"  {c.words:>5,} words, {c.state:<24}{c.percentile_ms(0.5):>10.0f}{c.percentile_ms(0.95):>10.0f}{c.processor_ms:>14.0f}{_share(c):>15}"
    yield ""
    yield "At the same time                            p50 ms    p95 ms      a second   read in full"
    for c in report.busy:
        name = f"{c.clients} client{'s' if c.clients > 1 else ''}, {c.words} words, {c.state}"
        yield f"  {name:<38}{c.percentile_ms(0.5):>10.0f}{c.percentile_ms(0.95):>10.0f}{c.per_second:>14.1f}{_share(c):>15}"
        if c.turned_away:
            yield f"    {c.turned_away} more calls found no place and were asked to come again"
    yield ""
    yield "Engine alone, no deadline: median ms of each stage, and processor ms of all threads"
    for s in report.stages:
        yield f"  {s.words:>5,} words   {', '.join(f'{name} {ms:.0f}' for name, ms in s.ms)}; processor {s.processor_ms:.0f}"
    if report.peers:
        p = report.peers
        yield ""
        yield f"Beside others, one note of {WORDS:,} words, median ms of {p.rounds}"
        yield f"  encoding its {p.sentences / p.rounds:.0f} sentences    ONNX int8 {p.onnx_encoder:.0f}, plain PyTorch {p.torch_encoder:.0f}"
        yield f"  coding the note    Marginalia {p.marginalia:.0f}, icd10-coder (keywords, sentence by sentence) {p.keyword_coder:.0f}"
    yield ""
    yield f"Memory {report.memory_ready_mb:.0f} MB when ready, {report.memory_most_mb:.0f} MB at most"
    yield f"Ready after {report.start_s:.1f} s, of which {report.start_processor_s:.1f} s of processor time"
    yield ""
    yield "Bars for two cores"
    for b in report.bars():
        cut = "" if b.in_full == 1 else f" ({b.in_full:.0%} of the notes read in full)"
        yield f"  {b.name:<26}{b.value:>8.1f} {b.unit:<2}  under {b.limit:>5,.0f} {b.unit:<2}  {'met' if b.met else 'NOT MET'}{cut}"


def _share(calls: Calls) -> str:
    return f"{calls.in_full} of {len(calls.answers)}"
