"""The child process that serves FHIR: SEKMET behind uvicorn on one loopback port, until its standard input closes.

Run as `python -m cds_service.demo.fhir_process`, with {"port", "base_url", "folder"} as one line of JSON on standard input. Standard input
stays open as long as the parent lives, so the server stops with its parent however that ends.
"""

from __future__ import annotations

import json
import logging
import sys
import threading

import uvicorn
from sekmet.config import Settings
from sekmet.fhir.search_params import PARAMS, SearchParam
from sekmet.main import create_app

# Resource types that SEKMET stores but has no search parameters for: (token for status, reference to the encounter, date).
_SEARCHABLE = {
    "ClinicalImpression": ("status", "encounter", "date"),
    "Composition": ("status", "encounter", "date"),
    "DeviceRequest": ("status", "encounter", "authoredOn"),
    "List": ("status", "encounter", "date"),
}


def settings(options: dict[str, str | int]) -> Settings:
    """Return SEKMET's settings: no simulator, no traffic log, strict validation of what is written."""
    return Settings.model_validate(
        {
            "base_url": options["base_url"],
            "host": "127.0.0.1",
            "port": options["port"],
            "data_dir": options["folder"],
            "facility_name": "Northfield Demonstration Health",
            "simulator": {"enabled": False},
            "validation": {"inbound": "strict"},
            "log_inbound": False,
        }
    )


def add_search_parameters() -> None:
    """Make every type that a review searches for searchable by patient, encounter, status and date, as R4 defines them."""
    for resource_type, (status, encounter, date) in _SEARCHABLE.items():
        PARAMS.setdefault(
            resource_type,
            {
                "subject": SearchParam("subject", "reference", ("subject",)),
                "patient": SearchParam("patient", "reference", ("subject",), "Patient"),
                "encounter": SearchParam("encounter", "reference", (encounter,)),
                "status": SearchParam("status", "token", (status,)),
                "date": SearchParam("date", "date", (date,)),
            },
        )


def main() -> None:
    """Serve until standard input closes."""
    add_search_parameters()
    chosen = settings(json.loads(sys.stdin.readline()))
    application = create_app(chosen)
    logging.getLogger().setLevel(logging.WARNING)  # its own start-up sets INFO, which names every request
    server = uvicorn.Server(uvicorn.Config(application, host=chosen.host, port=chosen.port, log_level="warning", access_log=False, timeout_graceful_shutdown=2))

    def wait_for_parent() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=wait_for_parent, daemon=True).start()
    server.run()


if __name__ == "__main__":
    main()
