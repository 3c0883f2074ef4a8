"""The term list: what a code is called, by the tabular list, the alphabetic index, ontologies and coded cases.

Every term is one row (text, code, source). The text never leaves the training machine: the artefacts carry hashes and
vectors made from it. Sources and licences stand in MODEL_CARD.md.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from defusedxml.ElementTree import fromstring

from onnx_models.abbreviations import abbreviations
from onnx_models.normalise import term_hash


@dataclass(frozen=True, slots=True)
class Term:
    """One name of one code."""

    text: str
    code: str
    source: str  # title | inclusion | index | neoplasm | external | ontology | propagated | abbreviation | evidence | phrase


class TabularList:
    """Titles, inclusion terms and hierarchy of ICD-10-CM, read from the package that carries the official files."""

    def __init__(self) -> None:
        data = resources.files("simple_icd_10_cm") / "data"
        tree = fromstring((data / "icd10c-tabular-April-1-2026.xml").read_bytes())
        self.title: dict[str, str] = {}
        self.inclusion: dict[str, list[str]] = {}
        self.children: dict[str, list[str]] = defaultdict(list)
        for diag in tree.iter("diag"):
            code = diag.findtext("name") or ""
            self.title[code] = diag.findtext("desc") or ""
            terms = [n.text or "" for tag in ("inclusionTerm", "includes") for i in diag.findall(tag) for n in i.findall("note")]
            self.inclusion[code] = terms
            self.children[code] = [c.findtext("name") or "" for c in diag.findall("diag")]
        listing = sorted(c.replace(".", "") for c in (data / "code-list-April-2026.txt").read_text().split() if re.fullmatch(r"[A-Z]\d\w[.\w]*", c))
        # The list holds headings too: a code is billable when no longer one begins with it.
        leaves = [c for c, after in zip(listing, [*listing[1:], ""], strict=True) if not after.startswith(c)]
        self.billable = {c if len(c) <= 3 else f"{c[:3]}.{c[3:]}" for c in leaves}

    def stem(self, code: str) -> str:
        """Return `code` without its 7th character and placeholders, where the tabular list defines the shorter code."""
        while code and code not in self.title:
            code = code[:-1].rstrip(".")
        return code

    def default_leaf(self, code: str) -> str:
        """Return the code that stands for `code` when nothing more is documented: its unspecified descendant."""
        while children := self.children.get(code, []):
            best = [c for c in children if self.title[c].startswith("Unspecified")]
            best = best or [c for c in children if re.search(r"9$", c) and re.search(r"unspecified|without", self.title[c])]
            best = best or [c for c in children if re.search(r"\bunspecified\b(?! complication)", self.title[c])]
            best = best or [c for c in children if c.endswith("9") or "without" in self.title[c]]
            if not best:
                return code
            # "unspecified side" before "unspecified organism with ...": the shortest title asserts least.
            code = min(best, key=lambda c: (len(self.title[c]), c))
        return code


def _index_rows(path: Path) -> Iterator[tuple[list[str], str]]:
    """Yield (path of terms from main term down, code) of the alphabetic index."""
    trail: list[str] = []
    with path.open(encoding="utf-8-sig", newline="") as handle:
        for row in csv.DictReader(handle):
            level = int(row["Level"])
            trail = [*trail[:level], row["Term"]]
            if row["Code"]:
                yield list(trail), row["Code"].split()[0].rstrip("-").rstrip(".")


def _spoken(trail: list[str]) -> Iterator[str]:
    """Yield natural phrases of an index path: each alternative of the main term with the modifiers before it."""
    heads = [h.strip() for h in trail[0].split(",")] if len(trail) > 1 else [trail[0]]
    rest = trail[1:]
    for head in heads[:3]:
        leading = [r for r in rest if not re.match(r"(with|due|in|of|and|without|following|from|by|affecting|complicating)\b", r)]
        trailing = [r for r in rest if r not in leading]
        yield re.sub(r"\s*\b(?:NEC|NOS)\b", "", " ".join([*reversed(leading), head, *trailing]))


def _ontology_groups(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield (id, names, ICD-10-CM cross-references) of each disease of the ontologies."""
    exact: dict[str, list[str]] = defaultdict(list)
    with (folder / "mondo_exactmatch_icd10cm.sssom.tsv").open() as handle:
        for line in handle:
            cells = line.split("\t")
            if cells[0].startswith("MONDO:"):
                exact[cells[0]].append(cells[3].removeprefix("ICD10CM:"))
    for name in ("doid", "mondo", "hp"):
        with gzip.open(folder / f"{name}.jsonl.gz", "rt") as handle:
            for line in handle:
                entry = json.loads(line)
                identifier = entry["id"] if ":" in entry["id"] else f"{name.upper()}:{entry['id']}"
                xrefs = [x["id"] for x in entry.get("xrefs", []) if x["namespace"] == "ICD10CM"]
                # A broad cross-reference to a block ("A00-A09") names no code.
                xrefs = exact.get(identifier) or [x for x in xrefs if "-" not in x]
                yield identifier, [entry["name"], *entry.get("synonyms", [])], xrefs


def _lay_groups(folder: Path) -> Iterator[list[str]]:
    lay: dict[str, list[str]] = defaultdict(list)
    with (folder / "ontologies/hpo_layperson_synonyms.tsv").open() as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            lay[row["?term_label"]].append(row["?layperson"])
    yield from ([label, *names] for label, names in lay.items())
    with gzip.open(folder / "medquad/medquad.jsonl.gz", "rt") as handle:
        for line in handle:
            page = json.loads(line)
            yield [page["focus"], *page["synonyms"]]


def _abbreviations(folder: Path) -> Iterator[tuple[str, str, float]]:
    """Yield (abbreviation, long form, share of that sense)."""
    for name in ("vanderbilt_clinic_notes.tsv", "vanderbilt_discharge_sums.tsv"):
        with (folder / name).open() as handle:
            for row in csv.DictReader(handle, delimiter="\t"):
                yield row["abbreviation"].replace("_", "/"), row["sense"], float(row["frequency"])
    with (folder / "wikipedia.csv").open() as handle:
        for row in csv.DictReader(handle):
            if 2 <= len(row["abr"]) <= 8 and row["abr"].isascii():
                yield row["abr"], row["long_form"], 0.3


def official_terms(data: Path, tabular: TabularList) -> list[Term]:
    """Return the names that the classification itself gives: titles, inclusion terms, the indexes."""
    terms = [Term(title, code, "title") for code, title in tabular.title.items()]
    for code, names in tabular.inclusion.items():
        terms += [Term(re.sub(r"\s*\([A-Z]\d[^)]*\)", "", n).removesuffix(" NOS"), code, "inclusion") for n in names]
    for file, source in (("index.csv", "index"), ("external_index.csv", "external")):
        for trail, raw in _index_rows(data / "icd10cm_index" / file):
            code = tabular.stem(raw)
            if code:
                terms += [Term(text, code, source) for text in _spoken(trail)]
    sites: list[str] = []
    with (data / "icd10cm_index/neoplasms.csv").open(encoding="utf-8-sig", newline="") as handle:
        kinds = {"MalignantPrimary": "cancer of {}", "MalignantSecondary": "metastasis to {}", "CaInSitu": "carcinoma in situ of {}",
                 "Benign": "benign neoplasm of {}"}  # fmt: skip
        for row in csv.DictReader(handle):
            sites = [*sites[: int(row["Level"])], row["Term"]]
            site = " ".join(reversed(sites[1:]))
            for column, pattern in kinds.items():
                code = tabular.stem(row[column].strip().rstrip("-").rstrip("."))
                if site and code:
                    terms.append(Term(pattern.format(site), code, "neoplasm"))
    return terms


def synonym_terms(data: Path, tabular: TabularList, official: Iterable[Term]) -> list[Term]:
    """Return names from ontologies, lay vocabularies and abbreviations.

    A group of synonyms takes its code from a curated cross-reference, else from a member whose normal form is an official
    term of exactly one code: then all its members name that code.
    """
    known: dict[int, set[str]] = defaultdict(set)
    for term in official:
        known[term_hash(term.text)[0]].add(tabular.default_leaf(term.code))
    terms: list[Term] = []
    for _, names, xrefs in _ontology_groups(data / "ontologies"):
        codes = {tabular.stem(x) for x in xrefs} - {""}
        source = "ontology"
        if not codes:
            codes, source = _code_by_name(names, known), "propagated"
        if len(codes) == 1:
            terms += [Term(n, next(iter(codes)), source) for n in names]
    for names in _lay_groups(data):
        codes = _code_by_name(names, known)
        if len(codes) == 1:
            terms += [Term(n, next(iter(codes)), "propagated") for n in names]
    for term in terms:
        known[term_hash(term.text)[0]].add(tabular.default_leaf(term.code))
    for short, long, share in _abbreviations(data / "abbreviations"):
        codes = _code_by_name([long], known)
        if len(codes) == 1 and share >= 0.2 and short not in abbreviations():
            terms.append(Term(short, next(iter(codes)), "abbreviation"))
    return [t for t in terms if len(t.text) <= 160]


def _code_by_name(names: Iterable[str], known: dict[int, set[str]]) -> set[str]:
    for name in names:
        codes = known.get(term_hash(name)[0], set())
        if len(codes) == 1:
            return set(codes)
    return set()


def evidence_terms(data: Path, split: str) -> Iterator[tuple[str, Term]]:
    """Yield (case id, term) for each evidence span of one CodiEsp split, as projected onto the English text."""
    with gzip.open(data / "codiesp/evidence_en.jsonl.gz", "rt") as handle:
        for line in handle:
            case = json.loads(line)
            if case["split"] == split:
                for span in case["evidence"]:
                    yield case["id"], Term(span["text"], span["code"], "evidence")
