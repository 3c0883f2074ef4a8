"""Rebuild every artefact of the engine from a data folder, stage by stage; a finished stage is not done again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from onnx_models.errors import ArtefactError
from onnx_models.normalise import NORMAL_FORM
from onnx_models.retrieval import VectorIndex
from onnx_models.runtime import Encoder
from onnx_models.training.corpora import Case, background, codiesp, us_code_uses
from onnx_models.training.encoder import Pairs, Recipe, fine_tune
from onnx_models.training.export import equality, export_encoder
from onnx_models.training.index import build_concepts, build_lexicon, build_vectors, document_windows, save_concepts
from onnx_models.training.rank import case_uses, cross_fitted, save_ranker, train_ranker, typical
from onnx_models.training.terms import TabularList, Term, official_terms, synonym_terms

NAME = "marginalia-minilm"
FILES = ("encoder.onnx", "tokenizer.json", "concepts.tsv", "lexicon.npz", "vectors.npz", "ranker.onnx")
# What a data folder must hold; docs/training.md says where each comes from.
NEEDED = (
    "icd10cm_index/index.csv", "icd10cm_index/external_index.csv", "icd10cm_index/neoplasms.csv", "codiesp/train.jsonl.gz", "codiesp/evidence_en.jsonl.gz",
    "codiesp/background_unlabelled.jsonl.gz", "ontologies/doid.jsonl.gz", "ontologies/mondo.jsonl.gz", "ontologies/hp.jsonl.gz",
    "ontologies/mondo_exactmatch_icd10cm.sssom.tsv", "ontologies/hpo_layperson_synonyms.tsv", "medquad/medquad.jsonl.gz",
    "abbreviations/vanderbilt_clinic_notes.tsv", "abbreviations/vanderbilt_discharge_sums.tsv", "abbreviations/wikipedia.csv",
    "mdace_codes/annotations.tsv", "notes/mtsamples/mtsamples_500.jsonl.gz", "notes/aci_bench/train.csv",
)  # fmt: skip
_EQUALITY_STRINGS = 400


def missing_files(data: Path) -> list[str]:
    """Return the files of a complete data folder that `data` lacks."""
    return [name for name in NEEDED if not (data / name).exists()]


class Pipeline:
    """One rebuild. `work` keeps the stages' results; `out` receives the artefacts."""

    def __init__(self, data: Path, work: Path, out: Path, base: Path, recipe: Recipe, *, threads: int = 2, progress: Callable[[str], None] = lambda _: None) -> None:
        """Raises ArtefactError naming the files that the data folder lacks."""
        if missing := missing_files(data):
            raise ArtefactError(f"The data folder lacks {', '.join(missing)}.", "docs/training.md says where each file comes from.")
        self._data, self._work, self._out, self._base, self._recipe = data, work, out, base, recipe
        self._threads, self._progress = threads, progress
        for folder in (work, out):
            folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def _tabular(self) -> TabularList:
        return TabularList()

    @cached_property
    def _cases(self) -> list[Case]:
        return codiesp(self._data, "train")

    @cached_property
    def _terms(self) -> list[Term]:
        """All names of codes but the evidence of cases, which the lexicon takes from the cases themselves."""
        official = official_terms(self._data, self._tabular)
        return [*official, *synonym_terms(self._data, self._tabular, official)]

    @cached_property
    def _evidence(self) -> list[Term]:
        return [term for case in self._cases for _, _, term in case.evidence]

    @cached_property
    def _us_uses(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for code, n in us_code_uses(self._data).items():
            counts[self._tabular.stem(code)] += n
        return counts

    def run(self) -> None:
        """Do every stage that isn't done yet."""
        self.encoder()
        self.export()
        self.index()
        self.ranker()
        self.manifest()

    def encoder(self) -> None:
        """Fine-tune the base encoder; resumes from its checkpoint."""
        if (self._work / "encoder/recipe.json").exists():
            return
        common = {code: 4 * math.log1p(n) for code, n in (self._us_uses + case_uses(self._cases, self._tabular)).items()}
        pairs = Pairs([*self._terms, *self._evidence], self._tabular.title, common, self._recipe)
        fine_tune(self._base, pairs, self._recipe, self._work / "encoder", threads=self._threads, progress=self._progress)

    def export(self) -> None:
        """Export to ONNX, quantise, and record how equal the two forms are."""
        if (self._work / "equality.json").exists() and (self._out / "encoder.onnx").exists():
            return
        export_encoder(self._work / "encoder", self._out)
        sample = sorted({t.text for t in self._evidence if len(t.text) > 3})[:: max(1, len(self._evidence) // _EQUALITY_STRINGS)]
        result = dataclasses.asdict(equality(self._work / "encoder", self._out, sample))
        (self._work / "equality.json").write_text(json.dumps({k: round(v, 5) for k, v in result.items()}))
        self._progress(f"int8 against float: {result}")

    def index(self) -> None:
        """Build concepts, lexicon and vectors."""
        if (self._out / "vectors.npz").exists():
            return
        concepts = build_concepts(self._tabular, case_uses(self._cases, self._tabular), self._us_uses)
        save_concepts(concepts, self._out / "concepts.tsv")
        coded = [(c.text, [t for _, _, t in c.evidence]) for c in self._cases]
        np.savez_compressed(self._out / "lexicon.npz", **build_lexicon(self._terms, concepts, self._tabular, coded, self._background))
        self._progress("lexicon built")
        encoder = Encoder(self._out, threads=self._threads)
        vectors = build_vectors([*self._terms, *self._evidence], concepts, self._tabular, encoder.encode)
        np.savez_compressed(self._out / "vectors.npz", **vectors)
        self._progress(f"{len(vectors['rows'])} names indexed")

    @cached_property
    def _background(self) -> list[set[int]]:
        return [document_windows(text) for text in background(self._data)]

    def ranker(self) -> None:
        """Train and export the ranker on cross-fitted features."""
        if (self._out / "ranker.onnx").exists():
            return
        encoder = Encoder(self._out, threads=self._threads)
        index = VectorIndex.load(self._out / "vectors.npz")
        labelled = cross_fitted(self._cases, self._terms, self._us_uses, index, encoder, self._tabular, self._background, self._progress)
        save_ranker(train_ranker(labelled), self._out / "ranker.onnx")
        (self._work / "typical.json").write_text(json.dumps(typical(labelled)))

    def manifest(self) -> None:
        """Write the manifest: what each file is, from what it was made, and when."""
        files = {n: {"sha256": hashlib.sha256((self._out / n).read_bytes()).hexdigest(), "bytes": (self._out / n).stat().st_size} for n in FILES}
        manifest = {
            "name": NAME,
            "version": date.today().strftime("%Y.%m.%d"),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "base": "all-MiniLM-L6-v2 (Apache-2.0)",
            "normalForm": NORMAL_FORM,
            "recipe": dataclasses.asdict(self._recipe),
            "equality": json.loads((self._work / "equality.json").read_text()),
            "data": {n: hashlib.sha256((self._data / n).read_bytes()).hexdigest() for n in NEEDED},
            "typical": json.loads((self._work / "typical.json").read_text()),
            "files": files,
        }
        (self._out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
        self._progress(f"manifest of {len(files)} files written")
