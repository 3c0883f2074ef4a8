"""With SMART's own Python client (client-py, `fhirclient`): it launches from the same EHRs, and reads what the app has written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from fhirclient.auth import FHIRAuth
from fhirclient.client import FHIRClient
from fhirclient.models.condition import Condition
from fhirclient.models.provenance import Provenance
from flask import Flask

from cds_service.demo.ehr import Site, create_ehr
from tests.integration.test_smart_write import WRITES, Desk
from tests.smart_ehr import CLIENT, Ehr, Server
from tests.smart_stage import ENCOUNTER, PATIENT, Stage, running_service

CHART = "amalia-testwood"

# client-py still writes naive dates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def launched(ehr: Ehr, redirect: str) -> FHIRClient:
    """Return client-py after an EHR launch of the test EHR, through its authorisation page."""
    settings = {"app_id": CLIENT, "api_base": ehr.iss, "redirect_uri": redirect, "scope": "launch openid fhirUser patient/*.rs"}
    client = FHIRClient(settings={**settings, "launch_token": ehr.launch(PATIENT, ENCOUNTER)})
    assert not client.ready
    client.prepare()
    answer = requests.get(client.authorize_url, allow_redirects=False, timeout=10)
    client.handle_callback(answer.headers["Location"])
    return client


@pytest.fixture
def written(tmp_path: Path, ehr: Ehr) -> Iterator[Stage]:
    """A service whose coder has written two diagnoses."""
    with running_service(tmp_path, ehr, issuer={"writes": WRITES}) as stage:
        desk = Desk(stage)
        desk.decide("E11.22", "accept")
        desk.decide("", "add", other="Z79.82")
        assert desk.write()["toWrite"] == 0
        yield stage


def test_client_py_launches_from_the_same_ehr(ehr: Ehr) -> None:
    """The test EHR isn't made for our app alone: client-py goes through discovery, PKCE and the token request, and reads the patient."""
    client = launched(ehr, "http://127.0.0.1/callback")
    assert client.ready
    assert client.patient.id == PATIENT
    assert client.human_name(client.patient.name[0]) == "Amalia Testwood"


def test_client_py_reads_what_the_app_has_written(written: Stage) -> None:
    """Another SMART app understands our entries: Conditions with their codes, evidence and status, Provenance with author and device."""
    client = launched(written.ehr, "http://127.0.0.1/callback")
    conditions = Condition.where(struct={"patient": PATIENT, "category": "encounter-diagnosis"}).perform_resources(client.server)
    assert sorted(c.code.coding[0].code for c in conditions) == ["E11.22", "Z79.82"]
    made = next(c for c in conditions if c.code.coding[0].code == "E11.22")
    assert made.verificationStatus.coding[0].code == "confirmed"
    assert made.encounter.reference == f"Encounter/{ENCOUNTER}"
    assert made.evidence[0].detail[0].reference.startswith("DocumentReference/")
    assert [s.code for s in made.meta.security] == ["AIAST"]
    told = Provenance.where(struct={"target": f"Condition/{made.id}"}).perform_resources(client.server)
    assert [a.type.coding[0].code for a in told[0].agent] == ["author", "assembler"]
    assert told[0].agent[0].who.reference == "Practitioner/7"
    assert told[0].contained[0].deviceName[0].name == "scripted"


def test_client_py_launches_from_the_sandbox_ehr() -> None:
    """The demo's EHR speaks SMART to any client: client-py gets a token with PKCE for the patient whose chart is open."""
    with Server() as behind, Server() as server:
        upstream = Flask("upstream")
        visit = {"resourceType": "Encounter", "id": "e1", "period": {"start": "2026-03-01T09:00:00Z"}, "subject": {"reference": f"Patient/{CHART}"}}
        upstream.add_url_rule("/Encounter", view_func=lambda: {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": visit}]})
        behind.app = upstream
        site = Site(server.url, behind.url, "http://127.0.0.1:2")
        server.app = create_ehr(site)
        configuration = requests.get(f"{site.fhir_url}/.well-known/smart-configuration", timeout=10).json()
        person = requests.Session()
        opened = person.get(f"{site.ehr_url}/patients/{CHART}/launch", allow_redirects=False, timeout=10)
        launch = parse_qs(urlsplit(opened.headers["Location"]).query)["launch"][0]
        client = FHIRClient(
            settings={
                "app_id": "marginalia-demo",
                "api_base": site.fhir_url,
                "redirect_uri": site.redirect_url,
                "scope": "launch openid fhirUser patient/*.rs",
                "launch_token": launch,
            }
        )
        state = {"app_id": "marginalia-demo", "redirect_uri": site.redirect_url, "aud": client.server.aud}
        endpoints = {"authorize_uri": configuration["authorization_endpoint"], "token_uri": configuration["token_endpoint"]}
        client.server.auth = FHIRAuth.create("oauth2", state={**state, **endpoints})
        answer = person.get(client.authorize_url, allow_redirects=False, timeout=10)
        assert "code" in parse_qs(urlsplit(answer.headers["Location"]).query), answer.headers["Location"]
        client.handle_callback(answer.headers["Location"])
        assert client.server.auth.access_token
        assert client.launch_context["patient"] == CHART
