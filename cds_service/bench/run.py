"""One run of the benchmark: first the service over HTTP, then, when it is stopped, the engine alone."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version

from cds_service.bench import measures
from cds_service.bench.notes import SyntheticNotes
from cds_service.bench.peers import compare
from cds_service.bench.report import Machine, Report
from cds_service.bench.server import running
from cds_service.config import Settings
from onnx_models import NoteCoder

_ENGINE_ROUNDS = 10  # at most, of the engine alone and of each peer


def measure(rounds: int, clients: Sequence[int], *, peers: bool, tell: Callable[[str], None]) -> Report:
    """Measure and return the report; `tell` hears what is being measured.

    Raises:
        BenchError: the service doesn't start, or fails to answer a call.
        ConfigurationError: a MARGINALIA_* setting is wrong.
    """
    settings = Settings.load()
    load = os.getloadavg()[0]
    notes = SyntheticNotes()
    bodies = measures.Bodies(notes)
    tell("starting the service")
    with running() as server:
        memory = [server.memory_mb()]
        calls: list[measures.Calls] = []
        for words in measures.SIZES:
            tell(f"calls with {words:,} words")
            calls += measures.one_by_one(server, bodies, words, rounds)
            memory.append(server.memory_mb())
        busy = []
        for number in clients:
            tell(f"{number} at the same time")
            busy.append(measures.at_the_same_time(server, bodies, number, rounds))
            memory.append(server.memory_mb())
        start = server.start_s, server.start_processor_s
    tell("the engine alone")
    coder = NoteCoder.load(threads=settings.threads, provider=settings.provider)
    coder.read(notes.note(0, measures.BUSY_WORDS))  # the first reading sets up buffers
    few = min(rounds, _ENGINE_ROUNDS)
    stages = [measures.stages(coder, notes, words, few) for words in measures.SIZES]
    compared = None
    if peers:
        tell("PyTorch and the keyword coder")
        compared = compare(coder, notes, few, threads=settings.threads)
    return Report(_machine(load, coder), rounds, *start, memory[0], max(memory), calls, busy, stages, compared)


def _machine(load: float, coder: NoteCoder) -> Machine:
    model = coder.model
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        load=load,
        python=platform.python_version(),
        onnxruntime=version("onnxruntime-gpu"),
        provider=model.provider,
        model=f"{model.name} {model.version}",
    )
