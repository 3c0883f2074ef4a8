"""Fine-tune the sentence encoder so that a phrase of a note lies near the code it means.

Contrastive learning (InfoNCE with in-batch negatives, both directions): a phrase and another name of the same code are a
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


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one training run does; kept in the checkpoint and in the manifest."""

    steps: int = 1200
    batch: int = 96
    learning_rate: float = 1e-4
    temperature: float = 0.05
    seed: int = 13
    hard_share: float = 0.5


def pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of the unmasked token vectors, normalised: (batch, tokens, d), (batch, tokens) -> (batch, d)."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1).clamp(min=1), dim=-1)


def embed(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> Tensor:
    """Return the pooled vectors of `texts`: (len(texts), d)."""
    batch = tokenizer(list(texts), padding=True, truncation=True, max_length=_MAX_TOKENS, return_tensors="pt")
    return pool(model(**batch).last_hidden_state, batch["attention_mask"])


class Pairs:
    """An endless supply of batches of (phrase, other name of the code, code)."""

    def __init__(self, terms: Sequence[Term], title: Mapping[str, str], common: Mapping[str, float], recipe: Recipe) -> None:
        self._random = random.Random(recipe.seed)
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

    def _augment(self, text: str) -> str:
        roll = self._random.random()
        if roll < 0.08 and len(text) > 6:  # a slip of the finger
            at = self._random.randrange(1, len(text) - 2)
            return text[:at] + text[at + 1] + text[at] + text[at + 2 :] if roll < 0.04 else text[:at] + text[at + 1 :]
        if roll < 0.16:
            return self._random.choice(_LEAD) + text
        return text

    def batches(self) -> Iterator[tuple[list[str], list[str], list[str]]]:
        """Yield (phrases, names, codes) for ever."""
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
                phrases.append(self._augment(term.text))
                title = self._title[term.code]
                other = self._random.choice(self._names[term.code])
                names.append(title if self._random.random() < 0.6 or other == term.text else other)
                codes.append(term.code)
            yield phrases, names, codes


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
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModel.from_pretrained(base)
    for parameter in model.embeddings.parameters():
        parameter.requires_grad_(False)
    trained = [p for p in model.parameters() if p.requires_grad]
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
    for step, (phrases, names, codes) in enumerate(pairs.batches()):
        if step < first:  # the supply is deterministic: skip what was seen
            continue
        if step >= recipe.steps:
            break
        a, b = embed(model, tokenizer, phrases), embed(model, tokenizer, names)
        scores = a @ b.T / recipe.temperature
        same = torch.tensor([[x == y for y in codes] for x in codes])
        twins = same & ~torch.eye(len(codes), dtype=torch.bool)
        scores = scores.masked_fill(twins, -1e4)
        target = torch.arange(len(codes))
        loss = (nn.functional.cross_entropy(scores, target) + nn.functional.cross_entropy(scores.T, target)) / 2
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
    model.eval()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "recipe.json").write_text(json.dumps({k: getattr(recipe, k) for k in recipe.__slots__}, indent=1))
    checkpoint.unlink(missing_ok=True)
    return out
