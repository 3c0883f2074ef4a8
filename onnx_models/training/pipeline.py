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
from itertools import chain
from pathlib import Path

import numpy as np

from onnx_models.errors import ArtefactError
from onnx_models.normalise import NORMAL_FORM
from onnx_models.retrieval import Concepts
from onnx_models.runtime import Encoder, Vectors
from onnx_models.spelling import Speller
from onnx_models.style import Style
from onnx_models.training.corpora import background, plain_english, us_code_uses
from onnx_models.training.encoder import Pairs, Recipe, fine_tune
from onnx_models.training.examples import Example, encoder_terms, is_hidden, plain_examples, taught_codes, training_examples
from onnx_models.training.export import equality, export_encoder
from onnx_models.training.index import build_concepts, build_titles, build_words, document_windows, save_concepts
from onnx_models.training.linear import telling_cases, train_style
from onnx_models.training.prototypes import learn_prototypes, lessons, load_prototypes
from onnx_models.training.rank import Knowledge, Labelled, cross_fitted, save_ranker, train_rankers, typical
from onnx_models.training.terms import TabularList, Term, official_terms, synonym_terms
from onnx_models.training.untaught import untaught_vectors

NAME = "marginalia-minilm"
FILES = (
    "encoder.onnx", "tokenizer.json", "concepts.tsv", "titles.npz", "lexicon.npz", "vectors.npz", "words.txt", "telling.npz", "style.npz",
    *(f"{style}_{part}.onnx" for style in Style for part in ("first", "ranker")),
)  # fmt: skip
# What a data folder must hold; docs/training.md says where each comes from.
NEEDED = (
    "icd10cm_index/index.csv", "icd10cm_index/external_index.csv", "icd10cm_index/neoplasms.csv", "codiesp/train.jsonl.gz", "codiesp/evidence_en.jsonl.gz",
    "codiesp/background_unlabelled.jsonl.gz", "ontologies/doid.jsonl.gz", "ontologies/mondo.jsonl.gz", "ontologies/hp.jsonl.gz",
    "ontologies/mondo_exactmatch_icd10cm.sssom.tsv", "ontologies/hpo_layperson_synonyms.tsv", "medquad/medquad.jsonl.gz",
    "abbreviations/vanderbilt_clinic_notes.tsv", "abbreviations/vanderbilt_discharge_sums.tsv", "abbreviations/wikipedia.csv",
    "mdace_codes/annotations.tsv", "notes/mtsamples/mtsamples_500.jsonl.gz", "notes/aci_bench/train.csv", "notes/mts_dialog/MTS-Dialog-TrainingSet.csv",
)  # fmt: skip
_EQUALITY_STRINGS = 400


def missing_files(data: Path) -> list[str]:
    """Return the files of a complete data folder that `data` lacks."""
    return [name for name in NEEDED if not (data / name).exists()]


class Pipeline:
    """One rebuild. `work` keeps the stages' results; `out` receives the artefacts."""

    def __init__(
        self, data: Path, work: Path, out: Path, base: Path, recipe: Recipe, *, threads: int = 2, progress: Callable[[str], None] = lambda _: None
    ) -> None:
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
    def _examples(self) -> list[Example]:
        return training_examples(self._data, self._tabular)

    @cached_property
    def _terms(self) -> list[Term]:
        """All names of codes that no example gave."""
        official = official_terms(self._data, self._tabular)
        return [*official, *synonym_terms(self._data, self._tabular, official)]

    @cached_property
    def _us_uses(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for code, n in us_code_uses(self._data).items():
            counts[self._tabular.stem(code)] += n
        return counts

    def run(self) -> None:
        """Do every stage that isn't done yet."""
        self.encoder()
        self.prototypes()
        self.export()
        self.index()
        self.ranker()
        self.manifest()

    def encoder(self) -> None:
        """Fine-tune the base encoder on the names of all codes and the evidence of published cases; resumes from its checkpoint."""
        if (self._work / "encoder/recipe.json").exists():
            return
        cases = [e for e in self._examples if e.kind == "case"]
        uses = self._us_uses + Counter(c for e in cases for c in e.right)
        common = {code: 4 * math.log1p(n) for code, n in uses.items()}
        pairs = Pairs([*self._terms, *(t for e in cases for t in e.evidence)], self._tabular.title, common, self._recipe)
        fine_tune(self._base, pairs, self._recipe, self._work / "encoder", threads=self._threads, progress=self._progress)

    def prototypes(self) -> None:
        """Go on with what clinicians write: each phrase nearer to its own concept than to all others; resumes from its checkpoint."""
        if (self._work / "sharpened/recipe.json").exists():
            return
        concepts = self._concepts
        also = {e.text: e.right for e in self._examples if e.kind == "phrase"}
        uses = self._us_uses + Counter(c for e in self._examples if e.kind != "phrase" for c in e.right)
        learned = lessons([*encoder_terms(self._examples), *self._terms], also, uses, concepts, self._tabular, self._speller)
        folder = self._work / "sharpened"
        learn_prototypes(self._work / "encoder", learned, concepts, self._tabular, self._recipe, folder, threads=self._threads, progress=self._progress)

    @cached_property
    def _concepts(self) -> Concepts:
        return build_concepts(self._tabular, {}, self._us_uses)

    @cached_property
    def _speller(self) -> Speller:
        names = [*self._terms, *(t for e in self._examples for t in e.evidence if e.kind == "phrase" and not e.misspelt)]
        return Speller(build_words(chain(background(self._data, 3_000), plain_english(self._data)), names))

    def export(self) -> None:
        """Export to ONNX, quantise, and record how equal the two forms are."""
        if (self._work / "equality.json").exists() and (self._out / "encoder.onnx").exists():
            return
        export_encoder(self._work / "sharpened", self._out)
        evidence = sorted({t.text for e in self._examples for t in e.evidence if len(t.text) > 3})
        sample = evidence[:: max(1, len(evidence) // _EQUALITY_STRINGS)]
        result = dataclasses.asdict(equality(self._work / "sharpened", self._out, sample))
        (self._work / "equality.json").write_text(json.dumps({k: round(v, 5) for k, v in result.items()}))
        self._progress(f"int8 against float: {result}")

    @cached_property
    def _untaught(self) -> dict[int, Vectors]:
        taught = taught_codes(self._examples, self._tabular)
        concepts = build_concepts(self._tabular, {}, {}, taught)
        wanted = {row for code in taught if is_hidden(code) and (row := concepts.row(code)) is not None}
        prototypes, encoder = load_prototypes(self._work / "sharpened"), Encoder(self._out, threads=self._threads)
        return untaught_vectors(wanted, concepts, prototypes, self._terms, self._tabular, encoder.encode)

    @cached_property
    def _knowledge(self) -> Knowledge:
        return Knowledge(
            terms=self._terms,
            us_uses=self._us_uses,
            tabular=self._tabular,
            background=[document_windows(text, self._speller) for text in background(self._data)],
            prototypes=load_prototypes(self._work / "sharpened"),
            speller=self._speller,
            untaught=self._untaught,
            telling=list(telling_cases(self._examples, self._speller)),
        )

    def index(self) -> None:
        """Build concepts, lexicon, vectors, known words, and the models of telling phrases and of style."""
        if (self._out / "vectors.npz").exists():
            return
        found = self._knowledge.build(self._examples)
        save_concepts(found.concepts, self._out / "concepts.tsv")
        self._speller.save(self._out / "words.txt")
        for name, arrays in (
            ("titles", build_titles(found.concepts, self._tabular)),
            ("lexicon", found.lexicon),
            ("telling", found.telling),
            ("style", train_style(self._data, self._examples)),
            ("vectors", found.vectors),
        ):
            np.savez_compressed(self._out / f"{name}.npz", allow_pickle=False, **arrays)
        self._progress(f"{len(found.lexicon['keys'])} names in the lexicon, {len(found.vectors['rows'])} vectors in the index")

    def ranker(self) -> None:
        """Train and export the ranker on cross-fitted features."""
        if all((self._out / f"{style}_ranker.onnx").exists() for style in Style):
            return
        labelled = self.labelled()
        for style in Style:
            first, final = train_rankers([x for x in labelled if x.style is style], self._progress)
            save_ranker(first, self._out / f"{style}_first.onnx")
            save_ranker(final, self._out / f"{style}_ranker.onnx")
        (self._work / "typical.json").write_text(json.dumps(typical(labelled)))

    def labelled(self) -> list[Labelled]:
        """Return the cross-fitted candidates of all training examples."""
        examples = [*self._examples, *plain_examples(self._terms, self._us_uses, self._tabular)]
        return cross_fitted(examples, self._knowledge, Encoder(self._out, threads=self._threads), self._progress)

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
