"""`marginalia store` and `marginalia erase`: the database in the hands of an operator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import Engine, select, update

from cds_service.audit import AuditKey, AuditTrail, Event, Kind
from cds_service.config import Settings
from cds_service.store import retention
from cds_service.store.backup import back_up, look
from cds_service.store.backup import restore as restore_into
from cds_service.store.cipher import Cipher, cipher_for
from cds_service.store.cipher import new_key as make_key
from cds_service.store.crash import crash_test
from cds_service.store.engine import open_engine, writing
from cds_service.store.migrate import current, draft, newest
from cds_service.store.migrate import downgrade as go_back
from cds_service.store.migrate import upgrade as go_forward
from cds_service.store.schema import FeedbackRow, ReviewRow

_CONFIG = click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings; MARGINALIA_* variables win over it.")
_BATCH = 200


@click.group()
def store() -> None:
    """The database: steps, backup and restore, retention, keys."""


@store.command()
@_CONFIG
def status(config: Path | None) -> None:
    """Tell at which step the database stands, and which step this version wants."""
    with _opened(config) as (engine, _, _settings):
        click.echo(f"{current(engine) or 'empty'} (this version: {newest()})")


@store.command()
@_CONFIG
def upgrade(config: Path | None) -> None:
    """Bring the database to this version. The service does so at its start as well."""
    with _opened(config) as (engine, cipher, _):
        go_forward(engine, cipher)
        click.echo(f"The database stands at {current(engine)}.")


@store.command()
@click.argument("step")
@_CONFIG
@click.confirmation_option(prompt="Tables that came later are dropped with what they hold. Make a backup first. Go on?")
def downgrade(step: str, config: Path | None) -> None:
    """Take the database back to STEP, for an older version."""
    with _opened(config) as (engine, cipher, _):
        go_back(engine, step, cipher)
        click.echo(f"The database stands at {current(engine)}.")


@store.command("draft")
@click.argument("words")
@click.option("--database", default="sqlite://", help="Where to compare; an empty database in memory unless given.")
def draft_step(words: str, database: str) -> None:
    """Write a new step from the tables as the program declares them; for developers."""
    click.echo(str(draft(open_engine(database), words)))


@store.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_CONFIG
def backup(file: Path, config: Path | None) -> None:
    """Write all that is kept to FILE, while the service runs. The keys are not in it: keep them apart."""
    with _opened(config) as (engine, cipher, settings):
        go_forward(engine, cipher)
        _trail(engine, settings).record(Event(Kind.BACKUP, client="marginalia store backup", details={"file": file.name}))
        made = back_up(engine, file)
    click.echo(f"{sum(made.rows.values())} rows of {len(made.rows)} tables as of {made.made} are in {file}.")


@store.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_CONFIG
@click.option("--look", "only_look", is_flag=True, help="Only check the file and tell what it holds.")
def restore(file: Path, config: Path | None, only_look: bool) -> None:
    """Fill an empty database from FILE, which may come from another kind of database. Then verify the audit."""
    if only_look:
        click.echo(json.dumps(look(file).rows, indent=2))
        return
    with _opened(config) as (engine, cipher, settings):
        found = restore_into(engine, file, cipher)
        trail = _trail(engine, settings)
        verdict = trail.verify()
        trail.record(Event(Kind.RESTORE, client="marginalia store restore", details={"file": file.name, "made": found.made}))
    click.echo(f"{sum(found.rows.values())} rows of {len(found.rows)} tables as of {found.made} are restored.")
    click.echo("The audit's chain is whole." if not verdict.faults else "\n".join(verdict.faults))
    if any("audit's key" in fault for fault in verdict.faults):
        click.echo("The rows are there. Put the audit's key of that database in place (setting 'audit_key', or the file .audit-key beside SQLite), "
                   "and run `marginalia audit verify`.")  # fmt: skip
    if verdict.faults:
        raise SystemExit(1)


@store.command()
@_CONFIG
@click.option("--dry-run", is_flag=True, help="Only tell what would be deleted.")
def retain(config: Path | None, dry_run: bool) -> None:
    """Delete what is older than each tenant keeps (setting 'retention_days'), and tell what. The service does so daily as well."""
    with _opened(config) as (engine, cipher, settings):
        go_forward(engine, cipher)
        deleted = retire(engine, _trail(engine, settings), settings, dry=dry_run)
    click.echo(json.dumps({"dryRun": dry_run, "deleted": deleted}, indent=2))


@store.command("new-key")
def new_key() -> None:
    """Print a new data key. Put it first in 'data_keys', keep the older ones after it, then run `marginalia store renew`."""
    click.echo(make_key())


@store.command()
@_CONFIG
def renew(config: Path | None) -> None:
    """Seal all that is kept with the newest data key. Afterwards the older keys can go, but backups still need them."""
    with _opened(config) as (engine, cipher, settings):
        go_forward(engine, cipher)
        count = seal_anew(engine, cipher)
        _trail(engine, settings).record(Event(Kind.CONFIGURATION, client="marginalia store renew", details={"change": "data key", "rows": count}))
    click.echo(f"{count} values are sealed with the newest key.")


@store.command("crash-test")
@click.option("--rounds", default=200, show_default=True, type=click.IntRange(min=1), help="How often the writing process is killed.")
@click.option("--database", help="URL of an empty database; a new SQLite file in a temporary folder unless given.")
def crash(rounds: int, database: str | None) -> None:
    """Kill a writing process again and again, and look whether everything acknowledged is kept. Exit code 1 where not."""
    outcome = crash_test(rounds, database, tell=lambda words: click.echo(words, err=True))
    click.echo(json.dumps(outcome.to_json(), indent=2))
    if outcome.lost or outcome.faults:
        raise SystemExit(1)


@click.command()
@click.option("--patient", required=True, metavar="ID", help="The patient's id in the EHR.")
@click.option("--tenant", default="default", show_default=True, help="The tenant whose patient it is.")
@_CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def erase(patient: str, tenant: str, config: Path | None, as_json: bool) -> None:
    """Delete all that is kept of a patient, and tell what was deleted. The audit stays and records the deletion.

    Backups made before still hold it until they are deleted.
    """
    with _opened(config) as (engine, cipher, settings):
        go_forward(engine, cipher)
        trail = _trail(engine, settings)
        with writing(engine).begin() as connection:
            deleted = retention.erase(connection, patient, tenant=tenant)
            bare = patient.rsplit("/", 1)[-1]
            trail.append(connection, Event(Kind.ERASE, tenant, "marginalia erase", patient=bare, details={"rows": sum(deleted.values())}))
        _tidy(engine)
    if as_json:
        click.echo(json.dumps({"patient": patient, "tenant": tenant, "deleted": deleted}, indent=2))
    elif deleted:
        click.echo(f"Deleted: {', '.join(f'{number} of {name}' for name, number in sorted(deleted.items()))}.")
    else:
        click.echo("Nothing is kept of this patient.")


def retire(engine: Engine, trail: AuditTrail, settings: Settings, *, dry: bool = False) -> retention.Deleted:
    """Delete what is older than the settings keep, audit it tenant by tenant, and return what was deleted."""
    if not any(settings.retention_days.values()):
        return {}
    with writing(engine).begin() as connection:
        deleted = retention.retain(connection, settings.retention_days, now=datetime.now(UTC).replace(tzinfo=None), dry=dry)
        if not dry:
            for tenant, rows in deleted.items():
                trail.append(connection, Event(Kind.RETENTION, tenant, details={"rows": rows}))
    if deleted and not dry:
        _tidy(engine)
    return deleted


def seal_anew(engine: Engine, cipher: Cipher) -> int:
    """Seal documents and comments with the newest key, in small transactions, and return how many."""
    count = 0
    for row, column in ((ReviewRow, "sealed"), (FeedbackRow, "comment")):
        table = row.__table__
        keys = table.c["id"]
        last: object = None
        while True:
            with writing(engine).begin() as connection:
                query = select(keys, table.c[column]).where(table.c[column].is_not(None)).order_by(keys).limit(_BATCH)
                found = connection.execute(query if last is None else query.where(keys > last)).all()
                for number, sealed in found:
                    connection.execute(update(table).where(keys == number).values({column: cipher.renew(sealed)}))  # type: ignore[arg-type]
            count += len(found)
            if len(found) < _BATCH:
                break
            last = found[-1][0]
    return count


@contextmanager
def _opened(config: Path | None) -> Iterator[tuple[Engine, Cipher, Settings]]:
    settings = Settings.load(config)
    engine = open_engine(settings.database_url)
    try:
        yield engine, cipher_for(engine, settings.data_keys), settings
    finally:
        engine.dispose()


def _trail(engine: Engine, settings: Settings) -> AuditTrail:
    return AuditTrail(engine, AuditKey.load(engine, settings.audit_key))


def _tidy(engine: Engine) -> None:
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        retention.tidy(connection)
