"""`marginalia denials`: learn from the organization's own remittances how likely a claim is denied, and see what was learned."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import click

from cds_service.config import Settings
from cds_service.denials.matching import claim_encounters, matched
from cds_service.denials.remittance import remitted_claims
from cds_service.denials.shelf import DenialShelf
from cds_service.errors import NotFoundError
from cds_service.review.claims.learned import LearnedDenials
from cds_service.store import ReviewStore

_TENANT = click.option("--tenant", default="default", show_default=True, help="Whose claims they are.")
_CONFIG = click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings; MARGINALIA_* variables win over it.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def denials() -> None:
    """A score of denials that only the organization's own remittances (X12 835) teach. It is shown to coders, with what it was learned from.

    What was learned is kept in the data folder (setting `data`, MARGINALIA_DATA), apart for each tenant. A running service follows within seconds.
    """


@denials.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--claims", "table", type=click.Path(path_type=Path), help="CSV with columns claim, encounter, where claim numbers are no encounter ids.")
@_TENANT
@_CONFIG
@_JSON
def train(files: tuple[Path, ...], table: Path | None, tenant: str, config: Path | None, as_json: bool) -> None:
    """Learn from remittance FILEs (835) and the reviews kept of the same encounters, and put the score in force.

    A damaged file is refused with its line, and nothing is learned. Too few claims, or claims that the findings don't tell apart, give no score.
    """
    from cds_service.denials.training import fitted  # scikit-learn is an extra

    claims = [claim for path in files for claim in remitted_claims(path)]
    encounters = claim_encounters(table) if table else None
    settings = Settings.load(config)
    store = ReviewStore(settings.database_url, handle_hours=settings.handle_hours, data_keys=settings.data_keys)
    try:
        found = matched(claims, dict(store.newest(tenant)), encounters)
    finally:
        store.close()
    shelf = _shelf(settings)
    today = date.today()
    learned = fitted(found, version=shelf.next_version(tenant, today), today=today)
    shelf.put(tenant, learned)
    if as_json:
        click.echo(learned.written(), nl=False)
        return
    click.echo(f"{found.claims} claims in {len(files)} files, {found.without_review} of them without a review", err=True)
    _tell(learned)


@denials.command()
@_TENANT
@_CONFIG
@_JSON
def show(tenant: str, config: Path | None, as_json: bool) -> None:
    """Show the score in force: what it was learned from, how good it is, and what each finding means for it."""
    learned = _shelf(Settings.load(config)).of(tenant)
    if learned is None:
        raise NotFoundError(f"Nothing was trained for {tenant}: no score is shown.", "Train one with `marginalia denials train FILE...`.")
    if as_json:
        click.echo(learned.written(), nl=False)
    else:
        _tell(learned)


@denials.command()
@_TENANT
@_CONFIG
def remove(tenant: str, config: Path | None) -> None:
    """Take the score in force away; the one trained before it, if any, is in force then."""
    before = _shelf(Settings.load(config)).remove(tenant)
    click.echo(f"Version {before.version} is in force" if before else "No score is in force", err=True)


def _shelf(settings: Settings) -> DenialShelf:
    return DenialShelf(settings.data / "denials")


def _tell(learned: LearnedDenials) -> None:
    click.echo(f"Version {learned.version}. {learned.basis}")
    click.echo(f"Error of the probabilities (Brier) {learned.brier:.3f}; of the usual rate of {learned.usual:.0%} alone {learned.brier_usual:.3f}")
    click.echo("\nfinding                          weight   claims   denied")
    for feature in sorted(learned.weights, key=lambda f: (-learned.weights[f], f)):
        claims, denied = learned.seen[feature]
        click.echo(f"{feature:<30}{learned.weights[feature]:>9.2f}{claims:>9}{denied:>9}")
    click.echo("\nreasons of denied claims: " + json.dumps(dict(sorted(learned.reasons.items(), key=lambda item: (-item[1], item[0])))))
