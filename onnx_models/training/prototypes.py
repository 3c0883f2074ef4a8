"""Second stage of the encoder: every concept gets a vector of its own, and a phrase must lie nearer to its concept's than to all others.

A softmax over all concepts of the classification instead of the few of a batch: a step costs only the phrases, and siblings
("with" and "without", one digit apart) are always among the wrong answers. The vectors of concepts (prototypes) begin as the mean of
their names and are learned by plain gradient descent, so that a concept no phrase names stays where its names put it.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from onnx_models.abbreviations import abbreviations
from onnx_models.normalise import written_out
from onnx_models.retrieval import SHARPNESS, Concepts
from onnx_models.runtime import Vectors
from onnx_models.spelling import Speller
from onnx_models.training.encoder import Recipe, augmented, embed, load_base, save_trained
from onnx_models.training.index import concept_of
from onnx_models.training.terms import TabularList, Term

# What clinicians write comes first; names keep what the first stage taught.
_WEIGHT = {"phrase": 20.0, "evidence": 5.0, "abbreviation": 3.0, "inclusion": 1.0, "ontology": 0.6, "propagated": 0.6, "index": 0.5, "title": 1.0,
           "neoplasm": 0.15, "external": 0.05}  # fmt: skip
_PLAIN = frozenset({"title", "inclusion", "ontology", "propagated", "phrase"})
_WRITTEN = frozenset({"phrase", "evidence"})
_NAMES = 12  # of a concept, for the beginning of its prototype
_WARM = 0.06  # share of the steps until the full learning rate


@dataclass(frozen=True, slots=True)
class Lesson:
    """A phrase or name with its concept (row); `also` are other concepts it may mean.

    `forms` are the phrase as it stands and, where it differs, as the engine writes it out before the encoder reads it.
    """

    forms: tuple[str, ...]
    row: int
    weight: float
    plain: bool
    also: tuple[int, ...] = ()


def lessons(
    terms: Sequence[Term], also: Mapping[str, frozenset[str]], uses: Mapping[str, int], concepts: Concepts, tabular: TabularList, speller: Speller
) -> list[Lesson]:
    """Return what the stage learns, each (text, concept) once.

    Args:
        terms: phrases, evidence and names.
        also: for a phrase, all its right codes.
        uses: how often each code was used; codes of daily work are seen more often.
        concepts: the table of concepts.
        tabular: the classification.
        speller: puts right the slips of phrases, as it does when a note is read.
    """
    found: dict[tuple[str, int], Term] = {}
    for term in terms:
        row = concept_of(term.code, concepts, tabular)
        if row is not None and re.search(r"[A-Za-z]{2}", term.text):
            found.setdefault((term.text.lower(), row), term)
    shared = Counter((row, term.source) for (_, row), term in found.items())
    result = []
    for (_, row), term in found.items():
        # A concept of many names isn't seen in proportion to their number.
        weight = _WEIGHT[term.source] * (1 + 0.5 * math.log1p(uses.get(term.code, 0))) / shared[row, term.source] ** 0.3
        others = {concepts.row(c) for c in also.get(term.text, ())} - {row, None}
        result.append(Lesson(_forms(term, speller), row, weight, term.source in _PLAIN, tuple(sorted(r for r in others if r is not None))))
    return result


def _forms(term: Term, speller: Speller) -> tuple[str, ...]:
    if term.source not in _WRITTEN:
        return (term.text,)
    whole = written_out(term.text, 0, len(term.text), tuple(abbreviations().find(term.text)), speller)
    return (term.text,) if whole.lower() == term.text.lower() else (term.text, whole)


def _beginnings(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, learned: Sequence[Lesson], concepts: Concepts, tabular: TabularList) -> Tensor:
    names: dict[int, list[str]] = defaultdict(list)
    for lesson in learned:
        if lesson.plain and len(names[lesson.row]) < _NAMES:
            names[lesson.row].append(lesson.forms[-1])
    flat = [(row, n) for row in range(len(concepts)) for n in names[row] or [tabular.title[next(filter(None, concepts[row].codes))]]]
    with torch.no_grad():
        vectors = torch.cat([embed(model, tokenizer, [n for _, n in flat[at : at + 2048]]) for at in range(0, len(flat), 2048)])
    sums = torch.zeros(len(concepts), vectors.shape[1])
    sums.index_add_(0, torch.tensor([row for row, _ in flat]), vectors)
    return nn.functional.normalize(sums, dim=-1)


def _share(step: int, steps: int) -> float:
    warm = _WARM * steps
    return min(1.0, (step + 1) / warm) * max(0.02, 1 - max(0.0, step - warm) / (steps - warm))


def learn_prototypes(
    base: Path,
    learned: Sequence[Lesson],
    concepts: Concepts,
    tabular: TabularList,
    recipe: Recipe,
    out: Path,
    *,
    threads: int = 2,
    progress: Callable[[str], None] = lambda _: None,
) -> Path:
    """Train the encoder and the prototypes; return `out` with both (`prototypes.npy`: (concepts, d)). Resumes from `out/checkpoint.pt`."""
    torch.set_num_threads(threads)
    torch.manual_seed(recipe.seed)
    tokenizer, model, trained = load_base(base)
    model.eval()
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "checkpoint.pt"
    state = torch.load(checkpoint, weights_only=True) if checkpoint.exists() else None
    prototypes = nn.Parameter(state["prototypes"] if state else _beginnings(model, tokenizer, learned, concepts, tabular))
    optimiser = torch.optim.AdamW(trained, lr=recipe.prototype_rate, weight_decay=0.01)
    # Adam would move every concept at every step, however small its gradient.
    plain = torch.optim.SGD([prototypes], lr=1.0)
    first = 0
    if state:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    dice = random.Random(recipe.seed + first)  # noqa: S311 - sampling, no secret
    ends = list(accumulate(lesson.weight for lesson in learned))
    model.train()
    began, running = time.monotonic(), math.nan
    for step in range(first, recipe.prototype_steps):
        batch = dice.choices(learned, cum_weights=ends, k=recipe.prototype_batch)
        scores = embed(model, tokenizer, [augmented(dice.choice(x.forms), dice) for x in batch]) @ nn.functional.normalize(prototypes, dim=-1).T * SHARPNESS
        hidden = torch.zeros_like(scores, dtype=torch.bool)
        for i, lesson in enumerate(batch):
            hidden[i, list(lesson.also)] = True
        loss = nn.functional.cross_entropy(scores.masked_fill(hidden, -1e4), torch.tensor([x.row for x in batch]))
        optimiser.zero_grad(set_to_none=True)
        plain.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        for group in (*optimiser.param_groups, *plain.param_groups):
            group["lr"] = (recipe.prototype_rate if group in optimiser.param_groups else 1.0) * _share(step, recipe.prototype_steps)
        optimiser.step()
        plain.step()
        running = loss.item() if math.isnan(running) else 0.97 * running + 0.03 * loss.item()
        if step % 50 == 0:
            progress(f"step {step}/{recipe.prototype_steps} loss {running:.3f} {time.monotonic() - began:.0f} s")
        if step % 200 == 199:
            torch.save({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "prototypes": prototypes.data, "step": step + 1}, checkpoint)
    np.save(out / "prototypes.npy", nn.functional.normalize(prototypes, dim=-1).detach().numpy())
    save_trained(model, tokenizer, recipe, out)
    checkpoint.unlink(missing_ok=True)
    return out


def load_prototypes(folder: Path) -> Vectors:
    """Return the prototypes that `learn_prototypes` wrote: (concepts, d), unit vectors."""
    return np.asarray(np.load(folder / "prototypes.npy"), np.float32)
