"""`marginalia audit` and `marginalia replay`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cds_service.audit.chain import Checkpoint, Link, links
from cds_service.audit.event import Kind
from cds_service.audit.fhir import to_audit_event
from cds_service.audit.signing import AuditKey, new_seed
from cds_service.audit.trail import AuditTrail
from cds_service.config import Settings
from cds_service.errors import NotFoundError, RequestError
from cds_service.store import ReviewStore, snapshot

_CONFIG = click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings; MARGINALIA_* variables win over it.")


@click.group()
def audit() -> None:
    """The audit: verify its chain, export it, show events."""


@audit.command()
@_CONFIG
@click.option("--witness", type=click.File(encoding="utf-8"), help="File with checkpoints kept elsewhere: log lines of the service.")
@click.option("--trust", multiple=True, metavar="KEY", help="Public key of an earlier audit key, base64. Can be given several times.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
def verify(config: Path | None, witness: Any, trust: tuple[str, ...], as_json: bool) -> None:
    """Verify every hash, number and checkpoint of the chain. Exit code 1 where anything is wrong.

    What was cut off together with its checkpoints is found only with --witness.
    """
    with _trail(config) as (trail, _):
        verdict = trail.verify(witnesses=tuple(_witnessed(witness)) if witness else (), trusted=trust)
    if as_json:
        told = {"events": verdict.events, "checkpoints": verdict.checkpoints, "head": verdict.head, "faults": verdict.faults, "remarks": verdict.remarks}
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(f"{verdict.events} events, {verdict.checkpoints} checkpoints, end of the chain {verdict.head}.")
        for line in (*verdict.faults, *verdict.remarks):
            click.echo(line)
        click.echo("The chain is broken." if verdict.faults else "The chain is whole.")
    if verdict.faults:
        raise SystemExit(1)


@audit.command()
@_CONFIG
@click.option("--tenant", help="Only this tenant's events.")
@click.option("--after", default=0, type=click.IntRange(min=0), help="Only events after this number.")
@click.option("--chain", "as_chain", is_flag=True, help="The events as they are hashed, instead of FHIR.")
def export(config: Path | None, tenant: str | None, after: int, as_chain: bool) -> None:
    """Print the events as FHIR AuditEvent (IHE BALP), one a line."""
    with _trail(config) as (_, store), snapshot(store.engine).begin() as connection:
        site = Settings.load(config).public_url
        for link in links(connection, tenant=tenant, after=after):
            told = {"seq": link.seq, "hash": link.hash, "event": link.event} if as_chain else to_audit_event(link, site=site)
            click.echo(json.dumps(told, ensure_ascii=False, separators=(",", ":")))


@audit.command()
@_CONFIG
@click.option("--about", metavar="ID", help="Only events about this review, decision, card or patient.")
@click.option("--patient", metavar="ID", help="Only events about this patient.")
@click.option("--kind", type=click.Choice([k.value for k in Kind]), help="Only events of this kind.")
@click.option("--tenant", help="Only this tenant's events.")
def show(config: Path | None, about: str | None, patient: str | None, kind: str | None, tenant: str | None) -> None:
    """List events, one a line, oldest first."""
    with _trail(config) as (_, store), snapshot(store.engine).begin() as connection:
        for link in links(connection, tenant=tenant, about=about and about.rsplit("/", 1)[-1], kind=kind):
            if patient is None or link.event.get("patient") == patient.rsplit("/", 1)[-1]:
                click.echo(_line(link))


@audit.command()
@_CONFIG
def checkpoint(config: Path | None) -> None:
    """Sign the end of the chain now and print the checkpoint: keep it outside of the database."""
    with _trail(config) as (trail, _):
        point = trail.checkpoint()
    if point is None:
        raise NotFoundError("The audit is empty.", "There is nothing to sign before the first event.")
    click.echo(json.dumps({"checkpoint": {"seq": point.seq, "hash": point.hash, "at": point.at, "key": point.key, "signature": point.signature}}))


@audit.command("new-key")
def new_key() -> None:
    """Print a new secret for the setting 'audit_key', and its public key on standard error."""
    seed = new_seed()
    click.echo(seed)
    click.echo(f"Public key: {AuditKey(seed).public}", err=True)


@click.command()
@click.argument("review_id", metavar="ID")
@click.argument("file", type=click.File("rb"))
@_CONFIG
@click.option("--tenant", help="The tenant whose answer it was; found by itself unless given.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome and the review as JSON.")
def replay(review_id: str, file: Any, config: Path | None, tenant: str | None, as_json: bool) -> None:
    """Make an answer again from the same notes, and tell whether it is the same, bit for bit.

    ID is the id of its review. FILE is what it was made from: the hook call with its prefetch, or what was sent to the API (a FHIR Bundle or a
    text request), as JSON. Exit code 1 where the outcome differs; the reasons are told.
    """
    from cds_service.application import Reviewer
    from cds_service.hooks import built_in_registry
    from cds_service.replay import read_again
    from cds_service.replay import replay as make_again

    try:
        body = json.loads(file.read())
    except ValueError as error:
        raise RequestError("The file is not JSON.", "Give the hook call, the Bundle or the text request as it was sent.", field="file") from error
    settings = Settings.load(config)
    with _trail(config) as (_, store):
        with snapshot(store.engine).begin() as connection:
            found = next(links(connection, about=review_id, kind=Kind.ANSWER.value, tenant=tenant), None)
        if found is None:
            raise NotFoundError("The audit has no answer with this id.", "Use the id of a review; `marginalia audit show --kind answer` lists them.")
        kept = store.get(found.event["tenant"], review_id)
    record = read_again(body, found.event, built_in_registry())
    reviewer = Reviewer.load(threads=settings.threads, provider=settings.provider, claim_tables=settings.claim_tables, data=settings.data)
    outcome = make_again(reviewer, reviewer.coder.model.provider, found.event, kept, record)
    if as_json:
        told = {"same": outcome.same, "reasons": outcome.reasons, "changed": outcome.changed, "review": outcome.document}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        click.echo("The same, bit for bit." if outcome.same else f"Not the same: {', '.join(outcome.changed) or 'only words of the notes'}.")
        for reason in outcome.reasons:
            click.echo(reason)
    if not outcome.same:
        raise SystemExit(1)


@contextmanager
def _trail(config: Path | None) -> Iterator[tuple[AuditTrail, ReviewStore]]:
    """Give the trail and the store of the settings, closed at the end."""
    settings = Settings.load(config)
    store = ReviewStore(settings.database_url, data_keys=settings.data_keys)
    try:
        yield AuditTrail(store.engine, AuditKey.load(store.engine, settings.audit_key)), store
    finally:
        store.close()


def _line(link: Link) -> str:
    told = link.event
    named = [f"{name}={told[name]}" for name in ("tenant", "client", "user", "patient", "subject") if told.get(name)]
    facts = [f"{name}={value}" for name, value in told.get("details", {}).items() if isinstance(value, str | int)]
    return " ".join([f"{link.seq:>6}", told["at"], told["kind"], *named, *facts])


def _witnessed(lines: Any) -> Iterator[Checkpoint]:
    for line in lines:
        try:
            told = json.loads(line)["checkpoint"]
            yield Checkpoint(int(told["seq"]), str(told["hash"]), str(told["at"]), str(told["key"]), str(told["signature"]))
        except (ValueError, KeyError, TypeError):
            continue  # another line of the log
