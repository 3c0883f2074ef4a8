"""Any FHIR R4 server, such as HAPI FHIR on your own machine: our invented chart is put there, read back, and a diagnosis is written and taken back."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

import requests

from cds_service.config import Settings
from cds_service.outgoing import Outgoing
from cds_service.simulate import sample_chart
from fhir_mappers import FhirClient, fetch_encounter
from fhir_mappers.writer import condition, entered_in_error
from smart_app.delivery import FhirWriter, Outcome

_SECONDS = 60


def exercise(base_url: str, token: str = "none") -> str:
    """Return what was seen on the server at `base_url`; raises AssertionError or RequestException for what doesn't work."""
    base, chart = base_url.rstrip("/"), sample_chart()
    entries = [{"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in chart.resources]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    headers = {"Content-Type": "application/fhir+json", "Authorization": f"Bearer {token}"}
    put = requests.post(base, json=bundle, headers=headers, timeout=_SECONDS)
    assert put.ok, f"the chart isn't taken: {put.status_code} {put.text[:200]}"
    software = requests.get(f"{base}/metadata", headers=headers, timeout=_SECONDS).json().get("software", {})
    found = fetch_encounter(FhirClient(base, token=token, deadline_s=_SECONDS), chart.patient_id, chart.encounter_id)
    read_back = {(r["resourceType"], r["id"]) for r in found.resources}
    missing = {key for r in chart.resources if (key := (r["resourceType"], r["id"])) not in read_back and r["resourceType"] != "ServiceRequest"}
    assert not missing, f"not read back: {sorted(missing)}; {[(s.source, s.reason) for s in found.skipped]}"
    connect = partial(Outgoing(Settings(private_networks=("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))).to_chart, base)
    name = f"urn:uuid:{uuid4()}"
    wanted = condition(patient_id=chart.patient_id, encounter_id=chart.encounter_id, code="J44.9", display="COPD", identifier=name)
    with FhirWriter(base, token, connect, timeout_s=_SECONDS) as writer:
        written = [writer.create(wanted, {"identifier": f"urn:ietf:rfc:3986|{name}"}) for _ in range(2)]
        assert [w.outcome for w in written] == [Outcome.DONE] * 2, written
        reference = written[0].location or ""
        once = writer.find("Condition", {"identifier": f"urn:ietf:rfc:3986|{name}"})
        resource, read = writer.read(reference)
        assert resource is not None, read
        back = writer.update(reference, entered_in_error(resource), read.etag)
        assert back.outcome is Outcome.DONE, back
        stale = writer.update(reference, resource, read.etag).outcome
    twice = "conditional create makes one" if written[1].location in (None, reference) else "conditional create is ignored: two were made"
    assert once, "what was written isn't found by its identifier"
    older = "an older version is refused" if stale is Outcome.CONFLICT else "an older version is taken (no If-Match)"
    unread = f"; not served: {', '.join(sorted({s.source for s in found.skipped}))}" if found.skipped else ""
    program = " ".join(str(software.get(k, "")) for k in ("name", "version")).strip() or "a server without a name"
    return f"{program}: {len(found.resources)} resources read back{unread}; a Condition is written, {twice}, taken back, {older}"
