"""`marginalia`: collects the commands. Each is imported only when it is used, so that `--help` is fast."""

from __future__ import annotations

import importlib
import os
import sys
from typing import NoReturn

import click

from cds_service.errors import ConfigurationError, MarginaliaError

# One BLAS thread, said before numpy is imported: its spinning threads would take the cores from the encoder and from other calls.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# name -> (where it is, what it does)
COMMANDS = {
    "serve": ("cds_service.commands.serve:serve", "Run the service: CDS Hooks, the API and the SMART app."),
    "client": ("cds_service.commands.client:client", "Clients that may call: EHRs and coding systems, and keys of the API."),
    "conformance": ("cds_service.conformance.command:conformance", "Run the CDS Hooks checklist against the service of URL"),
    "smart-conformance": ("cds_service.smart_conformance.command:smart_conformance", "Launch the SMART app of LAUNCH_URL from a simulated EHR, line by line."),
    "simulate": ("cds_service.simulate.command:simulate", "Play an EHR against any CDS service: discovery, hooks, signed tokens, prefetch, feedback."),
    "demo": ("cds_service.demo.command:demo", "Run a FHIR server, an EHR page with an authorisation server, and the service, with synthetic patients."),
    "code": ("cds_service.commands.code:code", "Code the note in FILE, or on standard input where FILE is -."),
    "codeset": ("cds_service.codesets.command:codeset", "Code sets: import a year's official files, see and compare releases, check codes."),
    "explain": ("cds_service.review.command:explain", "Show what is known of CODE: its notes, the rules, and the questions about it."),
    "rules": ("cds_service.review.command:rules", "The rules of the review: conventions and guidelines, documentation gaps, and payers' own."),
    "denials": ("cds_service.denials.command:denials", "A score of denials that only the organization's own remittances (835) teach, for coders."),
    "store": ("cds_service.store.command:store", "The database: steps, backup and restore, retention, keys."),
    "erase": ("cds_service.store.command:erase", "Delete all that is kept of a patient."),
    "audit": ("cds_service.audit.command:audit", "The audit: verify its chain, export it, show events."),
    "replay": ("cds_service.audit.command:replay", "Make an answer again from the same notes, and compare."),
    "pilot": ("smart_app.pilot.command:pilot", "A pilot: its figures, and straight-through rules."),
    "train": ("onnx_models.training.command:train", "Rebuild the engine's artefacts from a data folder."),
    "export": ("onnx_models.training.command:export", "Export the fine-tuned encoder to ONNX and show that its vectors stay the same."),
    "calibrate": ("cds_service.evaluation.calibration:calibrate", "Measure what the engine's scores are worth, on the development split."),
    "evaluate": ("cds_service.evaluation.command:evaluate", "Measure the product: phrases, codes never seen in training, US notes, published cases."),
    "soak": ("cds_service.serving.command:soak", "Mixed load for a long time on a service of its own; reports errors, percentiles and growth of memory."),
    "bench": ("cds_service.bench.command:bench", "Measure speed and size of the service on this machine."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return a command, or None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(cls=LazyGroup)
@click.version_option(package_name="marginalia")
def marginalia() -> None:
    """Coding and documentation assistant in the margin of the chart.

    Exit codes: 0 done, 1 failed, 2 wrong use.
    """


def main() -> NoReturn:
    """Run the command line and exit."""
    try:
        marginalia.main(standalone_mode=True)
    except ConfigurationError as error:
        _fail(error.message, error.remedy, 2)
    except MarginaliaError as error:
        _fail(error.message, error.remedy, 1)
    except Exception as error:
        # The packages below have their own error trees; what has a message and a remedy is told in the same way.
        if not (hasattr(error, "message") and hasattr(error, "remedy")):
            raise
        _fail(str(error.message), str(error.remedy), 1)
    sys.exit(0)


def _fail(message: str, remedy: str, status: int) -> NoReturn:
    click.echo(f"Error: {message} {remedy}", err=True)
    sys.exit(status)
