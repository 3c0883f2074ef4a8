"""How quick the app's page is, in Chromium: `python -m tests.smart_speed [--rounds 10] [--json]`. A measurement, no test.

The service runs as `marginalia serve` does, in a process of its own, with the real engine; the EHR of the tests stands beside it on
loopback. Needs the system packages chromium and chromium-driver. Figures and what they mean: docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from cds_service.bench.notes import SyntheticNotes
from cds_service.bench.server import Server, running
from cds_service.review.knowledge import icd10cm_2026
from smart_app.search import CodeSearch
from tests.smart_ehr import CLIENT, Ehr
from tests.smart_screen import CHROMIUM, DRIVER, chromium
from tests.smart_stage import ENCOUNTER, PATIENT, chart_resources, running_ehr

SIZES = (1_200, 10_000)  # words of the note
PAGE_MS, LIGHT_MS, SEARCH_MS = 300.0, 60.0, 50.0
TYPED = ("pneumonia", "hart attack", "kidny stone", "zebra xylophone", "diabetes mellitus hyperglycemia", "sweet urine sickness", "copd exacerbaton")
WORDS = 1500  # words of the code set, typed letter by letter

READY = "return [performance.getEntriesByName('marginalia-ready')[0].startTime, performance.getEntriesByType('navigation')[0].responseStart]"
# From a click until the frame with its highlights has been shown: a message that is sent in a frame arrives after that frame was painted.
LIGHT = """
const done = arguments[arguments.length - 1], cards = document.querySelectorAll('.card.code .open'), times = [];
const one = (at) => {
  if (at === Math.min(cards.length, arguments[0])) { done(times); return; }
  const began = performance.now();
  cards[at].click();
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => { times.push(performance.now() - began); setTimeout(() => one(at + 1), 30); };
    port2.postMessage(0);
  });
};
one(0);
"""
# Frames while the note is scrolled from its top to its end, a hundred steps.
SCROLL = """
const done = arguments[arguments.length - 1], area = document.scrollingElement.scrollHeight > innerHeight ? document.scrollingElement
  : document.getElementById('reading'), frames = [];
let last = performance.now(), step = 0;
const go = () => {
  const now = performance.now(); frames.push(now - last); last = now;
  if (step === 100) { done(frames.slice(2)); return; }
  step += 1; area.scrollTop = area.scrollHeight * step / 100; requestAnimationFrame(go);
};
requestAnimationFrame(go);
"""
SEARCH = """
const done = arguments[arguments.length - 1], url = document.querySelector('.desk').dataset.search, times = [];
(async () => {
  for (const typed of arguments[0]) for (let end = 2; end <= typed.length; end += 1) {
    const began = performance.now();
    await (await fetch(`${url}?q=${encodeURIComponent(typed.slice(0, end))}`)).json();
    times.push(performance.now() - began);
  }
  done(times);
})();
"""


@dataclass
class Figure:
    """What was measured, in milliseconds, and its bar where there is one."""

    name: str
    times: Sequence[float]
    bar: float | None = None
    note: str = ""
    processor: Sequence[float] = ()  # what of it was computed: beside other work the clock shows waiting, this hardly does

    def at(self, share: float) -> float:
        """Return a nearest-rank percentile."""
        return sorted(self.times)[max(0, math.ceil(share * len(self.times)) - 1)]

    def told(self) -> dict[str, Any]:
        """Return the figure as JSON values."""
        bar = {"barMs": self.bar, "met": self.at(0.95) < self.bar} if self.bar else {}
        processor = {"processorMs": round(statistics.median(self.processor), 1)} if self.processor else {}
        clock = {"p50Ms": round(self.at(0.5), 1), "p95Ms": round(self.at(0.95), 1)}
        return {"name": self.name, "n": len(self.times), **clock, **processor, "note": self.note, **bar}


@dataclass
class Bench:
    """One browser in front of one service."""

    driver: webdriver.Chrome
    server: Server
    ehr: Ehr
    rounds: int
    figures: list[Figure] = field(default_factory=list)

    def page(self, words: int) -> None:
        """Measure the page of a note of this length."""
        note = SyntheticNotes().note(0, words)
        self.ehr.resources = chart_resources(note, encounter=f"{ENCOUNTER}-{words}")
        label = f"{words:,} words"
        launch = self.ehr.launch(PATIENT, f"{ENCOUNTER}-{words}")
        began = time.perf_counter()
        self.driver.get(f"{self.server.url}/smart/launch?iss={self.ehr.iss}&launch={launch}")
        self._ready()
        self.figures.append(Figure(f"first opening, {label}", [(time.perf_counter() - began) * 1000], note="launch, sign-in, the engine reads the note"))
        ready, first, server = [], [], []
        for _ in range(self.rounds):
            self.server.rest()
            busy = self.server.busy_s()
            self.driver.refresh()
            self._ready()
            one = self.driver.execute_script(READY)
            ready.append(one[0])
            first.append(one[1])
            server.append((self.server.busy_s() - busy) * 1000)
        shown = self.driver.execute_script("return [document.querySelectorAll('.card.code').length, document.querySelectorAll('.words').length]")
        self.figures.append(Figure(f"page ready, {label}", ready, PAGE_MS, f"{shown[0]} codes, {shown[1]} highlights"))
        self.figures.append(Figure(f"  of it until the first byte, {label}", first, note="the chart is read from the EHR anew", processor=server))
        drawn = self._drawn()
        times = self.driver.execute_async_script(LIGHT, 30)
        self.figures.append(Figure(f"highlight, {label}", times, LIGHT_MS, "from the click until the frame was shown", [(self._drawn() - drawn) / len(times)]))
        self.figures.append(Figure(f"frames while scrolling, {label}", self.driver.execute_async_script(SCROLL), note="16.7 ms is the screen's own pace"))

    def search(self) -> None:
        """Measure the type-ahead as the page asks it: each beginning of each word, over HTTP."""
        self.driver.execute_async_script(SEARCH, ["warm"])
        busy = self.server.busy_s()
        times = self.driver.execute_async_script(SEARCH, list(TYPED))
        spent = [(self.server.busy_s() - busy) * 1000 / len(times)]
        self.figures.append(Figure("type-ahead over HTTP", times, SEARCH_MS, "odd words, misspellings, each letter", spent))

    def _drawn(self) -> float:
        """Return the processor time of the page's own thread, in milliseconds."""
        metrics = {m["name"]: m["value"] for m in self.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
        return float(metrics["TaskDuration"]) * 1000

    def _ready(self) -> None:
        WebDriverWait(self.driver, 60, poll_frequency=0.02).until(lambda d: d.execute_script("return document.documentElement?.dataset.ready === 'true'"))


def search_alone() -> Figure:
    """Measure the search without HTTP, by its own processor time: words of the code set, each beginning, each with a letter left out."""
    search = CodeSearch(icd10cm_2026())
    search.prepare()
    chance = random.Random(1)
    times = []
    for word in chance.sample(search.words, WORDS):
        slip = chance.randrange(len(word))
        for typed in (*(word[:end] for end in range(1, len(word) + 1)), word[:slip] + word[slip + 1 :], word[::-1]):
            began = time.process_time()
            search.find(typed)
            times.append((time.process_time() - began) * 1000)
    return Figure("type-ahead, processor time", times, SEARCH_MS, f"{WORDS:,} words of the code set, misspelt and backwards; slowest {max(times):.0f} ms")


@contextmanager
def staged(rounds: int) -> Iterator[Bench]:
    """The service, the EHR and a browser."""
    with running_ehr() as ehr, tempfile.TemporaryDirectory() as profile:
        issuer = {"iss": ehr.iss, "client_id": CLIENT, "name": "Test EHR", "coders": ["Practitioner/7"], "writes": ["Condition"]}
        with running({"MARGINALIA_SMART_ISSUERS": json.dumps([issuer])}) as server:
            driver = chromium(Path(profile))
            try:
                driver.set_script_timeout(120)
                driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
                yield Bench(driver, server, ehr, rounds)
            finally:
                driver.quit()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="loads of each page (10)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    if not (CHROMIUM and DRIVER):
        sys.stderr.write("This needs the system packages chromium and chromium-driver.\n")
        return 1
    load = os.getloadavg()[0]
    with staged(given.rounds) as bench:
        for words in SIZES:
            bench.page(words)
        bench.search()
    bench.figures.append(search_alone())
    if given.json:
        sys.stdout.write(json.dumps({"load": load, "cores": os.cpu_count(), "figures": [f.told() for f in bench.figures]}, indent=1) + "\n")
        return 0
    sys.stdout.write(f"{os.cpu_count()} cores, load {load:.1f}\n{'':<44}   p50 ms   p95 ms  processor ms\n")
    for figure in (f.told() for f in bench.figures):
        verdict = f"  under {figure['barMs']:.0f}: {'met' if figure['met'] else 'NOT MET'}" if "met" in figure else ""
        sys.stdout.write(f"{figure['name']:<44}{figure['p50Ms']:>9.1f}{figure['p95Ms']:>9.1f}{figure.get('processorMs', ''):>9}  {figure['note']}{verdict}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
