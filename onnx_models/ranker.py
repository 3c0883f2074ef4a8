"""The ranker: probability that a candidate code is right for the note, and which groups of features made it so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from onnx_models.features import GROUPS, NAMES, CandidateRow
from onnx_models.reading import Reason
from onnx_models.runtime import session

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


class Ranker:
    """Gradient-boosted trees in ONNX over `features.NAMES`. Thread-safe."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        self._session: ort.InferenceSession = session(path, threads=threads, wanted="cpu")
        self._input = self._session.get_inputs()[0].name

    def probabilities(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return calibrated probabilities: (n, len(NAMES)) -> (n,)."""
        if not len(features):
            return np.zeros(0, np.float32)
        return np.asarray(self._session.run(None, {self._input: features})[1][:, 1], np.float32)

    def reasons(self, rows: Sequence[CandidateRow], typical: npt.NDArray[np.float32]) -> list[tuple[Reason, ...]]:
        """Return for each row what decided, strongest first.

        The weight of a group of features is the change of the log-odds when the group is set to a typical candidate's values
        (occlusion): what is said is what the model did, not a story told afterwards.

        Args:
            rows: candidates.
            typical: (len(NAMES),) feature values of a typical candidate, from the training data.
        """
        if not rows:
            return []
        own = np.stack([r.features for r in rows])
        stacked = [own]
        for names in GROUPS.values():
            occluded = own.copy()
            columns = [NAMES.index(n) for n in names]
            occluded[:, columns] = typical[columns]
            stacked.append(occluded)
        odds = _logit(self.probabilities(np.concatenate(stacked))).reshape(len(stacked), len(rows))
        result = []
        for i in range(len(rows)):
            weights = {group: float(odds[0, i] - odds[g + 1, i]) for g, group in enumerate(GROUPS)}
            strongest = sorted(weights.items(), key=lambda kv: -abs(kv[1]))
            result.append(tuple(Reason(g, _WORDS[g][0 if w > 0 else 1], round(w, 3)) for g, w in strongest if abs(w) >= 0.05))
        return result
