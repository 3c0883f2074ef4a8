"""`marginalia code`: the review of one note or Bundle, on the terminal."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from typing import Any

import click
from charset_normalizer import from_bytes

from cds_service.application import Reviewer
from cds_service.commands.table import as_table
from cds_service.config import Settings
from cds_service.encounter_input import read_input, record_of_text
from cds_service.errors import RequestError
from cds_service.review.document import to_document
from fhir_mappers import EncounterRecord
from fhir_mappers.record import Setting


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="Print the CodingReview as JSON.")
@click.option("--date", "encounter_date", metavar="YYYY-MM-DD", help="Date of the encounter: decides which code set applies. Today unless given.")
@click.option("--setting", type=click.Choice([s.value for s in Setting]), help="Where care was given.  [default: outpatient]")
@click.option("--birth-date", metavar="YYYY-MM-DD", help="The patient's date of birth.")
@click.option("--gender", type=click.Choice(["male", "female", "other", "unknown"]), help="The patient's administrative gender.")
def code(file: Any, as_json: bool, encounter_date: str | None, setting: str | None, birth_date: str | None, gender: str | None) -> None:
    """Code the note in FILE, or on standard input where FILE is -.

    FILE is plain text or a FHIR R4 Bundle as JSON. A Bundle tells date, setting and patient itself.
    """
    text = _decoded(file.read())
    facts = {"encounter_date": encounter_date, "setting": setting, "birth_date": birth_date, "gender": gender}
    record = _record(text, {name: value for name, value in facts.items() if value is not None})
    settings = Settings.load()
    review = Reviewer.load(threads=settings.threads, provider=settings.provider, claim_tables=settings.claim_tables, data=settings.data).review(record)
    if as_json:
        click.echo(json.dumps(to_document(review), ensure_ascii=False, indent=2))
    else:
        click.echo(as_table(review, width=shutil.get_terminal_size((100, 24)).columns))


def _record(text: str, facts: dict[str, str]) -> EncounterRecord:
    today = datetime.now(UTC).date()
    body = _json_object(text)
    if body is None:
        try:
            return record_of_text(text, today=today, **facts)
        except RequestError as error:
            if error.field == "text":
                raise
            raise click.UsageError(str(error)) from error
    if facts:
        raise click.UsageError(f"--{next(iter(facts)).replace('_', '-')} is for plain text: a JSON input tells it itself.")
    return read_input(body, today=today)


def _json_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that the text is, or None: a note may begin with a brace too."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _decoded(data: bytes) -> str:
    if b"\0" in data[:4096] or data.startswith(b"%PDF"):
        raise RequestError(
            "The file is not text.", "Give a plain-text note, or a FHIR Bundle as JSON whose DocumentReference holds the document.", field="file"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        best = from_bytes(data).best()
        if best is None:
            raise RequestError("The file's character set can't be told.", "Save it as UTF-8.", field="file") from None
        return str(best)
