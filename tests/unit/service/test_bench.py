"""`marginalia bench`: what it prints, on a tiny setting against the real service."""

from __future__ import annotations

import json
import re
import statistics
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from cds_service.bench.calls import Answered, hook_call
from cds_service.bench.command import bench
from cds_service.bench.measures import Calls, Stages, percentile
from cds_service.bench.notes import SyntheticNotes
from cds_service.bench.report import Machine, Report, as_text, to_document
from fhir_mappers import read_resources

MACHINE = Machine("Linux x86_64", 2, 0.1, "3.11", "1.22", "CPUExecutionProvider", "model 1")


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """The JSON report of one round with one and two clients; it stands alone on standard output."""
    result = CliRunner().invoke(bench, ["--rounds", "1", "--clients", "1,2", "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_report_holds_every_measurement(measured: dict[str, Any]) -> None:
    """Three sizes, each cold and warm; one row for each number of clients; stages; memory; start-up."""
    assert [(c["words"], c["state"], c["calls"]) for c in measured["calls"]] == [(w, s, 1) for w in (300, 1500, 5000) for s in ("cold", "warm")]
    assert [(t["clients"], t["calls"]) for t in measured["throughput"]] == [(1, 1), (2, 2)]
    assert [s["words"] for s in measured["stages"]] == [300, 1500, 5000]
    for stage in measured["stages"]:
        assert {"segmentation", "encoder", "ranking"} <= set(stage["medianMs"])
    assert measured["memoryMb"]["most"] >= measured["memoryMb"]["ready"] > 50
    assert measured["startUpS"] > 0
    assert measured["startUpProcessorS"] > 0.1
    assert measured["machine"]["provider"].endswith("ExecutionProvider")
    assert "peers" not in measured


def test_report_figures_are_of_answered_calls(measured: dict[str, Any]) -> None:
    """Times rise from p50 to p95, cards are counted, and the answers a second follow from count and time."""
    for row in (*measured["calls"], *measured["throughput"]):
        assert 0 < row["p50Ms"] <= row["p95Ms"]
        assert 0 <= row["readInFull"] <= row["calls"]
        assert 0 <= row["withCards"] <= row["calls"]
    assert measured["calls"][-1]["withCards"] == 1
    for row in measured["throughput"]:
        assert row["perSecond"] == pytest.approx(row["calls"] / row["seconds"], rel=0.05)


def test_verdicts_follow_from_the_figures(measured: dict[str, Any]) -> None:
    """Each bar repeats its figure; met means under the limit and, for a call, not by leaving notes unread."""
    bars = {b["name"]: b for b in measured["bars"]}
    cold = {c["words"]: c for c in measured["calls"] if c["state"] == "cold"}
    assert {(b["limit"], b["unit"]) for b in bars.values()} == {(250, "ms"), (500, "ms"), (1000, "MB"), (5, "s")}
    for name, words in (("p95 of a call, 300 words", 300), ("p95 of a call, 1,500 words", 1500)):
        assert bars[name]["value"] == pytest.approx(cold[words]["p95Ms"], abs=0.06)
        assert bars[name]["readInFull"] == cold[words]["readInFull"] / cold[words]["calls"]
    assert bars["resident memory"]["value"] == pytest.approx(measured["memoryMb"]["most"], abs=0.06)
    assert bars["ready after"]["value"] == measured["startUpS"]
    for bar in bars.values():
        assert bar["met"] is (bar["value"] < bar["limit"] and bar["readInFull"] >= 0.95)


def test_no_process_stays_behind(measured: dict[str, Any]) -> None:
    """The service that was measured is stopped."""
    assert measured["calls"]
    assert [p.pid for p in psutil.Process().children(recursive=True) if "cds_service.bench.served" in p.cmdline()] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rounds", "0"), "'--rounds'"),
        (("--rounds", "100000"), "'--rounds'"),
        (("--rounds", "many"), "'--rounds'"),
        (("--clients", ""), "'--clients'"),
        (("--clients", "1,x"), "such as 1,4,16"),
        (("--clients", "0"), "from 1 to 64"),
        (("--clients", "1,4,1000"), "from 1 to 64"),
        (("--url", "https://ehr.example.org"), "No such option"),
    ],
)
def test_wrong_options(options: tuple[str, ...], words: str) -> None:
    """Load is bounded and stays on this machine: wrong options end with exit code 2 and are named."""
    result = CliRunner().invoke(bench, list(options))
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


def _report(milliseconds: float, in_full: int, memory: float = 400.0, start: float = 2.0) -> Report:
    answers = tuple(Answered(milliseconds, i < in_full, 1) for i in range(20))
    calls = [Calls(words, "cold", 1, 1.0, answers, 10.0) for words in (300, 1500)]
    return Report(MACHINE, 20, start, 1.0, 300.0, memory, calls, calls[:1], [Stages(300, (("encoder", 5.0),), 6.0)])


@pytest.mark.parametrize(
    ("report", "met"),
    [
        (_report(249, 20), [True, True, True, True]),
        (_report(250, 20), [False, True, True, True]),
        (_report(501, 20), [False, False, True, True]),
        (_report(100, 19), [True, True, True, True]),
        (_report(100, 18), [False, False, True, True]),
        (_report(100, 20, memory=1000.0), [True, True, False, True]),
        (_report(100, 20, start=5.1), [True, True, True, False]),
    ],
)
def test_bars(report: Report, met: list[bool]) -> None:
    """p95 under 250 ms at 300 words and 500 ms at 1,500, memory under 1 GB, ready within 5 s; an unread note is no fast call."""
    assert [b["met"] for b in to_document(report)["bars"]] == met
    assert re.findall(r"\b(NOT MET|met)\b", as_text(report)) == ["met" if m else "NOT MET" for m in met]


def test_text_says_when_the_machine_is_busy() -> None:
    """Times taken beside other work are too high, and the report says so."""
    quiet = _report(100, 20)
    busy = Report(Machine("Linux", 2, 9.0, "3.11", "1.22", "CPUExecutionProvider", "model 1"), 1, 2.0, 1.0, 1.0, 1.0, quiet.calls, quiet.busy, quiet.stages)
    assert "busy with other work" in as_text(busy)
    assert "busy with other work" not in as_text(quiet)


def test_percentile() -> None:
    """Nearest rank: p95 of twenty values is the nineteenth."""
    values = [float(v) for v in range(20, 0, -1)]
    assert percentile(values, 0.95) == 19.0
    assert percentile(values, 0.5) == 10.0
    assert percentile([7.0], 0.95) == 7.0


@pytest.mark.parametrize("words", [300, 1500, 5000])
def test_notes_have_the_wanted_length(words: int) -> None:
    """A note is as long as asked for, up to one sentence a section."""
    lengths = [len(SyntheticNotes().note(number, words).split()) for number in range(5)]
    assert statistics.mean(lengths) == pytest.approx(words, rel=0.08)


def test_notes_hardly_repeat_each_other() -> None:
    """Caches of phrases can't make a first reading look cheap: sentences are new in each note, and the same number gives the same note."""
    notes = SyntheticNotes()
    assert notes.note(7, 300) == SyntheticNotes().note(7, 300)
    seen: set[str] = set()
    repeated = total = 0
    for number in range(20):
        own = set(re.split(r"[.\n]\s*", notes.note(number, 1500).split("\n", 1)[1].lower()))
        own = {s for s in own if len(s.split()) > 3}
        repeated, total = repeated + len(own & seen), total + len(own)
        seen |= own
    assert repeated / total < 0.05


def test_hook_call_is_a_chart_that_can_be_read() -> None:
    """The prefetch of a call is valid FHIR: nothing of it is skipped, and the note is in it letter by letter."""
    call = json.loads(hook_call("Assessment: gout.", 3))
    values = [v for v in call["prefetch"].values() if v]
    resources = [e["resource"] for v in values if v["resourceType"] == "Bundle" for e in v["entry"]] + [v for v in values if v["resourceType"] != "Bundle"]
    record = read_resources(resources, patient_id=call["context"]["patientId"], encounter_id=call["context"]["encounterId"])
    assert [n.text for n in record.notes] == ["Assessment: gout."]
    assert list(record.skipped) == []
    assert len(record.observations) == 4
