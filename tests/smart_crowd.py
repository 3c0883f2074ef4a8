"""How quick the pages about many encounters are: `python -m tests.smart_crowd [--encounters 5000] [--store FOLDER] [--json]`. A measurement, no test.

A store is filled with invented encounters of three months: reviewed, decided, queried, some read twice. With `--store` the folder stays and
serves again. Then the service is asked for the work list and the pilot's figures as a browser asks it. Figures: docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event

from cds_service.review.knowledge import icd10cm_2026
from cds_service.store import ReviewStore
from smart_app.decisions import REASONS, Action
from smart_app.pilot.example import Pilot
from tests.smart_ehr import Ehr
from tests.smart_stage import Browser, Stage, running_ehr, running_service

CODES = 400  # different codes, a few of them frequent
DAYS = 85
ROUNDS = 5
ME = "Practitioner/7"
ISSUER = {"coders": [ME], "pilot_owners": [ME], "second_share": 0.05}


def crowd(store: ReviewStore, encounters: int, tell: Callable[[str], object] = print) -> None:
    """Fill a store with the work of `encounters` invented encounters, spread over three months up to now."""
    # A crash of the machine would cost this store, which is invented anyway.
    event.listen(store.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    store.engine.dispose()
    chance = random.Random(1)
    release = icd10cm_2026()
    pool = chance.sample(sorted(release.billable), CODES)
    weights = [1 / (rank + 3) for rank in range(CODES)]
    pilot = Pilot(store, titles={code: release.title(code) for code in pool}, told=told)
    begin = datetime.now(UTC) - timedelta(days=DAYS)
    for number in range(encounters):
        pilot.now = begin + timedelta(days=DAYS) * number / encounters
        one(pilot, number, list(dict.fromkeys(chance.choices(pool, weights, k=chance.randint(3, 14)))), chance)
        if number % 500 == 499:
            tell(f"  {number + 1} encounters")


def one(pilot: Pilot, number: int, codes: Sequence[str], chance: random.Random) -> None:
    """Let one encounter be reviewed and, mostly, worked on."""
    document = pilot.review(number, [(code, chance.uniform(0.4, 0.99)) for code in codes], findings=[codes[:2]] if chance.random() < 0.2 else [])
    if chance.random() < 0.3:
        return  # waits still
    pilot.open(number)
    for item in document["diagnoses"]:
        pilot.now += timedelta(seconds=chance.uniform(3, 20))
        if chance.random() < 0.8:
            pilot.decide(number, item["code"], Action.ACCEPT)
        else:
            pilot.decide(number, item["code"], Action.REJECT, reason=chance.choice(list(REASONS)))
    if chance.random() < 0.2:
        pilot.ask(number, answer_after=timedelta(hours=chance.uniform(1, 30)) if chance.random() < 0.7 else None)
    if chance.random() < 0.8:
        pilot.finish(number)
        if chance.random() < 0.05:
            pilot.read_twice(number, codes[0] if chance.random() < 0.5 else None, codes)


def told(code: str) -> dict[str, Any]:
    """Return evidence and rationale of the size that a real review has."""
    span = {"kind": "note", "source": "DocumentReference/1", "sha256": "0" * 64, "begin": 100, "end": 140, "section": "assessment_plan"}
    why = {"rule": "icd10cm.index", "text": f"The index leads from the words to {code}.", "reference": "ICD-10-CM 2026, index"}
    return {"evidence": [{**span, "assertion": {"polarity": "affirmed", "certainty": "certain"}}] * 3, "rationale": [why] * 3}


def measure(stage: Stage) -> Iterator[dict[str, Any]]:
    """Ask for each page, the first time and then several times."""
    browser = stage.browser()
    page = stage.open(browser)
    chart = page.url.split("#")[0]
    this = datetime.now(UTC)
    change = f"change={this - timedelta(days=40):%Y-%m-%d}"
    pages = {"work list": "/worklist", "work list, least sure": "/worklist?by=unsure", "pilot": "/pilot", "pilot, before and after": f"/pilot?{change}"}
    for name, path in pages.items():
        first = asked(browser, chart + path)
        rest = [asked(browser, chart + path) for _ in range(ROUNDS)]
        clock, spent = (round(statistics.median(one[at] for one in rest)) for at in (0, 1))
        one = {"name": name, "firstMs": round(first[0]), "firstProcessorMs": round(first[1]), "p50Ms": clock, "processorMs": spent}
        yield {**one, "kB": round(first[2] / 1000)}


def asked(browser: Browser, url: str) -> tuple[float, float, int]:
    """Return milliseconds by the clock and of the processor, which other work hardly changes, and bytes of an answer."""
    began, spent = time.perf_counter(), time.process_time()
    answer = browser.get(url, timeout=120)
    answer.raise_for_status()
    return (time.perf_counter() - began) * 1000, (time.process_time() - spent) * 1000, len(answer.content)


def main() -> int:
    """Fill, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encounters", type=int, default=5000, help="how many (5000)")
    parser.add_argument("--store", type=Path, help="folder of a store that is kept, filled only where it is empty")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, running_ehr() as ehr:
        folder = chosen.store or Path(scratch, "crowd")
        file = folder / "test.sqlite"
        if not file.exists():
            sys.stderr.write(f"Filling {chosen.encounters} encounters\n")
            store = ReviewStore(f"sqlite:///{file}")
            crowd(store, chosen.encounters, lambda line: sys.stderr.write(f"{line}\n"))
            store.close()
        figures = list(run(folder, ehr))
    if chosen.json:
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")
        return 0
    for f in figures:
        times = f"first {f['firstMs']:>6} ms ({f['firstProcessorMs']} computed), then {f['p50Ms']:>6} ms ({f['processorMs']} computed)"
        sys.stdout.write(f"{f['name']:<28}{times}   {f['kB']:>5} kB\n")
    return 0


def run(folder: Path, ehr: Ehr) -> Iterator[dict[str, Any]]:
    """Measure a service on the store of a folder."""
    ehr.user = ME
    with running_service(folder, ehr, issuer=ISSUER) as stage:
        yield from measure(stage)


if __name__ == "__main__":
    sys.exit(main())
