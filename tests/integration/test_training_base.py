"""Any local transformers encoder can be the base: trained, exported, quantised and served by the same code. Needs the training extra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("optimum.onnxruntime")

from tokenizers import Tokenizer  # noqa: E402
from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast, RobertaConfig, RobertaModel  # noqa: E402

from onnx_models.runtime import Encoder  # noqa: E402
from onnx_models.training.encoder import Pairs, Recipe, fine_tune  # noqa: E402
from onnx_models.training.export import equality, export_encoder  # noqa: E402
from onnx_models.training.terms import Term  # noqa: E402

# Tracing a model for ONNX warns of what it freezes; that the exported form is equal is asserted below.
pytestmark = pytest.mark.filterwarnings("ignore")
TOKENIZER = Path(__file__).parents[2] / "onnx_models" / "artefacts" / "tokenizer.json"
TITLES = {"E11.9": "Type 2 diabetes mellitus without complications", "I10": "Essential (primary) hypertension", "J45.909": "Unspecified asthma, uncomplicated"}
TERMS = [Term(words, code, "phrase") for code, names in {
    "E11.9": ("t2dm", "adult onset diabetes", "diabetes type two"), "I10": ("htn", "high blood pressure", "hypertensive disease"),
    "J45.909": ("asthma", "bronchial asthma", "reactive airways")}.items() for words in names]  # fmt: skip


def base(folder: Path, model: torch.nn.Module) -> Path:
    """Write a small untrained encoder with the packaged word pieces."""
    model.save_pretrained(folder)
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_file(str(TOKENIZER)), **special).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("architecture", ["distilbert", "roberta"])
def test_another_architecture_is_trained_exported_and_served(tmp_path: Path, architecture: str) -> None:
    """A base of another family goes all the way to the vectors that the service makes, and learns on it."""
    torch.manual_seed(1)
    size = Tokenizer.from_file(str(TOKENIZER)).get_vocab_size()
    model = (
        DistilBertModel(DistilBertConfig(vocab_size=size, dim=64, n_layers=2, n_heads=2, hidden_dim=128))
        if architecture == "distilbert"
        else RobertaModel(RobertaConfig(vocab_size=size, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128, pad_token_id=0))
    )
    said: list[str] = []
    recipe = Recipe(steps=60, batch=12, learning_rate=3e-3, hard_share=0.0)
    trained = fine_tune(base(tmp_path / "base", model), Pairs(TERMS, TITLES, {}, recipe), recipe, tmp_path / "trained", progress=said.append)
    first, last = (float(line.split("loss ")[1].split()[0]) for line in (said[0], said[-1]))
    assert last < first
    export_encoder(trained, tmp_path / "served")
    texts = [t.text for t in TERMS]
    assert equality(trained, tmp_path / "served", texts).cosine_mean > 0.95
    vectors = Encoder(tmp_path / "served", wanted="cpu").encode([*texts, *TITLES.values()])
    assert vectors.shape == (len(texts) + 3, 64)
    nearest = np.argmax(vectors[: len(texts)] @ vectors[len(texts) :].T, axis=1)
    assert [list(TITLES)[i] for i in nearest] == [t.code for t in TERMS]
