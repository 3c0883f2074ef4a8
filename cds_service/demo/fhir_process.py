"""The child process that serves FHIR: SEKMET behind uvicorn on one loopback port. Options: port, base_url, folder."""

from __future__ import annotations

import logging
from typing import Any

import uvicorn
from sekmet.config import Settings
from sekmet.fhir.search_params import PARAMS, SearchParam
from sekmet.main import create_app

from cds_service.demo.child import read_options, when_parent_ends

# Resource types that SEKMET stores but has no search parameters for: (token for status, reference to the encounter, date).
_SEARCHABLE = {
    "ClinicalImpression": ("status", "encounter", "date"),
    "Composition": ("status", "encounter", "date"),
    "DeviceRequest": ("status", "encounter", "authoredOn"),
    "List": ("status", "encounter", "date"),
}


def settings(options: dict[str, Any]) -> Settings:
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
    """Serve until the parent ends."""
    add_search_parameters()
    chosen = settings(read_options())
    application = create_app(chosen)
    logging.getLogger().setLevel(logging.WARNING)  # its own start-up sets INFO, which names every request
    server = uvicorn.Server(uvicorn.Config(application, host=chosen.host, port=chosen.port, log_level="warning", access_log=False, timeout_graceful_shutdown=2))

    def stop() -> None:
        server.should_exit = True

    when_parent_ends(stop)
    server.run()


if __name__ == "__main__":
    main()
