"""HealthChain's sandbox client calls a CDS service: URL, file of prefetch data, patient, encounter. Runs in an environment with healthchain."""

from __future__ import annotations

import json
import sys

from healthchain.models import CDSResponse
from healthchain.sandbox import SandboxClient
from pydantic import ValidationError

url, prefetch, patient, encounter = sys.argv[1:]
client = SandboxClient(url=url, workflow="patient-view", timeout=30)
client.load_from_path(prefetch)
for request in client.requests:  # its own ids are invented: they are those of the prefetch here
    request.context.patientId, request.context.encounterId = patient, encounter
(answer,) = client.send_requests()
told = {"cards": len(answer.get("cards", [])), "summaries": [card["summary"] for card in answer.get("cards", [])]}
try:
    CDSResponse(**answer)
except ValidationError as error:
    told["refused"] = sorted({".".join(str(part) for part in problem["loc"] if not isinstance(part, int)) for problem in error.errors()})
print(json.dumps(told))
