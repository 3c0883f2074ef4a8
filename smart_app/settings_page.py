"""What the reference of settings (docs/configuration.md) says of the app."""

from __future__ import annotations

from cds_service.commands.reference import Section
from smart_app.settings import Issuer, SmartSettings
from smart_app.straight_through import Rule

__all__ = ["settings_sections"]

_SECTIONS = (
    Section(
        "The SMART app",
        "The table `[smart]`; in the environment `MARGINALIA_SMART_` and the name, `MARGINALIA_SMART_ISSUERS` as a JSON list.",
        SmartSettings,
        leave=frozenset({"public_url", "issuers"}),
    ),
    Section(
        "EHRs that may launch the app",
        "One table `[[smart.issuers]]` for each.",
        Issuer,
        paths=frozenset({"straight_through"}),
    ),
    Section(
        "Straight-through rules",
        "The file that `straight_through` names: `name`, what the rules are and who agreed on them, and one table `[[rule]]` for each "
        "([example](examples/straight-through.toml)). `marginalia pilot rules FILE` checks it. Payers' rule files: [code sets](code-sets.md).",
        Rule,
    ),
)


def settings_sections() -> tuple[Section, ...]:
    """Return the tables that a customer writes for the app."""
    return _SECTIONS
