"""A CDS service made with HealthChain, for our simulated EHR and our conformance command: PORT. Runs in an environment with healthchain."""

from __future__ import annotations

import sys

import uvicorn
from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.gateway.cds import CDSHooksConfig
from healthchain.models import CDSRequest, CDSResponse
from healthchain.models.responses.cdsresponse import Card, Source

cds = CDSHooksService(config=CDSHooksConfig(discovery_path="/cds-services"))  # its own default is /cds-discovery


@cds.hook("patient-view", id="hello", title="Hello", description="Says hello.")
def hello(request: CDSRequest) -> CDSResponse:
    """Answer with one card."""
    return CDSResponse(cards=[Card(summary=f"Hello {request.context.patientId}", indicator="info", source=Source(label="HealthChain"))])


app = HealthChainAPI()
app.register_service(cds, path="/cds")
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
