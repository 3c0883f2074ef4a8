"""Export a fine-tuned encoder to ONNX with optimum, quantise it for AVX2, and show that the scores stay the same."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from onnxruntime.quantization import QuantFormat, QuantizationMode, QuantType
from optimum.onnxruntime import ORTModelForFeatureExtraction, ORTQuantizer
from optimum.onnxruntime.configuration import QuantizationConfig
from transformers import AutoModel, AutoTokenizer

from onnx_models.runtime import Encoder, Vectors
from onnx_models.training.encoder import embed


@dataclass(frozen=True, slots=True)
class Equality:
    """How far two forms of the encoder agree on the same strings."""

    cosine_mean: float  # of the same string's vector in both forms
    cosine_min: float
    score_difference_max: float  # of the pairwise cosines of all strings
    same_nearest: float  # share of strings whose nearest other string is the same

    @classmethod
    def of(cls, a: Vectors, b: Vectors) -> Equality:
        """Compare row by row: (n, d) and (n, d), unit vectors."""
        cosine = (a * b).sum(1)
        left, right = a @ a.T, b @ b.T
        np.fill_diagonal(left, -1)
        np.fill_diagonal(right, -1)
        return cls(float(cosine.mean()), float(cosine.min()), float(np.abs(left - right).max()), float((left.argmax(1) == right.argmax(1)).mean()))


def torch_vectors(folder: Path, texts: Sequence[str]) -> Vectors:
    """Return unit vectors of `texts` by the encoder in plain PyTorch."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    with torch.inference_mode():
        parts = [embed(model, tokenizer, [t.lower() for t in texts[i : i + 64]]).numpy() for i in range(0, len(texts), 64)]
    return np.concatenate(parts)


def export_encoder(folder: Path, out: Path, *, quantise: bool = True) -> None:
    """Write `encoder.onnx` and `tokenizer.json` to `out`; int8 with one scale a channel unless `quantise` is False.

    Weights take 7 of 8 bits (reduced range): without VNNI, AVX2 adds two 8-bit products in 16 bits and would saturate.
    """
    work = out / "export"
    ORTModelForFeatureExtraction.from_pretrained(folder, export=True).save_pretrained(work)
    name = "model.onnx"
    if quantise:
        settings = QuantizationConfig(
            is_static=False,
            format=QuantFormat.QOperator,
            mode=QuantizationMode.IntegerOps,
            activations_dtype=QuantType.QUInt8,
            weights_dtype=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            operators_to_quantize=["MatMul", "Gather"],
        )
        ORTQuantizer.from_pretrained(work, file_name=name).quantize(save_dir=work, quantization_config=settings, file_suffix="int8")
        name = "model_int8.onnx"
    shutil.copy(work / name, out / "encoder.onnx")
    AutoTokenizer.from_pretrained(folder, local_files_only=True).save_pretrained(work)
    shutil.copy(work / "tokenizer.json", out / "tokenizer.json")
    shutil.rmtree(work)


def equality(folder: Path, exported: Path, texts: Sequence[str]) -> Equality:
    """Compare the fine-tuned encoder in PyTorch with its exported form on `texts`."""
    return Equality.of(torch_vectors(folder, texts), Encoder(exported, wanted="cpu").encode(texts))
