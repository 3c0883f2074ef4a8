"""The child process that runs the service as `marginalia serve --open` does. Options: port, ehr_url, fhir_url, folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from cds_service.application import Application
from cds_service.commands.serve import listening, run
from cds_service.config import OPEN_CLIENT, Client, Settings
from cds_service.demo.child import read_options, when_parent_ends
from cds_service.demo.ehr.site import AUDITOR, CLIENT_ID, CODER, NAME, SECOND_CODER
from cds_service.logs import log_to_stderr

_STRAIGHT_THROUGH = """
name = "Rules of the demo"

[[rule]]
id = "office-visit"
settings = ["outpatient"]
least_confidence = 0.8
"""


def settings(options: dict[str, Any]) -> Settings:
    """Return the service's settings: open, with the demo's EHR as its only client and its only SMART issuer."""
    rules = Path(options["folder"], "straight-through.toml")
    rules.write_text(_STRAIGHT_THROUGH, encoding="utf-8")
    issuer = {
        "iss": options["fhir_url"],
        "client_id": CLIENT_ID,
        "name": NAME,
        "tenant": OPEN_CLIENT.tenant,
        "coders": [f"Practitioner/{CODER}", f"Practitioner/{SECOND_CODER}"],
        "auditors": [f"Practitioner/{AUDITOR}"],
        "pilot_owners": [f"Practitioner/{CODER}", f"Practitioner/{AUDITOR}"],
        "second_share": 1.0,
        "straight_through": rules,
        "writes": ["Condition", "Provenance", "Communication", "QuestionnaireResponse", "Claim", "ChargeItem"],
        "chart_url": f"{options['ehr_url']}/patients/{{patient}}",
    }
    return Settings(
        public_url=f"http://127.0.0.1:{options['port']}",
        database_url=options["database_url"],
        clients=(Client(OPEN_CLIENT.name, tenant=OPEN_CLIENT.tenant, fhir_servers=(options["ehr_url"],)),),
        ask_again_days=0,  # a visitor opens the same chart again and again; what was answered or dismissed stays away here too
        smart={"issuers": [issuer]},
        open=True,
    )


def main() -> None:
    """Serve until the parent ends."""
    options = read_options()
    when_parent_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))
    chosen = settings(options)
    log_to_stderr()
    with listening("127.0.0.1", options["port"]) as door:
        application = Application.load(chosen)
        try:
            run(application, door)
        finally:
            application.close()


if __name__ == "__main__":
    main()
