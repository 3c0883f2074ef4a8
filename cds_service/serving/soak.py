"""Soak: mixed load on a service of its own for a long time. Does it stay as fast, as small and as free of errors as in the first minutes?"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from cds_service.bench.calls import SERVICE, hook_call
from cds_service.bench.notes import SyntheticNotes
from cds_service.bench.server import Server, running

_TIMEOUT_S = 60.0
_LOOK_S = 5.0  # between two looks at the memory
_WORDS = (150, 300, 600, 1200)
_LINES = 20  # of the log in the report
_KNOWN = 40  # notes that come again


@dataclass
class _Seen:
    """What the clients saw. Guarded by its lock."""

    began: float
    times: list[tuple[float, str, float]] = field(default_factory=list)  # (seconds since the start, kind, milliseconds)
    answers: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, float]] = field(default_factory=list)  # (seconds since the start, MB)
    reviews: list[str] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def soak(minutes: float, clients: int, tell: Callable[[str], object]) -> dict[str, Any]:
    """Run the load and return the report: answers by status, percentiles of the whole and over time, memory, errors, recovery after a kill."""
    with running() as server:
        seen = _Seen(time.monotonic())
        end = seen.began + minutes * 60
        threads = [threading.Thread(target=_client, args=(server.url, number, end, seen), name=f"soak-{number}") for number in range(clients)]
        for thread in threads:
            thread.start()
        told = 0
        while (now := time.monotonic()) < end:
            seen.memory.append((now - seen.began, server.memory_mb()))
            if int((now - seen.began) / 60) > told:
                told = int((now - seen.began) / 60)
                tell(f"{told} min: {sum(seen.answers.values())} answers, {seen.memory[-1][1]:.0f} MB, {_failures(seen)} failures")
            time.sleep(min(_LOOK_S, max(0.1, end - now)))
        for thread in threads:
            thread.join(_TIMEOUT_S)
        report = _report(seen, minutes, clients, server)
        server.kill_a_process()
        return report | {"recoveryS": _recovery(server.url)}


def _client(url: str, number: int, end: float, seen: _Seen) -> None:
    chance = random.Random(number)  # noqa: S311 - variety, not secrecy
    notes = SyntheticNotes(seed=number)
    session = requests.Session()
    session.trust_env = False
    session.headers["Content-Type"] = "application/json"
    count = 0
    while time.monotonic() < end:
        count += 1
        kind, method, path, body = _next(chance, notes, number, count, seen)
        began = time.monotonic()
        try:
            answer = session.request(method, url + path, data=body, timeout=_TIMEOUT_S)
            status = str(answer.status_code)
            _learn(kind, answer, seen)
        except requests.RequestException as error:
            status = type(error).__name__
        ms = (time.monotonic() - began) * 1000
        with seen.lock:
            seen.times.append((began - seen.began, kind, ms))
            seen.answers[f"{kind} {status}"] += 1
        if status == "503":
            time.sleep(1)  # as Retry-After asks
    session.close()


def _recovery(url: str) -> float:
    """Return the seconds until a hook call is answered again."""
    began = time.monotonic()
    body = hook_call(SyntheticNotes(seed=-1).note(1, 150), 99_999_999)
    with requests.Session() as session:
        session.trust_env = False
        while time.monotonic() - began < _TIMEOUT_S:
            try:
                answer = session.post(f"{url}/cds-services/{SERVICE}", data=body, headers={"Content-Type": "application/json"}, timeout=_TIMEOUT_S)
                if answer.status_code == 200:
                    break
            except requests.RequestException:
                session.close()
            time.sleep(0.05)
    return round(time.monotonic() - began, 1)


def _next(chance: random.Random, notes: SyntheticNotes, client: int, count: int, seen: _Seen) -> tuple[str, str, str, bytes | None]:
    """Return what the client does next: kind, method, path, body."""
    dice = chance.random()
    if dice < 0.45:
        return "new note", "POST", f"/cds-services/{SERVICE}", hook_call(notes.note(10_000 + count, chance.choice(_WORDS)), client * 1_000_000 + count)
    if dice < 0.75:
        known = chance.randrange(_KNOWN)
        return "known note", "POST", f"/cds-services/{SERVICE}", hook_call(SyntheticNotes().note(known, 300), known)
    if dice < 0.82:
        return "api", "POST", "/api/v1/review", json.dumps({"text": notes.note(count, 150), "encounterDate": "2026-03-02"}).encode()
    if dice < 0.9 and seen.reviews:
        return "kept review", "GET", f"/api/v1/reviews/{chance.choice(seen.reviews)}", None
    if dice < 0.95 and seen.cards:
        feedback = {"card": chance.choice(seen.cards), "outcome": "overridden", "outcomeTimestamp": "2026-03-02T10:00:00Z"}
        return "feedback", "POST", f"/cds-services/{SERVICE}/feedback", json.dumps({"feedback": [feedback]}).encode()
    return "operation", "GET", chance.choice(("/cds-services", "/healthz", "/readyz", "/metrics")), None


def _learn(kind: str, answer: requests.Response, seen: _Seen) -> None:
    if answer.status_code != 200:
        return
    with seen.lock:
        if kind == "api":
            seen.reviews = [*seen.reviews[-50:], answer.json()["id"]]
        elif kind == "new note":
            seen.cards = [*seen.cards[-50:], *(c["uuid"] for c in answer.json()["cards"][:1])]


def _failures(seen: _Seen) -> int:
    return sum(number for name, number in seen.answers.items() if name.rsplit(" ", 1)[-1] not in ("200", "503"))


def _report(seen: _Seen, minutes: float, clients: int, server: Server) -> dict[str, Any]:
    third, tenth = minutes * 20, minutes * 6
    parts = [number * tenth for number in range(10)]
    hooks = [(when, ms) for when, kind, ms in seen.times if kind == "new note"]
    warm = [mb for when, mb in seen.memory if when >= third]
    half = len(warm) // 2 or 1
    seconds = Counter(int(when) for when, _, _ in seen.times)
    return {
        "minutes": minutes,
        "clients": clients,
        "answers": dict(sorted(seen.answers.items())),
        "failures": _failures(seen),
        "errorsInLog": server.errors()[:_LINES],
        "refused": sum(number for name, number in seen.answers.items() if name.endswith(" 503")),
        "perSecond": round(len(seen.times) / (minutes * 60), 1),
        "peakPerSecond": max(seconds.values(), default=0),
        "newNoteMs": _percentiles([ms for _, ms in hooks]),
        "newNoteMsFirstThird": _percentiles([ms for when, ms in hooks if when < third]),
        "newNoteMsLastThird": _percentiles([ms for when, ms in hooks if when >= 2 * third]),
        "newNoteP95Ms": [_percentiles([ms for when, ms in hooks if part <= when < part + tenth]).get("p95") for part in parts],
        "memoryMbOverTime": [round(max((mb for when, mb in seen.memory if part <= when < part + tenth), default=0.0)) for part in parts],
        "knownNoteMs": _percentiles([ms for _, kind, ms in seen.times if kind == "known note"]),
        "memoryMb": {"first": round(seen.memory[0][1]), "most": round(max(mb for _, mb in seen.memory)), "last": round(server.memory_mb())},
        "memoryGrowthMb": round(sum(warm[half:]) / max(1, len(warm[half:])) - sum(warm[:half]) / half, 1) if warm else 0.0,
    }


def _percentiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    ordered = sorted(values)
    return {f"p{p}": round(ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))], 1) for p in (50, 95, 99)} | {"calls": len(values)}
