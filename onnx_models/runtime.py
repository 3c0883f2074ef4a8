"""Running ONNX models: sessions, providers, threads; and the sentence encoder on top of it."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

# The runtime's telemetry is on by default and starts with the import: nothing may leave a hospital unasked.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

from onnx_models.errors import ArtefactError, ProviderError

Vectors = npt.NDArray[np.float32]
Trees = ort.InferenceSession
_MAX_TOKENS = 32
_BATCH_TOKENS = 768  # padded tokens a run: beyond this a larger batch is no faster on two cores
_CACHE = 20_000  # vectors; 384 floats each, about 30 MB


def providers(wanted: str = "auto") -> list[str]:
    """Return the execution providers to use: CUDA when this build and machine have it, the CPU otherwise.

    Raises ProviderError when `wanted` is "cuda" and no CUDA device answers.
    """
    # The list of compiled-in providers is no proof of a device, and trying CUDA without one prints errors.
    device = "CUDAExecutionProvider" in ort.get_available_providers() and Path("/proc/driver/nvidia/version").exists()
    if wanted == "cuda" and not device:
        raise ProviderError("No CUDA device is available.", "Set the provider to `auto` or `cpu`, or install the NVIDIA driver.")
    return ["CUDAExecutionProvider", "CPUExecutionProvider"] if device and wanted != "cpu" else ["CPUExecutionProvider"]


def session(path: Path, *, threads: int, wanted: str = "auto") -> ort.InferenceSession:
    """Open an ONNX model. Raises ArtefactError if the file is missing or damaged."""
    if not path.exists():
        raise ArtefactError(f"{path.name} is missing.", "Reinstall the package, or build the artefacts with `marginalia train`.")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads would take the cores from the other requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=providers(wanted))
    except (ort.capi.onnxruntime_pybind11_state.Fail, ort.capi.onnxruntime_pybind11_state.InvalidProtobuf) as error:
        raise ArtefactError(f"{path.name} is damaged.", "Reinstall the package, or build the artefacts with `marginalia train`.") from error


@dataclass(slots=True)
class _Cache:
    rows: OrderedDict[str, Vectors]
    lock: threading.Lock


class Encoder:
    """Short strings to unit vectors, by the fine-tuned encoder. Thread-safe; repeated strings come from a cache."""

    def __init__(self, directory: Path, *, threads: int = 2, wanted: str = "auto") -> None:
        tokenizer = directory / "tokenizer.json"
        if not tokenizer.exists():
            raise ArtefactError("tokenizer.json is missing.", "Reinstall the package, or build the artefacts with `marginalia train`.")
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._session = session(directory / "encoder.onnx", threads=threads, wanted=wanted)
        self._inputs = {i.name for i in self._session.get_inputs()}
        self._cache = _Cache(OrderedDict(), threading.Lock())

    @property
    def provider(self) -> str:
        """The execution provider in use, such as "CPUExecutionProvider"."""
        return str(self._session.get_providers()[0])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of `texts`: (len(texts), d), float32."""
        keys = [t.lower() for t in texts]
        with self._cache.lock:
            known = {k: self._cache.rows[k] for k in keys if k in self._cache.rows}
            for k in known:
                self._cache.rows.move_to_end(k)
        missing = list(dict.fromkeys(k for k in keys if k not in known))
        if missing:
            fresh = self._run(missing)
            known.update(zip(missing, fresh, strict=True))
            with self._cache.lock:
                self._cache.rows.update(zip(missing, fresh, strict=True))
                while len(self._cache.rows) > _CACHE:
                    self._cache.rows.popitem(last=False)
        return np.stack([known[k] for k in keys])

    def clear(self) -> None:
        """Forget all cached vectors."""
        with self._cache.lock:
            self._cache.rows.clear()

    def _run(self, texts: Sequence[str]) -> list[Vectors]:
        encoded = self._tokenizer.encode_batch(list(texts))
        order = sorted(range(len(texts)), key=lambda i: len(encoded[i].ids))
        result: list[Vectors] = [np.empty(0, np.float32)] * len(texts)
        at = 0
        while at < len(order):
            # Neighbours in length share a batch, so that padding costs little.
            take = at + 1
            while take < len(order) and (take + 1 - at) * len(encoded[order[take]].ids) <= _BATCH_TOKENS:
                take += 1
            rows = order[at:take]
            width = len(encoded[rows[-1]].ids)
            ids = np.zeros((len(rows), width), np.int64)
            mask = np.zeros((len(rows), width), np.int64)
            for r, i in enumerate(rows):
                ids[r, : len(encoded[i].ids)] = encoded[i].ids
                mask[r, : len(encoded[i].ids)] = 1
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            hidden = self._session.run(None, {k: v for k, v in feed.items() if k in self._inputs})[0]
            weights = mask[:, :, None].astype(np.float32)
            pooled = (hidden * weights).sum(1) / weights.sum(1)
            pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
            for r, i in enumerate(rows):
                result[i] = pooled[r]
            at = take
        return result
