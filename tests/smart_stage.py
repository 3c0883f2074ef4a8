"""The stage of the SMART tests: the service with a scripted engine, a test EHR with one synthetic patient, and a browser.

The review, the store, the web application and every HTTP call are real; only the engine is scripted, so that the tests
know which words it finds.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from flask import Flask

from cds_service.application import Application
from cds_service.config import Settings
from cds_service.review.knowledge import Knowledge
from cds_service.store import ReviewStore
from cds_service.web import create_app
from onnx_models import (
    Assertion,
    Attributes,
    Candidate,
    Certainty,
    Experiencer,
    Mention,
    ModelInfo,
    NoteReading,
    Polarity,
    Reason,
    Section,
    Sentence,
    Temporality,
)
from tests.smart_ehr import CLIENT, Ehr, Server

PATIENT, ENCOUNTER = "amalia", "visit-1"
NOTE = """SUBJECTIVE:
67-year-old woman with T2DM, long-standing uncontrolled sugar levels. Denies chest pain.
Her mother had breast cancer. Chronic kidney disease stage 3a due to diabetes 😀 followed by nephrology.
History of pulmonary embolism in 2011, treated.

ASSESSMENT AND PLAN:
1. Type 2 diabetes mellitus with diabetic chronic kidney disease. Increase insulin glargine.
2. Essential hypertension, at goal.
"""
NEGATED = Assertion(polarity=Polarity.NEGATED)
FAMILY = Assertion(experiencer=Experiencer.FAMILY)
HISTORY = Assertion(temporality=Temporality.HISTORICAL)
POSSIBLE = Assertion(certainty=Certainty.POSSIBLE)

# What the scripted engine finds: words, code, score, how they are said.
SCRIPT: tuple[tuple[str, str, float, Assertion], ...] = (
    ("T2DM", "E11.9", 0.72, Assertion()),
    ("Type 2 diabetes mellitus with diabetic chronic kidney disease", "E11.22", 0.96, Assertion()),
    ("diabetic chronic kidney disease", "N18.31", 0.93, Assertion()),
    ("Chronic kidney disease stage 3a", "N18.31", 0.93, Assertion()),
    ("uncontrolled sugar levels", "E11.65", 0.81, Assertion()),
    ("Essential hypertension", "I10", 0.97, Assertion()),
    ("chest pain", "R07.9", 0.9, NEGATED),
    ("breast cancer", "C50.919", 0.9, FAMILY),
    ("pulmonary embolism", "I26.99", 0.9, HISTORY),
)


@dataclass
class ScriptedCoder:
    """An engine that finds the words of its script."""

    script: tuple[tuple[str, str, float, Assertion], ...] = SCRIPT
    model: ModelInfo = field(default_factory=lambda: ModelInfo("scripted", "1.0", "0" * 64, "CPUExecutionProvider"))

    def read(
        self, text: str, *, declared_sections: Iterable[tuple[str, int, int]] = (), deadline: float | None = None, pause: Callable[[], object] | None = None
    ) -> NoteReading:
        """Return a mention for each occurrence of each phrase."""
        mentions = []
        for phrase, code, score, assertion in self.script:
            for match in re.finditer(re.escape(phrase), text):
                begin, end = match.span()
                sentence = Sentence(text.rfind("\n", 0, begin) + 1, (text.find("\n", end) + 1 or len(text)))
                why = (Reason("dictionary", "the words are a known name of this code", 2.0),)
                mentions.append(Mention(begin, end, phrase, "assessment_plan", sentence, assertion, Attributes(), (Candidate(code, score, why),)))
        mentions.sort(key=lambda m: (m.begin, m.end))
        return NoteReading((Section("assessment_plan", "ASSESSMENT AND PLAN", 0, len(text)),), (), tuple(mentions), "en")


def chart_resources(note: str = NOTE, patient: str = PATIENT, encounter: str = ENCOUNTER) -> dict[str, dict[str, Any]]:
    """Return the resources of one synthetic patient."""
    subject = {"reference": f"Patient/{patient}"}
    visit = {"reference": f"Encounter/{encounter}"}

    def observation(id: str, label: str, loinc: str, value: float, unit: str, day: str, category: str = "laboratory", **more: Any) -> dict[str, Any]:
        return {
            "resourceType": "Observation",
            "id": f"{patient}-{id}",
            "status": "final",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": category}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": loinc}], "text": label},
            "subject": subject,
            "effectiveDateTime": f"{day}T08:00:00Z",
            "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
            **more,
        }

    resources: list[dict[str, Any]] = [
        {
            "resourceType": "Patient",
            "id": patient,
            "name": [{"family": "Testwood", "given": [patient.title()]}],
            "birthDate": "1958-04-02",
            "gender": "female",
            "identifier": [{"value": f"MRN-{patient}"}],
        },
        {
            "resourceType": "Encounter",
            "id": encounter,
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "type": [{"text": "Follow-up visit"}],
            "subject": subject,
            "period": {"start": "2026-03-02T09:00:00Z", "end": "2026-03-02T09:30:00Z"},
        },
        {
            "resourceType": "DocumentReference",
            "id": f"{patient}-note",
            "status": "current",
            "type": {"coding": [{"system": "http://loinc.org", "code": "11506-3"}], "text": "Progress note"},
            "description": "Progress note",
            "subject": subject,
            "date": "2026-03-02T09:25:00Z",
            "author": [{"display": "Dr. Ada Testing"}],
            "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": base64.b64encode(note.encode()).decode()}}],
            "context": {"encounter": [visit]},
        },
        observation("a1c-1", "Hemoglobin A1c", "4548-4", 8.9, "%", "2025-09-01"),
        observation("a1c-2", "Hemoglobin A1c", "4548-4", 10.2, "%", "2026-02-25", referenceRange=[{"low": {"value": 4.0}, "high": {"value": 5.6}}]),
        observation("egfr", "eGFR", "98979-8", 52, "mL/min/{1.73_m2}", "2026-02-25", interpretation=[{"coding": [{"code": "L"}]}]),
        {
            "resourceType": "MedicationRequest",
            "id": f"{patient}-insulin",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {
                "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "274783", "display": "insulin glargine"}],
                "text": "Insulin glargine",
            },
            "subject": subject,
            "authoredOn": "2026-03-02",
            "dosageInstruction": [{"text": "24 units at bedtime"}],
        },
        {
            "resourceType": "Condition",
            "id": f"{patient}-dm",
            "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "problem-list-item"}]}],
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9"}], "text": "Type 2 diabetes mellitus"},
            "subject": subject,
            "recordedDate": "2019-05-01",
        },
    ]
    return {f"{r['resourceType']}/{r['id']}": r for r in resources}


class Browser(requests.Session):
    """A browser without scripts: keeps cookies, follows redirects and the page that says "reading"."""

    def launch(self, service: str, ehr: Ehr, launch: str | None) -> requests.Response:
        """Go through a launch and return where it ends."""
        query = {"iss": ehr.iss} | ({"launch": launch} if launch is not None else {})
        return self.settle(self.get(f"{service}/smart/launch", params=query, timeout=20))

    def settle(self, response: requests.Response) -> requests.Response:
        """Follow a meta refresh."""
        goal = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', response.text)
        return self.get(requests.compat.urljoin(response.url, html.unescape(goal[1])), timeout=20) if goal else response

    def csrf(self, page: requests.Response) -> str:
        """Return the page's form token."""
        found = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert found
        return found[1]

    def decide(self, page: requests.Response, code: str, action: str, **more: str) -> requests.Response:
        """Send a decision as the page's script does."""
        form = {"csrf": self.csrf(page), "code": code, "action": action, **more}
        return self.post(f"{page.url.split('#')[0]}/decisions", data=form, headers={"Accept": "application/json"}, timeout=20)


@dataclass
class Stage:
    """Service, EHR and what they share."""

    url: str
    ehr: Ehr
    application: Application
    store: ReviewStore
    coder: ScriptedCoder
    web: Flask

    def browser(self) -> Browser:
        """Return a new browser without cookies."""
        return Browser()

    def open(self, browser: Browser, **context: Any) -> requests.Response:
        """Launch from the patient's chart and return the page."""
        return browser.launch(self.url, self.ehr, self.ehr.launch(PATIENT, ENCOUNTER, **context))


_KNOWLEDGE: list[Knowledge] = []


def knowledge() -> Knowledge:
    """Return the tables, read once for all tests."""
    if not _KNOWLEDGE:
        _KNOWLEDGE.append(Knowledge.load())
    return _KNOWLEDGE[0]


@contextmanager
def running_ehr() -> Iterator[Ehr]:
    """A test EHR with one patient, on a free port."""
    with Server() as server:
        ehr = Ehr(server.url)
        ehr.resources = chart_resources()
        server.app = ehr.app()
        yield ehr


@contextmanager
def running_service(folder: Path, ehr: Ehr, *, smart: dict[str, Any] | None = None, issuer: dict[str, Any] | None = None) -> Iterator[Stage]:
    """The service, registered as a client of `ehr`, on a free port; `smart` and `issuer` add settings."""
    with Server() as server:
        entry = {"iss": ehr.iss, "client_id": CLIENT, "name": "Test EHR", "frame_ancestors": [ehr.url], **(issuer or {})}
        settings = Settings(public_url=server.url, database_url=f"sqlite:///{folder / 'test.sqlite'}", smart={"issuers": [entry], **(smart or {})}, open=True)
        store = ReviewStore(settings.database_url)
        coder = ScriptedCoder()
        application = Application(settings, coder, knowledge(), store)
        server.app = create_app(application)
        try:
            yield Stage(server.url, ehr, application, store, coder, server.app)
        finally:
            store.close()
