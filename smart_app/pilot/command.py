"""`marginalia pilot`: the figures of a pilot for who has the server, and a check of straight-through rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from cds_service.audit import AuditTrail, Event, Kind
from cds_service.audit.signing import AuditKey
from cds_service.config import Settings
from cds_service.store import open_engine
from cds_service.store.cipher import cipher_for
from smart_app.database import open_database
from smart_app.pilot.facts import PilotStore
from smart_app.pilot.figures import figures
from smart_app.pilot.period import read_period
from smart_app.pilot.report import report_csv, report_json, report_text
from smart_app.review_facts import KeptReviews
from smart_app.settings import read_settings
from smart_app.straight_through import read_rules


@click.group()
def pilot() -> None:
    """A pilot: its figures, and straight-through rules."""


@pilot.command()
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings; MARGINALIA_* variables win over it.")
@click.option("--tenant", default="default", show_default=True, help="The tenant whose pilot it is.")
@click.option("--from", "first", metavar="MONTH", help="First month, such as 2026-08; two months before the last unless given.")
@click.option("--to", "last", metavar="MONTH", help="Last month; this one unless given.")
@click.option("--change", metavar="DAY", help="Compare before and after this day, such as 2026-09-15.")
@click.option("--form", type=click.Choice(("text", "csv", "json")), default="text", show_default=True, help="What is printed.")
def report(config: Path | None, tenant: str, first: str | None, last: str | None, change: str | None, form: str) -> None:
    """Print the figures that the pilot's owner sees: no number stands for fewer patients than 'least_cell'."""
    now = datetime.now(UTC)
    period = read_period({"from": first or "", "to": last or "", "change": change or ""}, now=now)
    settings = Settings.load(config)
    smart = read_settings(settings.smart, public_url=settings.public_url, database_url=settings.database_url)
    url = smart.database_url or settings.database_url
    cipher = cipher_for(open_engine(url), settings.data_keys)
    engine = open_database(url, cipher)
    try:
        rules = next((issuer.straight_through for issuer in smart.issuers if issuer.tenant == tenant and issuer.straight_through), None)
        facts = PilotStore(engine, cipher, KeptReviews(engine, cipher)).encounters(tenant, since=period.since, until=period.until, rules=rules)
        told = figures(facts, tenant=tenant, since=period.since, until=period.until, made=now, change=period.change, least=smart.least_cell)
        event = Event(Kind.READ, tenant, "marginalia pilot report", subject="Page/pilot")
        AuditTrail(engine, AuditKey.load(engine, settings.audit_key)).record(event)
    finally:
        engine.dispose()
    match form:
        case "json":
            click.echo(json.dumps(report_json(told), indent=1))
        case "csv":
            click.echo(report_csv(told), nl=False)
        case _:
            click.echo(report_text(told))


@pilot.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def rules(file: Path) -> None:
    """Check FILE with straight-through rules, and say in words what it would mark."""
    found = read_rules(file)
    click.echo(f"{found.name}: {len(found.rules)} {'rule' if len(found.rules) == 1 else 'rules'}.")
    for rule in found.rules:
        parts = [" or ".join(sorted(rule.settings)), f"every suggestion {rule.least_confidence:.0%} or surer", f"at most {rule.most_codes} codes"]
        parts += [f"only {', '.join(rule.codes)}"] if rule.codes else []
        parts += [f"never {', '.join(rule.never)}"] if rule.never else []
        click.echo(f"- {rule.id}: {'; '.join(parts)}")
    click.echo("Besides: all notes read, all codes complete, no query, no claim edit. A mark decides nothing and writes nothing.")
