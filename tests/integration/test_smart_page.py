"""The page over real HTTP: what it shows, for whom, and what becomes of a decision."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import create_engine, text

from cds_service.review.document import to_document, without_text
from fhir_mappers import read_resources
from tests.smart_ehr import Ehr
from tests.smart_stage import ENCOUNTER, NOTE, PATIENT, Stage, chart_resources, running_service

PAYMENT = re.compile(r"HCC|DRG|CC/MCC|reimburse|denial|denied claim|risk adjust|payment", re.IGNORECASE)


def keep(stage: Stage, **changes: Any) -> dict[str, Any]:
    """Keep a review with some of its parts replaced, and return it."""
    record = read_resources(chart_resources().values(), patient_id=PATIENT, encounter_id=ENCOUNTER)
    document = without_text(to_document(stage.application.review(record, tenant="default"))) | changes
    stage.store.keep("default", document)
    return document


def fetched_note(note: str = NOTE) -> str:
    """Return the plain text of the note as the reader takes it from the resource."""
    return read_resources(chart_resources(note).values(), patient_id=PATIENT, encounter_id=ENCOUNTER).notes[0].text


def shown_note(page: requests.Response) -> str:
    """Return the words of the note as a reader sees them."""
    lines = re.findall(r'<div class="said">(.*?)</div>', page.text, re.S)
    return html.unescape(re.sub(r"<[^>]+>", "", "".join(lines)))


def card(page: requests.Response, code: str) -> str:
    """Return the markup of one code's card."""
    found = re.search(rf'<article class="card code"[^>]*data-code="{re.escape(code)}".*?</article>', page.text, re.S)
    assert found, code
    return found[0]


def test_the_note_stands_on_the_page_character_for_character(stage: Stage) -> None:
    """The note as written: the segments joined are the fetched note, with its emoji, and nothing between the words."""
    assert shown_note(stage.open(stage.browser())) == fetched_note()


def test_every_excerpt_of_a_card_is_a_slice_of_the_note(stage: Stage) -> None:
    """Excerpts on the page are always slices of the fetched note, and each leads to its place."""
    page = stage.open(stage.browser())
    quotes = re.findall(r'data-excerpt="(x\d+)"><span class="around">.*?</span><mark class="m-\w+">(.*?)</mark>', page.text, re.S)
    assert len(quotes) >= 6
    for anchor, words in quotes:
        assert html.unescape(words) in NOTE
        assert f'id="{anchor}"' in page.text


def test_overlapping_excerpts_show_both_codes(stage: Stage) -> None:
    """Words that support two codes say so: "diabetic chronic kidney disease" within "Type 2 diabetes mellitus with ..."."""
    page = stage.open(stage.browser())
    words = re.search(r'<a class="words m-affirmed layered"[^>]*data-targets="([^"]+)"[^>]*>diabetic chronic kidney disease</a>', page.text)
    assert words
    codes = {re.search(rf'id="{target}" data-code="([^"]+)"', page.text)[1] for target in words[1].split() if target.startswith("diagnosis")}  # type: ignore[index]
    assert {"E11.22", "N18.31"} <= codes


def test_negated_family_and_history_are_marked_otherwise_than_by_colour(stage: Stage) -> None:
    """Negated, historical and family statements are shown differently: own class, own word, own description for screen readers."""
    page = stage.open(stage.browser())
    for words, manner in (("chest pain", "negated"), ("breast cancer", "family"), ("pulmonary embolism", "historical")):
        assert re.search(rf'<a class="words m-{manner} begins"[^>]*aria-describedby="said-{manner}">{words}</a>', page.text), words
        assert f'id="said-{manner}"' in page.text


def test_a_card_tells_how_sure_why_and_what_else(stage: Stage) -> None:
    """Confidence in words and number, rationale by rule, attributes and alternatives stand on the code's card."""
    document = keep(stage)
    wanted = next(d for d in document["diagnoses"] if d["code"] == "E11.22")
    wanted["alternatives"] = [{"code": "E11.21", "display": "Type 2 diabetes with nephropathy", "confidence": 0.31, "why": "If nephropathy were documented."}]
    wanted["attributes"], wanted["confidence"] = {"laterality": "left"}, 0.96
    wanted["rationale"] = [{"rule": "guideline.I.C.4.a", "text": "The link is assumed.", "reference": "ICD-10-CM Guidelines I.A.15"}]
    stage.store.keep("default", document)
    found = card(stage.open(stage.browser()), "E11.22")
    for words in ("very likely, 96 %", "guideline.I.C.4.a", "The link is assumed.", "Guidelines I.A.15", "E11.21", "If nephropathy were documented.", "left"):
        assert words in found


@pytest.mark.parametrize(("coders", "sees"), [([], False), (["Practitioner/7"], True), (["Practitioner/8"], False)])
def test_payment_is_for_coders_only(tmp_path: Path, ehr: Ehr, coders: list[str], sees: bool) -> None:
    """A clinician's page never carries HCC, DRG or denial, not even hidden; a coder's does. The absolute fhirUser counts as well."""
    absolute = [f"{ehr.iss}/{c}" for c in coders]
    with running_service(tmp_path, ehr, issuer={"coders": absolute}) as stage:
        document = keep(stage)
        document["diagnoses"][0]["hcc"] = [{"model": "CMS-HCC V28", "category": "37", "label": "Diabetes with Chronic Complications"}]
        document["diagnoses"][0]["rationale"].append({"rule": "risk.hcc", "text": "Counts in HCC 37.", "reference": "CMS-HCC V28"})
        finding = {"edit": "excludes1", "table": "MCE", "version": "v41", "explanation": "Leads to a denial.", "remedy": "Remove one."}
        document["claimFindings"] = [{**finding, "codes": [document["diagnoses"][0]["code"]], "severity": "critical"}]
        driver = {"edit": "excludes1", "claims": 40, "denied": 27}
        document["denialRisk"] = {"probability": 0.66, "usual": 0.2, "drivers": [driver], "basis": "Learned from 600 claims.", "version": "1"}
        stage.store.keep("default", document)
        page = stage.open(stage.browser())
    visible = page.text.split("<body")[1]
    assert bool(PAYMENT.search(visible)) is sees
    assert ("CMS-HCC V28 37" in visible) is sees
    assert ("Leads to a denial." in visible) is sees
    assert ("27 of 40 claims denied" in visible and "Learned from 600 claims." in visible) is sees
    assert ("Risk of denial" in page.text) is sees
    assert f"Dr. Ada Testing · {'coder' if sees else 'clinician'}" in visible


def test_a_query_is_shown_in_compliant_form(stage: Stage) -> None:
    """AHIMA/ACDIS 2022: the patient's own indicators with source and date, all options alike, none chosen."""
    document = keep(stage)
    indicator = document["diagnoses"][0]["evidence"][0]
    document["queries"] = [
        {
            "id": "q1", "family": "specificity", "title": "Type of diabetes", "question": "Please state the type of diabetes that was treated.",
            "indicators": [indicator], "options": ["Type 1", "Type 2", "Other (please specify)", "Unable to determine"],
            "rule": "gap.specificity", "reference": "ICD-10-CM Guidelines I.B.2", "priority": 1,
        }
    ]  # fmt: skip
    stage.store.keep("default", document)
    page = stage.open(stage.browser())
    query = page.text.split('id="query-0"')[1].split("</article>")[0]
    options = re.findall(r'<input type="radio" name="answer" value="([^"]+)">', query)
    assert options == ["Type 1", "Type 2", "Other (please specify)", "Unable to determine"]
    assert "2026-03-02" in query
    assert "<mark" in query
    assert "checked" not in query


def test_results_show_their_course_and_what_they_support(stage: Stage) -> None:
    """Labs and medications that support: newest value, flag, course in words, and a link to the code or query."""
    document = keep(stage)
    a1c = {"kind": "structured", "source": f"Observation/{PATIENT}-a1c-2", "part": "4548-4", "section": "laboratory"}
    document["diagnoses"][0]["evidence"].append(a1c)
    stage.store.keep("default", document)
    page = stage.open(stage.browser())
    row = next(r for r in re.findall(r"<tr>.*?</tr>", page.text, re.S) if "Hemoglobin A1c" in r)
    assert "10.2 %" in row
    assert ">high<" in row
    assert "8.9 % on 2025-09-01, 10.2 % on 2026-02-25" in row
    assert 'href="#diagnosis-0"' in row
    assert "Insulin glargine" in page.text
    assert "24 units at bedtime" in page.text


def test_decisions_are_recorded_with_who_when_model_before_and_after(tmp_path: Path, stage: Stage) -> None:
    """Accept, change, reject and undo are kept as a history: who, when, model version, before and after; nothing goes to the EHR."""
    browser = stage.browser()
    page = stage.open(browser)
    accepted = browser.decide(page, "E11.22", "accept", seen="0")
    assert accepted.status_code == 200
    answer = accepted.json()
    assert answer["decision"] == {"id": 1, "action": "accept", "after": "E11.22", "reason": None, "who": "Dr. Ada Testing", "at": answer["decision"]["at"]}
    assert answer["decided"] == 1
    assert browser.decide(page, "E11.22", "change", seen="1", other="e11.21").json()["decision"]["after"] == "E11.21"
    assert browser.decide(page, "N18.31", "reject", seen="0", reason="not-supported").json()["decision"]["reason"] == "The documentation doesn't support it"
    undone = browser.decide(page, "E11.22", "undo", seen="2").json()
    assert undone["decision"]["action"] == "accept"  # the change is taken back, the acceptance before it stands again
    engine = create_engine(f"sqlite:///{tmp_path / 'test.sqlite'}")
    with engine.connect() as db:
        rows = db.execute(text("select code, action, after, reason, user, role, model, code_set, takes_back, encounter from smart_decision order by id")).all()
    engine.dispose()
    assert [tuple(r)[:4] for r in rows] == [
        ("E11.22", "accept", "E11.22", None),
        ("E11.22", "change", "E11.21", None),
        ("N18.31", "reject", None, "not-supported"),
        ("E11.22", "undo", None, None),
    ]
    assert {tuple(r)[4:8] for r in rows} == {("Practitioner/7", "clinician", "scripted 1.0", "2026-04-01")}
    assert [r[8] for r in rows] == [None, None, None, 2]
    assert {r[9] for r in rows} == {f"Encounter/{ENCOUNTER}"}
    assert not any(a.path.startswith("/fhir") and a.form for a in stage.ehr.asked)
    again = browser.get(page.url, timeout=10)
    assert "2 of" in again.text
    assert 'data-state="accept"' in card(again, "E11.22")
    assert "Rejected by Dr. Ada Testing" in card(again, "N18.31")


def test_two_people_on_one_code_are_told(stage: Stage) -> None:
    """Conflict detection: who decides on what somebody else has decided meanwhile is told, and nothing is overwritten."""
    one, two = stage.browser(), stage.browser()
    first = stage.open(one)
    stage.ehr.user, stage.ehr.user_name = "Practitioner/8", "Bo Coder"
    second = stage.open(two)
    assert two.decide(second, "E11.22", "reject", seen="0", reason="other").status_code == 200
    conflict = one.decide(first, "E11.22", "accept", seen="0")
    assert conflict.status_code == 409
    assert conflict.json()["error"]["message"].startswith("Bo Coder has decided on this code meanwhile (reject")
    assert "Rejected by Bo Coder" in card(one.get(first.url, timeout=10), "E11.22")


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"code": "Z99.9", "action": "accept"}, 422, "suggests no such code"),
        ({"code": "E11.22", "action": "approve"}, 422, "action isn't known"),
        ({"code": "E11.22", "action": "reject", "reason": "because"}, 422, "reason isn't known"),
        ({"code": "E11.22", "action": "change", "other": ""}, 422, "doesn't exist"),
        ({"code": "E11.22", "action": "change", "other": "E11"}, 422, "isn't complete"),
        ({"code": "E11.22", "action": "change", "other": "E11.22"}, 422, "the suggested code itself"),
        ({"code": "E11.22", "action": "change", "other": "<script>"}, 422, "doesn't exist"),
        ({"code": "E11.22", "action": "change", "other": "E11.9", "after": "E11.8"}, 422, "Two codes"),
        ({"code": "", "action": "add", "other": "E11.22"}, 422, "stands on the page already"),
        ({"code": "", "action": "add", "other": "E11"}, 422, "isn't complete"),
        ({"code": "I10", "action": "undo"}, 422, "shows no such code"),
        ({"code": "E11.22", "action": "undo"}, 409, "no decision on this code"),
    ],
)
def test_a_decision_that_can_not_be_recorded_says_why(stage: Stage, form: dict[str, str], status: int, words: str) -> None:
    """A wrong decision is refused with what is wrong and the remedy; nothing is recorded."""
    browser = stage.browser()
    page = stage.open(browser)
    answer = browser.decide(page, form.pop("code"), form.pop("action"), **form)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert answer.json()["error"]["remedy"]
    assert "0 of" in browser.get(page.url, timeout=10).text


def test_a_code_is_added_by_hand_and_taken_back(stage: Stage) -> None:
    """A code that nothing suggested is added by search, shown as added by whom, and can be taken back; twice it is refused."""
    browser = stage.browser()
    page = stage.open(browser)
    found = browser.get(f"{page.url}/codes", params={"q": "long term aspirin"}, timeout=10).json()["codes"]
    assert found[0] == {"code": "Z79.82", "display": "Long term (current) use of aspirin"}
    assert browser.decide(page, "", "add", after="Z79.82").json()["decision"]["action"] == "add"
    assert browser.decide(page, "", "add", after="Z79.82").status_code == 422
    again = browser.get(page.url, timeout=10)
    by_hand = again.text.split('id="by-hand"')[1]
    assert "Long term (current) use of aspirin" in by_hand
    assert "Added by Dr. Ada Testing" in by_hand
    assert browser.decide(again, "Z79.82", "undo").json()["decision"] is None
    assert "Added by" not in browser.get(page.url, timeout=10).text


def test_decisions_stand_through_a_fresh_review(stage: Stage) -> None:
    """A newer review of the encounter, by a hook or on demand, doesn't lose what was decided; what it no longer suggests is shown still."""
    browser = stage.browser()
    page = stage.open(browser)
    browser.decide(page, "E11.22", "accept")
    browser.decide(page, "N18.31", "reject", reason="other")
    stage.coder.script = tuple(entry for entry in stage.coder.script if entry[1] != "N18.31")
    stage.ehr.resources = chart_resources(f"{NOTE}Addendum.\n")  # a reading of unchanged text is remembered
    fresh = browser.post(f"{page.url}/fresh", data={"csrf": browser.csrf(page)}, timeout=20)
    assert "Accepted by Dr. Ada Testing" in card(fresh, "E11.22")
    assert "(on an earlier review)" in card(fresh, "E11.22")
    assert 'data-code="N18.31"' not in fresh.text
    assert "Rejected by Dr. Ada Testing" in fresh.text.split('id="by-hand"')[1]


def test_a_code_without_its_dot_is_understood(stage: Stage) -> None:
    """Coders type codes without the dot."""
    browser = stage.browser()
    page = stage.open(browser)
    assert browser.decide(page, "E11.22", "change", other="e1165").json()["decision"]["after"] == "E11.65"


def test_without_script_a_decision_goes_back_to_the_page(stage: Stage) -> None:
    """The page works without script: the form goes back to the card."""
    browser = stage.browser()
    page = stage.open(browser)
    form = {"csrf": browser.csrf(page), "code": "E11.22", "action": "accept", "seen": "0"}
    answer = browser.post(f"{page.url}/decisions", data=form, headers={"Accept": "text/html"}, allow_redirects=False, timeout=10)
    assert answer.status_code == 303
    assert re.search(r"/smart/review/[^/]+#diagnosis-\d$", answer.headers["Location"])


def test_who_is_not_identified_reads_but_does_not_decide(stage: Stage) -> None:
    """Without an id_token the page is read-only and says so: a decision needs a name."""
    stage.ehr.behaviour.token = {"id_token": None}
    browser = stage.browser()
    page = stage.open(browser)
    assert "you can read but not decide" in page.text
    assert 'value="accept"' not in page.text
    assert browser.decide(page, "E11.22", "accept").status_code == 403


def test_closing_ends_the_session(stage: Stage) -> None:
    """Close gives the access back: the address opens nothing afterwards."""
    browser = stage.browser()
    page = stage.open(browser)
    closed = browser.post(f"{page.url}/close", data={"csrf": browser.csrf(page)}, timeout=10)
    assert closed.headers["Clear-Site-Data"] == '"cache"'
    assert "The chart is closed." in closed.text
    assert browser.get(page.url, timeout=10).status_code == 401


@pytest.mark.parametrize("note", ["", "   \n", "x" * 200_000, "word " * 20_000 + "\n" + "Essential hypertension " * 50])
def test_empty_and_huge_notes_are_shown(stage: Stage, note: str) -> None:
    """Empty, blank and very long notes (one line of 200,000 characters) give a page, within seconds."""
    stage.ehr.resources = chart_resources(note)
    page = stage.open(stage.browser())
    assert page.status_code == 200
    if note.strip():
        assert shown_note(page) == fetched_note(note)
    else:
        assert "There are no notes to read" in page.text


@pytest.mark.parametrize(("sections", "folded"), [(3, False), (60, True)])
def test_the_outline_stays_small(stage: Stage, sections: int, folded: bool) -> None:
    """A few sections stand in a row; many fold into a list, so that they don't cover the note."""
    stage.ehr.resources = chart_resources("".join(f"PART {n} OF THE NOTE:\nText.\n" for n in range(sections)))
    outline = stage.open(stage.browser()).text.split('class="outline"')[1].split("</nav>")[0]
    assert outline.count("<li>") == sections + folded
    assert ("<details" in outline) is folded


def test_an_encounter_with_many_notes(stage: Stage) -> None:
    """Thirty notes: all are shown, and the outline is one list of them."""
    note = chart_resources()[f"DocumentReference/{PATIENT}-note"]
    for number in range(30):
        content = {"attachment": {"contentType": "text/plain", "data": base64.b64encode(f"Note {number}: essential hypertension.".encode()).decode()}}
        stage.ehr.resources[f"DocumentReference/n{number}"] = {**note, "id": f"n{number}", "description": f"Daily note {number}", "content": [content]}
    page = stage.open(stage.browser())
    assert page.status_code == 200
    outline = page.text.split('class="outline"')[1].split("</nav>")[0]
    assert outline.count("<details") == 1
    assert outline.count("<li>") == 31
    assert page.text.count('<article class="note"') == 31


def test_an_encounter_without_codes_says_so(stage: Stage) -> None:
    """The empty state is designed: nothing found is said, and where to look."""
    stage.coder.script = ()
    stage.ehr.resources = {k: v for k, v in chart_resources("Nothing of note.").items() if not k.startswith(("Condition", "MedicationRequest", "Observation"))}
    page = stage.open(stage.browser())
    assert "Nothing to code was found." in page.text
    assert "Nothing was left out." in page.text
    assert "No question is open." in page.text
