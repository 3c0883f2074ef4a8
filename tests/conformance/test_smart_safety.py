"""What the app must never do, and the way from a card to the app, over real HTTP. Each test's docstring is a line of the checklist."""

from __future__ import annotations

import base64
import logging
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import requests

from cds_service.review.document import to_document, without_text
from fhir_mappers import read_resources
from tests.smart_ehr import Ehr
from tests.smart_stage import ENCOUNTER, NOTE, PATIENT, Stage, chart_resources, running_ehr, running_service


def test_l14_the_cookie_holds_an_opaque_id_only(stage: Stage) -> None:
    """L14 never keep bearer tokens in a cookie: one cookie, HttpOnly, random, and none of the secrets in it."""
    browser = stage.browser()
    stage.open(browser)
    (cookie,) = browser.cookies
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", cookie.value or "")
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Lax"
    assert cookie.value not in stage.ehr.tokens


def test_l14_over_https_the_cookie_is_secure_and_fit_for_the_frame(tmp_path: Path, ehr: Ehr) -> None:
    """L14 HttpOnly; SameSite=None only where the app is framed over https, then Secure, Partitioned and host-bound."""
    from flask import Flask

    from smart_app.security import BrowserCookie
    from smart_app.settings import read_settings

    entry = {"iss": "https://ehr.example.org/r4", "client_id": "x"}
    for framed, expected in (({"frame_ancestors": ["https://ehr.example.org"]}, "SameSite=None"), ({}, "SameSite=Lax")):
        cookie = BrowserCookie(read_settings({"issuers": [{**entry, **framed}]}, public_url="https://app.example.org"))
        with Flask("x").test_request_context():
            response = Flask.response_class()
            cookie.write(response, cookie.fresh())
        header = response.headers["Set-Cookie"]
        assert header.startswith("__Host-marginalia=")
        assert expected in header
        assert "Secure" in header
        assert "HttpOnly" in header
        assert "Domain" not in header
        assert ("Partitioned" in header) is bool(framed)


def test_l14_tokens_stay_on_the_server_and_are_sealed_at_rest(stage: Stage, tmp_path: Path) -> None:
    """L14 Tokens stay on the server: not on the page, not in clear in the database; nor do notes or names rest there."""
    page = stage.open(stage.browser())
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("test.sqlite*"))
    token = next(iter(stage.ehr.tokens))
    assert token not in page.text
    assert token.encode() not in raw
    for words in ("uncontrolled sugar", "Testwood", "Dr. Ada"):
        assert words.encode() not in raw
    with sqlite3.connect(tmp_path / "test.sqlite") as db:
        (sealed,) = db.execute("select sealed from smart_session").fetchone()
    db.close()
    assert sealed.startswith(b"gAAAA")  # a Fernet token


def test_l14_no_parameter_leads_elsewhere(stage: Stage) -> None:
    """L14 Never redirect to a URL from a parameter."""
    browser = stage.browser()
    page = stage.open(browser)
    for name in ("next", "redirect_uri", "target", "url"):
        answer = browser.get(page.url, params={name: "https://evil.example.org"}, allow_redirects=False, timeout=10)
        assert answer.status_code == 200
        assert "evil.example.org" not in answer.text


HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "\u202eevil\u202c", "&lt;b&gt;", "javascript:alert(1)")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_l14_a_hostile_note_is_shown_as_words(stage: Stage, hostile: str) -> None:
    """L14 Never execute input: markup in notes, titles and names is text on the page."""
    resources = chart_resources(f"{hostile}\nEssential hypertension {hostile}.\n")
    resources[f"DocumentReference/{PATIENT}-note"]["description"] = hostile
    resources[f"Patient/{PATIENT}"]["name"] = [{"family": hostile}]
    stage.ehr.resources = resources
    page = stage.open(stage.browser())
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert "49" not in re.findall(r'<div class="said">(.*?)</div>', page.text, re.S)[0]
    assert page.text.count("<script") == page.text.count('<script src="/smart/static/')


def test_l14_pages_carry_no_inline_script_style_or_foreign_file(stage: Stage) -> None:
    """L14 strict Content-Security-Policy: the page needs nothing but our own files."""
    page = stage.open(stage.browser())
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page.text)
    assert all(address.startswith("/smart/") for address in re.findall(r'(?:src|href)="([^"#]+)"', page.text))
    policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["base-uri"] == "'none'"
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"


def test_l14_own_files_are_served_and_may_be_kept(stage: Stage) -> None:
    """L14 no CDN: style and script come from the service, under an address that changes with their content."""
    page = stage.open(stage.browser())
    addresses = re.findall(r'(?:src|href)="(/smart/static/[^"]+)"', page.text)
    assert len({a.split("?")[0] for a in addresses}) >= 3
    for address in addresses:
        answer = requests.get(stage.url + address, timeout=10)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert re.search(r"\?v=[0-9a-f]{12}$", address)


def test_l14_logs_hold_no_words_names_or_tokens(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """L14 neither notes nor names nor tokens reach a log, not even when something breaks."""
    caplog.set_level(logging.DEBUG, logger="smart_app")
    caplog.set_level(logging.INFO)
    browser = stage.browser()
    page = stage.open(browser)
    stage.coder.script = ()
    stage.application.store.close()
    browser.get(f"{page.url}x", timeout=10)
    told = "\n".join(f"{r.getMessage()} {r.__dict__.get('fields', '')} {r.exc_text or ''}" for r in caplog.records)
    for secret in ("uncontrolled", "Testwood", *stage.ehr.tokens, *stage.ehr.contexts):
        assert secret not in told


def test_l14_a_form_from_elsewhere_is_refused(stage: Stage) -> None:
    """L14 a decision needs the page's own form token."""
    browser = stage.browser()
    page = stage.open(browser)
    for token in ("", "guess"):
        answer = browser.post(f"{page.url}/decisions", data={"csrf": token, "code": "E11.22", "action": "accept"}, timeout=10)
        assert answer.status_code == 403


def test_l15_the_token_is_not_sent_to_another_host(stage: Stage) -> None:
    """L15 The token is not sent to references on other hosts: a note whose document lies elsewhere is told, not fetched."""
    with running_ehr() as elsewhere:
        attachment = {"contentType": "text/plain", "url": f"{elsewhere.url}/fhir/Binary/1"}
        stage.ehr.resources[f"DocumentReference/{PATIENT}-note"]["content"] = [{"attachment": attachment}]
        page = stage.open(stage.browser())
        assert elsewhere.asked == []
    assert page.status_code == 200
    assert f"DocumentReference/{PATIENT}-note" in page.text.split('id="coverage"')[1]
    assert "There are no notes to read" in page.text


def test_l18_the_frame_is_for_the_ehr_of_the_launch_only(tmp_path: Path, ehr: Ehr) -> None:
    """L18 Framing: Content-Security-Policy `frame-ancestors` per EHR."""
    other = {"iss": "https://other.example.org/r4", "client_id": "x", "frame_ancestors": ["https://other.example.org"]}
    own = {"iss": ehr.iss, "client_id": "marginalia-test", "frame_ancestors": [ehr.url]}
    with running_service(tmp_path, ehr, smart={"issuers": [own, other]}) as stage:
        page = stage.open(stage.browser())
        general = requests.get(f"{stage.url}/smart/launch", timeout=10)
    assert f"frame-ancestors {ehr.url};" in page.headers["Content-Security-Policy"]
    assert f"frame-ancestors {ehr.url} https://other.example.org;" in general.headers["Content-Security-Policy"]


def test_l18_without_a_named_frame_there_is_none(tmp_path: Path, ehr: Ehr) -> None:
    """L18 an EHR without frame_ancestors can't frame the app."""
    with running_service(tmp_path, ehr, issuer={"frame_ancestors": []}) as stage:
        page = stage.open(stage.browser())
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Frame-Options"] == "DENY"


# From a CDS card to the app


def keep_review(stage: Stage, patient: str = PATIENT, encounter: str = ENCOUNTER, tenant: str = "default") -> str:
    """Keep a review as a hook does and return its id."""
    record = read_resources(chart_resources(NOTE, patient, encounter).values(), patient_id=patient, encounter_id=encounter)
    review = stage.application.review(record, tenant="default")
    stage.store.keep(tenant, without_text(to_document(review)))
    return review.id


def shown_review(page: requests.Response) -> str:
    """Return the id of the review that a page shows."""
    found = re.search(r"<dt>Review</dt><dd><span class=\"small\">([^<]+)</span>", page.text)
    assert found
    return found[1]


def test_card_the_handle_opens_its_review(stage: Stage) -> None:
    """`appContext` comes back in the token response and opens the review of the card, not a newer one."""
    wanted = keep_review(stage)
    keep_review(stage)
    handle = stage.store.issue_handle("default", wanted, PATIENT, "Practitioner/7")
    page = stage.open(stage.browser(), appContext=handle)
    assert shown_review(page) == wanted
    assert "too old or was made for someone else" not in page.text


def test_card_without_a_handle_the_latest_review_of_the_encounter_is_shown(stage: Stage) -> None:
    """Not every EHR passes it on: the app finds the latest analysis of the patient and encounter in context."""
    keep_review(stage)
    latest = keep_review(stage)
    page = stage.open(stage.browser())
    assert shown_review(page) == latest


def test_card_without_any_review_the_notes_are_read_now(stage: Stage) -> None:
    """Without a kept review the app runs one and keeps it."""
    page = stage.open(stage.browser())
    kept = stage.store.latest("default", f"Patient/{PATIENT}", f"Encounter/{ENCOUNTER}")
    assert kept is not None
    assert kept["id"] == shown_review(page)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"tenant": "other"}, id="of another tenant"),
        pytest.param({"patient": "bert"}, id="of another patient"),
        pytest.param({"user": "Practitioner/8"}, id="of another user"),
        pytest.param({"handle": "invented"}, id="invented"),
        pytest.param({"handle": "x" * 600}, id="too long"),
    ],
)
def test_card_a_handle_for_someone_else_opens_nothing(stage: Stage, wrong: dict[str, Any]) -> None:
    """`appContext` when redeemed: tenant, patient and user are checked; the chart in context is shown instead."""
    patient = wrong.get("patient", PATIENT)
    foreign = keep_review(stage, patient, "visit-9" if patient != PATIENT else ENCOUNTER, wrong.get("tenant", "default"))
    handle = wrong.get("handle") or stage.store.issue_handle(wrong.get("tenant", "default"), foreign, patient, wrong.get("user", "Practitioner/7"))
    own = keep_review(stage)
    page = stage.open(stage.browser(), appContext=handle)
    assert shown_review(page) == own
    assert ("too old or was made for someone else" in page.text) is (len(handle) <= 512)


def test_card_a_handle_of_another_encounter_opens_nothing(stage: Stage) -> None:
    """A handle of the same patient but another encounter than the launch is about doesn't open its review."""
    foreign = keep_review(stage, PATIENT, "visit-0")
    handle = stage.store.issue_handle("default", foreign, PATIENT, "Practitioner/7")
    page = stage.open(stage.browser(), appContext=handle)
    assert shown_review(page) != foreign


def test_a_note_that_changed_is_said_and_its_words_are_not_guessed(stage: Stage) -> None:
    """Excerpts are slices of the fetched note after its hash was checked: where a note changed, the page says so and offers a fresh review."""
    browser = stage.browser()
    first = stage.open(browser)
    changed = NOTE.replace("Essential hypertension", "Idiopathic hypotension")
    content = {"attachment": {"contentType": "text/plain; charset=utf-8", "data": base64.b64encode(changed.encode()).decode()}}
    stage.ehr.resources[f"DocumentReference/{PATIENT}-note"]["content"] = [content]
    page = browser.get(first.url, timeout=10)
    assert page.status_code == 200
    assert "has changed since this review" in page.text
    assert 'class="words ' not in page.text.split('class="side"')[0]
    assert "(Progress note)" in page.text
    assert "words aren&#39;t shown" in page.text
    fresh = browser.post(f"{first.url}/fresh", data={"csrf": browser.csrf(page)}, timeout=20)
    assert fresh.status_code == 200
    assert "has changed since this review" not in fresh.text
    assert shown_review(fresh) != shown_review(first)
    assert 'class="words ' in fresh.text


def test_a_value_that_can_not_be_read_just_now_has_not_changed(stage: Stage) -> None:
    """Where a search fails, what rested on it is shown as not readable now; nothing claims that the record has changed."""
    browser = stage.browser()
    first = stage.open(browser)
    assert "Insulin glargine" in first.text
    stage.ehr.behaviour.fhir_status = {"MedicationRequest": 500}
    page = browser.get(first.url, timeout=20)
    assert "as it can be read now" in page.text
    assert "has changed since this review" not in page.text
    stage.ehr.behaviour.fhir_status = {}
    del stage.ehr.resources[f"MedicationRequest/{PATIENT}-insulin"]
    assert "has changed since this review</strong> (a medication)" in browser.get(first.url, timeout=20).text


def test_a_note_that_came_later_is_said(stage: Stage) -> None:
    """A note that the review hasn't read is shown as not read yet."""
    browser = stage.browser()
    first = stage.open(browser)
    later = chart_resources("Addendum: nothing new.")[f"DocumentReference/{PATIENT}-note"]
    stage.ehr.resources["DocumentReference/later"] = {**later, "id": "later", "description": "Addendum"}
    page = browser.get(first.url, timeout=10)
    assert "New notes have come since this review" in page.text
    assert "Came after the review: not read yet." in page.text


@pytest.mark.parametrize(("status", "expected"), [(403, 403), (404, 403), (500, 502)])
def test_a_chart_that_can_not_be_read_is_an_error_page(stage: Stage, status: int, expected: int) -> None:
    """A failure looks like a failure: no empty page where the EHR refuses or fails."""
    stage.ehr.behaviour.fhir_status = {"Patient": status}
    page = stage.open(stage.browser())
    assert page.status_code == expected
    assert "smart.chart-" in page.text


def test_a_part_that_can_not_be_read_is_told_as_partial(stage: Stage) -> None:
    """Where one search fails the rest is shown, and coverage says what is missing."""
    stage.ehr.behaviour.fhir_status = {"Observation": 403}
    page = stage.open(stage.browser())
    assert page.status_code == 200
    coverage = page.text.split('id="coverage"')[1]
    assert "Observation" in coverage
    assert "doesn&#39;t allow this read" in coverage
