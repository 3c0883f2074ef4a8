"""Shared by all tests: the application, loaded once; a web client; hook calls; real HTTP servers on free ports."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import create_engine, text
from werkzeug.serving import make_server

from cds_service.application import Application
from cds_service.config import Settings
from cds_service.store import ReviewStore
from cds_service.web import create_app

if TYPE_CHECKING:
    from tests.smart_ehr import Ehr
    from tests.smart_stage import Stage

NOTE = """Chief complaint: follow-up visit.

History of present illness: 62 year old man with type 2 diabetes and COPD. Denies chest pain. Mother had breast cancer.

Assessment and Plan:
1. Chronic obstructive pulmonary disease, stable on tiotropium.
2. Essential hypertension, at goal.
"""


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """The application in open mode with the committed artefacts and a database of its own."""
    folder: Path = tmp_path_factory.mktemp("service")
    # Time enough for a machine that other work keeps busy; what happens when it runs out is tested with a budget of its own.
    # Tests share a chart: what one has asked, the next asks again.
    long = {"hook_budget_ms": 20_000, "fetch_budget_ms": 20_000}
    settings = Settings(database_url=f"sqlite:///{folder / 'test.sqlite'}", open=True, ask_again_days=0, **long)
    loaded = Application.load(settings)
    yield loaded
    loaded.close()


@pytest.fixture
def make_application(application: Application, tmp_path: Path) -> Iterator[Callable[..., Application]]:
    """Returns applications with other settings that share the loaded model and tables."""
    made: list[Application] = []

    def make(**changes: Any) -> Application:
        url = f"sqlite:///{tmp_path / f'{len(made)}.sqlite'}"
        settings = replace(application.settings, **{"database_url": url, **changes})
        store = ReviewStore(settings.database_url, handle_hours=settings.handle_hours)
        made.append(Application(settings, application.coder, application.knowledge, store))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def web(application: Application) -> Flask:
    """The web app of the shared application."""
    return create_app(application)


@pytest.fixture
def client(web: Flask) -> FlaskClient:
    """A client of the shared web app."""
    return web.test_client()


@pytest.fixture
def note() -> Callable[..., dict[str, Any]]:
    """Makes DocumentReferences of Patient/1 in Encounter/e1."""

    def make(text: str | bytes = NOTE, **changes: Any) -> dict[str, Any]:
        data = text.encode() if isinstance(text, str) else text
        resource = {
            "resourceType": "DocumentReference",
            "id": "d1",
            "status": "current",
            "description": "Progress note",
            "date": "2026-03-01T10:00:00Z",
            "subject": {"reference": "Patient/1"},
            "context": {"encounter": [{"reference": "Encounter/e1"}]},
            "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": base64.b64encode(data).decode()}}],
        }
        return resource | changes

    return make


@pytest.fixture
def hook_call(note: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Makes complete hook calls; keyword arguments replace members, prefetch keys are merged."""
    keys = ("conditions", "laboratory", "vitals", "medications", "reports", "procedures", "orders", "allergies", "coverages", "compositions", "impressions")
    nothing = dict.fromkeys((*keys, "administrations"))

    def make(hook: str = "patient-view", *, prefetch: dict[str, Any] | None = None, context: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        supplied = {
            "patient": {"resourceType": "Patient", "id": "1", "birthDate": "1964-05-02", "gender": "male"},
            "encounter": {
                "resourceType": "Encounter",
                "id": "e1",
                "status": "in-progress",
                "class": {"code": "AMB"},
                "subject": {"reference": "Patient/1"},
                "period": {"start": "2026-03-01T09:00:00Z"},
            },
            "notes": {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": note()}]},
        }
        call = {
            "hook": hook,
            "hookInstance": str(uuid4()),
            "context": {"userId": "Practitioner/7", "patientId": "1", "encounterId": "e1"} | (context or {}),
            "prefetch": nothing | supplied | (prefetch or {}),
        }
        return call | changes

    return make


@pytest.fixture
def serve() -> Iterator[Callable[[Any], str]]:
    """Serves WSGI apps on free loopback ports and returns their base URLs; all are stopped afterwards."""
    running: list[tuple[Any, threading.Thread]] = []

    def start(app: Any) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def ehr() -> Iterator[Ehr]:
    """A running test EHR with one synthetic patient."""
    from tests.smart_stage import running_ehr

    with running_ehr() as ehr:
        yield ehr


@pytest.fixture
def stage(tmp_path: Path, ehr: Ehr) -> Iterator[Stage]:
    """The service beside the test EHR, with a scripted engine."""
    from tests.smart_stage import running_service

    with running_service(tmp_path, ehr) as stage:
        yield stage


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The URL of a PostgreSQL cluster of the tests' own; the test is skipped where none can be started."""
    from tests.cluster import missing, running_cluster

    if reason := missing():
        pytest.skip(reason)
    with running_cluster() as url:
        yield url


def new_database(cluster: str) -> str:
    """Add an empty database to a cluster and return its URL."""
    name = f"t{uuid4().hex[:12]}"
    engine = create_engine(cluster, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return cluster.replace("/postgres?", f"/{name}?")


@pytest.fixture
def postgres_url(cluster: str) -> str:
    """The URL of a new, empty PostgreSQL database."""
    return new_database(cluster)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    return str(request.getfixturevalue("postgres_url"))
