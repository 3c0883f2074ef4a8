"""The ranker: probability that a candidate code is right for the note, and which groups of features made it so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onnx_models.features import GROUPS, NAMES, CandidateRow, rival_features
from onnx_models.reading import Reason
from onnx_models.runtime import Trees, session
from onnx_models.style import Style

_WORDS = {
    "dictionary": ("the words are a known name of this code", "the words are only a loose name of this code"),
    "embedding": ("the meaning of the phrase lies near this code", "the meaning of the phrase lies further from this code"),
    "assertion": ("stated of this patient, now and without doubt", "denied, doubted, past, or said of somebody else"),
    "section": ("stands where diagnoses are recorded", "stands where findings are listed rather than diagnoses"),
    "wording": ("the note has the words of the code's title", "the code's title says more than the words, or other things"),
    "experience": ("often reported in coded records", "rarely reported in coded records"),
    "rivals": ("the best fit of its category", "another code of its category fits better"),
}


def _logit(p: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    clipped = np.clip(p, 1e-5, 1 - 1e-5)
    return np.asarray(np.log(clipped / (1 - clipped)), np.float32)


@dataclass(frozen=True, slots=True)
class Judged:
    """The candidates of one note as the trees see them."""

    probabilities: npt.NDArray[np.float32]  # (n,)
    features: npt.NDArray[np.float32]  # (n, len(NAMES))
    rivals: npt.NDArray[np.float32]  # (n, len(RIVAL_NAMES))


class Ranker:
    """Gradient-boosted trees in ONNX, twice: each candidate by itself, then beside the others of its note. Thread-safe."""

    def __init__(self, folder: Path, style: Style, *, threads: int = 1) -> None:
        self._first = session(folder / f"{style}_first.onnx", threads=threads, wanted="cpu")
        self._final = session(folder / f"{style}_ranker.onnx", threads=threads, wanted="cpu")

    def judge(self, rows: Sequence[CandidateRow]) -> Judged:
        """Return calibrated probabilities of the candidates of one note, with what they were made from."""
        if not rows:
            empty = np.zeros((0, 0), np.float32)
            return Judged(np.zeros(0, np.float32), empty, empty)
        own = np.stack([r.features for r in rows])
        rivals = rival_features([r.code for r in rows], [r.places for r in rows], _run(self._first, own))
        return Judged(_run(self._final, np.concatenate([own, rivals], axis=1)), own, rivals)

    def reasons(self, judged: Judged, keep: Sequence[int], typical: npt.NDArray[np.float32]) -> list[tuple[Reason, ...]]:
        """Return for the candidates at `keep` what decided, strongest first.

        The weight of a group of features is the change of the log-odds when the group is set to a typical candidate's values
        in both stages (occlusion): what is said is what the model did, not a story told afterwards.

        Args:
            judged: all candidates of the note.
            keep: indexes of those to explain.
            typical: (len(NAMES),) feature values of a typical candidate, from the training data.
        """
        if not keep:
            return []
        own, beside = judged.features[list(keep)], judged.rivals[list(keep)]
        occluded, changed = [], []
        for names in GROUPS.values():
            columns = [NAMES.index(n) for n in names]
            copy = own.copy()
            copy[:, columns] = typical[columns]
            occluded.append(copy)
            shift = _logit(_run(self._first, copy)) - beside[:, 0]
            moved = beside.copy()
            moved[:, 0] += shift
            moved[:, 2] += shift
            changed.append(moved)
        stacked = np.concatenate([np.concatenate(occluded), np.concatenate(changed)], axis=1)
        odds = _logit(_run(self._final, stacked)).reshape(len(GROUPS), len(keep))
        before = _logit(judged.probabilities[list(keep)])
        result = []
        for i in range(len(keep)):
            weights = {group: float(before[i] - odds[g, i]) for g, group in enumerate(GROUPS)}
            strongest = sorted(weights.items(), key=lambda kv: -abs(kv[1]))
            result.append(tuple(Reason(g, _WORDS[g][0 if w > 0 else 1], round(w, 3)) for g, w in strongest if abs(w) >= 0.05))
        return result


def _run(trees: Trees, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(trees.run(None, {trees.get_inputs()[0].name: features})[1][:, 1], np.float32)
