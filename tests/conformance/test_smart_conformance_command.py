"""`marginalia smart-conformance`: our app passes every line; an app that breaks a line is found."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask, jsonify, make_response, redirect, request
from joserfc.jwk import ECKey

from cds_service import cli
from cds_service.conformance import Verdict
from cds_service.smart_conformance import ISSUERS, SMART, SmartEhr, Stage
from smart_app.settings import DEFAULT_SCOPES
from tests.smart_ehr import Server
from tests.smart_stage import running_ehr, running_service

CLIENT = "marginalia-conformance"
CHECKLIST = {f"L{number}" for number in range(1, 19)} - {"L16"}  # the checklist has no L16


def registered(ehr: SmartEhr) -> list[dict[str, Any]]:
    """Return the issuers of the simulated EHR as our settings have them."""
    entries: dict[str, dict[str, Any]] = {issuer: {"iss": ehr.iss(issuer), "client_id": CLIENT, "auth": "private_key_jwt"} for issuer in ISSUERS}
    entries["main"]["frame_ancestors"] = [ehr.url]
    entries["symmetric"] |= {"auth": "client_secret_basic", "client_secret": "of the test"}
    entries["refresh"]["scopes"] = f"{DEFAULT_SCOPES} online_access"
    return list(entries.values())


def test_every_line_of_the_checklist_is_tried() -> None:
    """The command knows each line of the checklist, and no id twice."""
    ids = [line.id for line in SMART.lines]
    assert set(ids) >= CHECKLIST
    assert len(set(ids)) == len(ids)


def test_ours_passes_every_line(tmp_path: Path) -> None:
    """With all issuers registered there is no line that fails, warns or is skipped."""
    key = tmp_path / "key.json"
    key.write_text(json.dumps(ECKey.generate_key("P-384", {"kid": "app"}).as_dict(private=True)))
    with (
        running_ehr() as unused,
        SmartEhr(CLIENT) as ehr,
        running_service(tmp_path, unused, smart={"issuers": registered(ehr), "private_key": str(key)}) as service,
    ):
        base = f"{service.url}/smart"
        stage = Stage(f"{base}/launch", ehr, "private_key_jwt", "of the test", f"{base}/callback", f"{base}/jwks.json")
        results = list(SMART.run(stage))
    assert [(r.line.id, r.verdict.value, r.problems) for r in results if r.verdict is not Verdict.PASS] == []
    assert len(results) == len(SMART.lines)


def test_an_issuer_that_is_not_registered_is_skipped_with_its_address(tmp_path: Path) -> None:
    """The public app with the main issuer alone: what couldn't be tried is told, not passed."""
    with running_ehr() as unused, SmartEhr(CLIENT) as ehr:
        entry = {"iss": ehr.iss(), "client_id": CLIENT, "frame_ancestors": [ehr.url]}
        with running_service(tmp_path, unused, smart={"issuers": [entry]}) as service:
            results = {r.line.id: r for r in SMART.run(Stage(f"{service.url}/smart/launch", ehr), ["L3", "L6", "L9", "L13"])}
    assert {id for id, r in results.items() if r.verdict is Verdict.SKIP} == {"L3a", "L3b", "L6a", "L9", "L9a", "L9b", "L13"}
    assert "/relative/fhir isn't registered" in results["L3a"].problems[0]
    assert results["L6"].verdict is Verdict.PASS


def bad_app(url: str) -> Flask:
    """An app that does what others get wrong: believes everything, keeps tokens in the cookie, shows the last chart to all."""
    app = Flask("bad")
    last: dict[str, Any] = {}

    @app.get("/launch")
    def launch() -> Any:
        iss = request.args.get("iss", "")
        try:
            configuration = requests.get(f"{iss}/.well-known/smart-configuration", timeout=5).json()
        except (requests.RequestException, ValueError):
            return "no server", 502
        last.update(iss=iss, token_url=configuration.get("token_endpoint"))
        back = request.args.get("redirect_uri", f"{url}/callback")
        query = {"response_type": "code", "redirect_uri": back, "scope": "openid patient/*.sr", "state": "1", "launch": request.args.get("launch", "")}
        return redirect(requests.Request("GET", configuration.get("authorization_endpoint", iss), params=query).prepare().url or "")

    @app.get("/callback")
    def callback() -> Any:
        if "error" in request.args:
            return f"<p>{request.args['error_description']}</p>"
        told = requests.post(last["token_url"], json={"code": request.args.get("code")}, timeout=5)
        if told.status_code != 200:
            told = requests.post(last["token_url"], data={"code": request.args.get("code")}, timeout=5)
        if told.status_code != 200:
            return "refused", 502
        last.update(told.json())
        answer = make_response(redirect("/page"))
        answer.set_cookie("token", last["access_token"])
        return answer

    @app.get("/page")
    def page() -> Any:
        if "next" in request.args:
            return redirect(request.args["next"])
        headers = {"Authorization": f"Bearer {last['access_token']}"}
        patient = requests.get(f"{last['iss']}/Patient/{last.get('patient')}", headers=headers, timeout=5)
        if patient.status_code != 200:
            return "failed", 500
        notes = requests.get(f"{last['iss']}/DocumentReference", params={"patient": last["patient"]}, headers=headers, timeout=5).json()
        for entry in notes["entry"]:
            if there := entry["resource"]["content"][0]["attachment"].get("url"):
                requests.get(there, headers=headers, timeout=5)
        style = last.get("smart_style_url")
        if style:
            requests.get(style, timeout=5)
        return f"<h1>{patient.json()['name'][0]['family']}</h1><link href='{style}'>"

    @app.get("/jwks")
    def jwks() -> Any:
        return jsonify({"keys": [ECKey.generate_key("P-384", {"kid": "x"}).as_dict(private=True)]})

    return app


def test_a_bad_app_is_found() -> None:
    """Each line can fail: the lines are tests."""
    with Server() as server, SmartEhr(CLIENT) as ehr:
        server.app = bad_app(server.url)
        stage = Stage(f"{server.url}/launch", ehr, "private_key_jwt", redirect_url=f"{server.url}/registered", jwks_url=f"{server.url}/jwks")
        results = {r.line.id: r for r in SMART.run(stage)}
    good = {id for id, r in results.items() if r.verdict is Verdict.PASS}
    assert good <= {"K1", "K2", "L7b", "L10a", "L11a", "L11b"}  # it keeps no handle and reads little: nothing to get wrong
    assert {id for id, r in results.items() if r.verdict is Verdict.SKIP} <= {"L13"}


def test_what_is_no_app(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing at all at the address: failed and skipped lines, no stack trace; and the issuers are printed on demand."""
    for arguments, status in ((["--json"], 1), (["--issuers"], 0)):
        monkeypatch.setattr(sys, "argv", ["marginalia", "smart-conformance", "http://127.0.0.1:9/launch", "--port", "0", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == status
        out = capsys.readouterr().out
        if status:
            assert {line["verdict"] for line in json.loads(out)["lines"]} <= {"fail", "warn", "skip"}
        else:
            assert [line.split()[0].rsplit("/", 2)[1] for line in out.splitlines()] == list(ISSUERS)
