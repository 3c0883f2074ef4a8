"""Fine-tune the sentence encoder so that a phrase of a note lies near the code it means.

First stage. Contrastive learning (InfoNCE with in-batch negatives, both directions): a phrase and another name of the same code are a
pair; other codes of the batch are negatives, half of them from the same chapter so that they are hard. Word embeddings are
frozen: they hold most of the parameters, and rare medical word pieces would forget more than they learn.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from onnx_models.training.terms import Term

# How much a source says about the words that clinicians use: the official titles alone would teach the title's language.
_SOURCE_WEIGHT = {"phrase": 6.0, "evidence": 4.0, "abbreviation": 3.0, "inclusion": 1.5, "ontology": 1.2, "propagated": 1.2,
                  "index": 1.0, "title": 0.5, "neoplasm": 0.4, "external": 0.2}  # fmt: skip
_LEAD = ("history of ", "patient with ", "c/o ", "presents with ", "acute ", "known ", "s/p ", "worsening ", "chronic ")
_MAX_TOKENS = 32
_TOGETHER = 32  # strings a forward pass


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one training run does; kept in the checkpoint and in the manifest."""

    steps: int = 600
    batch: int = 96
    learning_rate: float = 1e-4
    temperature: float = 0.05
    seed: int = 13
    hard_share: float = 0.5
    prototype_steps: int = 4000
    prototype_batch: int = 128
    prototype_rate: float = 1.2e-4


def pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of the unmasked token vectors, normalised: (batch, tokens, d), (batch, tokens) -> (batch, d)."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1).clamp(min=1), dim=-1)


def embed(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> Tensor:
    """Return the pooled vectors of `texts`: (len(texts), d). Strings of like length run together: padding would double the work."""
    encoded = tokenizer(list(texts), truncation=True, max_length=_MAX_TOKENS)["input_ids"]
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
    parts = []
    for at in range(0, len(order), _TOGETHER):
        batch = tokenizer.pad({"input_ids": [encoded[i] for i in order[at : at + _TOGETHER]]}, return_tensors="pt")
        parts.append(pool(model(**batch).last_hidden_state, batch["attention_mask"]))
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(parts)[back]


@dataclass(frozen=True, slots=True)
class Batch:
    """One step: phrases, and a name of each phrase's code."""

    phrases: list[str]
    names: list[str]
    codes: list[str]


class Pairs:
    """An endless supply of batches of phrases with another name of their code."""

    def __init__(self, terms: Sequence[Term], title: Mapping[str, str], common: Mapping[str, float], recipe: Recipe) -> None:
        self._random = random.Random(recipe.seed)  # noqa: S311 - sampling, no secret
        self._recipe = recipe
        self._title = title
        self._names: dict[str, list[str]] = defaultdict(list)
        self._by_chapter: dict[str, list[int]] = defaultdict(list)
        self._terms = [t for t in terms if t.code in title and re.search(r"[A-Za-z]{2}", t.text)]
        for t in self._terms:
            self._names[t.code].append(t.text)
        # Codes of daily work are seen more often, yet every code is seen.
        self._weights = [_SOURCE_WEIGHT[t.source] * (1.0 + common.get(t.code, 0.0)) for t in self._terms]
        for i, t in enumerate(self._terms):
            self._by_chapter[t.code[:2]].append(i)

    def batches(self) -> Iterator[Batch]:
        """Yield batches for ever."""
        order = range(len(self._terms))
        chapter_weights = {c: [self._weights[i] for i in members] for c, members in self._by_chapter.items()}
        easy = int(self._recipe.batch * (1 - self._recipe.hard_share))
        while True:
            chosen = self._random.choices(order, self._weights, k=easy)
            while len(chosen) < self._recipe.batch:
                chapter = self._terms[self._random.choices(order, self._weights, k=1)[0]].code[:2]
                room = min(16, self._recipe.batch - len(chosen))
                chosen += self._random.choices(self._by_chapter[chapter], chapter_weights[chapter], k=room)
            phrases, names, codes = [], [], []
            for i in chosen:
                term = self._terms[i]
                phrases.append(augmented(term.text, self._random))
                title = self._title[term.code]
                other = self._random.choice(self._names[term.code])
                names.append(title if self._random.random() < 0.6 or other == term.text else other)
                codes.append(term.code)
            yield Batch(phrases, names, codes)


def augmented(text: str, dice: random.Random) -> str:
    """Return a training phrase as somebody in a hurry writes it: at times with a slip, or with words before it."""
    roll = dice.random()
    if roll < 0.08 and len(text) > 6:  # a slip of the finger
        at = dice.randrange(1, len(text) - 2)
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :] if roll < 0.04 else text[:at] + text[at + 1 :]
    return dice.choice(_LEAD) + text if roll < 0.16 else text


def _loss(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch: Batch, temperature: float) -> Tensor:
    """Return the contrastive loss in both directions; other names of the same code are no negatives."""
    n = len(batch.phrases)
    vectors = embed(model, tokenizer, [*batch.phrases, *batch.names])
    twins = torch.tensor([[x == y and i != j for j, y in enumerate(batch.codes)] for i, x in enumerate(batch.codes)])
    scores = (vectors[:n] @ vectors[n:].T / temperature).masked_fill(twins, -1e4)
    target = torch.arange(n)
    return (nn.functional.cross_entropy(scores, target) + nn.functional.cross_entropy(scores.T, target)) / 2


def load_base(folder: Path) -> tuple[PreTrainedTokenizerBase, PreTrainedModel, list[nn.Parameter]]:
    """Return tokenizer, model and the parameters to train: all but the word embeddings."""
    model = AutoModel.from_pretrained(folder, local_files_only=True)
    for parameter in model.embeddings.parameters():
        parameter.requires_grad_(False)
    return AutoTokenizer.from_pretrained(folder, local_files_only=True), model, [p for p in model.parameters() if p.requires_grad]


def save_trained(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, recipe: Recipe, out: Path) -> None:
    """Write a trained encoder to folder `out`; its recipe comes last, since it says that the stage is done."""
    model.eval()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "recipe.json").write_text(json.dumps({k: getattr(recipe, k) for k in recipe.__slots__}, indent=1))


def fine_tune(
    base: Path,
    pairs: Pairs,
    recipe: Recipe,
    out: Path,
    *,
    threads: int = 2,
    progress: Callable[[str], None] = lambda _: None,
) -> Path:
    """Train and return the folder of the trained encoder; resumes from `out/checkpoint.pt` if there is one."""
    torch.set_num_threads(threads)
    torch.manual_seed(recipe.seed)
    tokenizer, model, trained = load_base(base)
    optimiser = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=recipe.steps + 1, pct_start=0.1)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "checkpoint.pt"
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        first = state["step"]
    model.train()
    began, running = time.monotonic(), 0.0
    for step, batch in enumerate(pairs.batches()):
        if step < first:  # the supply is deterministic: skip what was seen
            continue
        if step >= recipe.steps:
            break
        loss = _loss(model, tokenizer, batch, recipe.temperature)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        running = 0.95 * running + 0.05 * loss.item() if step > first else loss.item()
        if step % 25 == 0:
            progress(f"step {step}/{recipe.steps} loss {running:.3f} {time.monotonic() - began:.0f} s")
        if step % 200 == 199:
            state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict(), "step": step + 1}
            torch.save(state, checkpoint)
    save_trained(model, tokenizer, recipe, out)
    checkpoint.unlink(missing_ok=True)
    return out
