"""The demo's whole path without a browser: the same pages, forms and redirects, and a line for each thing that was seen."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from lxml import html

from cds_service.demo.ehr import Site
from cds_service.demo.ehr.reader import CardSeen, HookSeen, read_hook
from cds_service.demo.ehr.site import CLINICIAN, CODER
from cds_service.demo.meaning import EXAMPLES, as_collection
from cds_service.demo.patients import chart_folders, patient_bundle

_AIM_MS = 500  # CDS Hooks 2.0.1, "Performance"; told, and no failure: the machine may be busy with other things
_LIMIT_MS = 10_000  # any EHR has given up by then
_TIMEOUT_S = 60
_DIABETIC = "bertrand-sampleton"
_STAY = "dorothea-fictiva"


class _Failed(Exception):
    """Something was not as it should be."""


@dataclass(frozen=True, slots=True)
class _Page:
    url: str
    text: str


class Check:
    """Runs the steps one after another. A failed step is told, and the others still run."""

    def __init__(self, site: Site, say: Callable[[str], None]) -> None:
        self._site = site
        self._say = say
        self._session = requests.Session()
        self._session.trust_env = False
        self._failures = 0
        self._patients: list[str] = []
        self._seen: dict[str, HookSeen] = {}

    def run(self) -> bool:
        """Run all steps; True where every one passed."""
        for step in (
            self._list_patients,
            self._closed_without_token,
            self._discovery,
            self._patient_view,
            self._order_sign,
            self._meaning,
            self._discharge,
            self._add_problem,
            self._launch_from_card,
            self._launch_from_chart,
            self._launch_as_coder,
            self._write_back,
            self._accept,
            self._dismiss,
        ):
            with self._step():
                step()
        self._say(f"{'All well.' if not self._failures else f'{self._failures} failed.'}")
        return not self._failures

    @contextmanager
    def _step(self) -> Iterator[None]:
        try:
            yield
        except (_Failed, requests.RequestException) as error:
            self._failures += 1
            self._say(f"FAIL {error}")

    def _ok(self, line: str) -> None:
        self._say(f"ok   {line}")

    def _list_patients(self) -> None:
        page = html.fromstring(self._get("/").text)
        self._patients = [link.removeprefix("/patients/") for link in page.xpath("//table[@class='patients']//th/a/@href")]
        missing = {folder.slug for folder in chart_folders()} - set(self._patients)
        if missing:
            raise _Failed(f"patients missing on the list: {', '.join(sorted(missing))}")
        self._ok(f"{len(self._patients)} patients listed at {self._site.ehr_url}")

    def _closed_without_token(self) -> None:
        status = self._session.get(f"{self._site.fhir_url}/Patient/{_DIABETIC}", timeout=_TIMEOUT_S).status_code
        if status != 401:
            raise _Failed(f"the FHIR endpoint answered {status} without a token instead of 401")
        self._ok("the EHR's FHIR endpoint wants a token (401 without)")

    def _discovery(self) -> None:
        answer = self._session.get(f"{self._site.service_url}/cds-services", timeout=_TIMEOUT_S)
        found = {service["id"]: service["hook"] for service in answer.json()["services"]}
        self._ok(f"{len(found)} CDS services: {', '.join(f'{name} ({hook})' for name, hook in found.items())}")

    def _patient_view(self) -> None:
        if not self._patients:
            raise _Failed("patient-view: no patients to open")
        for patient in self._patients:
            self._get(f"/patients/{patient}")
            self._seen[patient] = self._hook(patient, "patient-view")
        silent = [patient for patient, seen in self._seen.items() if not seen.cards]
        times = [ms for seen in self._seen.values() for ms in seen.milliseconds]
        cards = sum(len(seen.cards) for seen in self._seen.values())
        middle = statistics.median(times)
        aim = "within" if middle <= _AIM_MS else "OVER"
        self._ok(f"patient-view on {len(self._seen)} charts: {cards} cards, median {middle:.0f} ms ({aim} the aim of {_AIM_MS} ms), slowest {max(times)} ms")
        if silent:
            self._say(f"     no card on: {', '.join(silent)}")
        if len(silent) > len(self._seen) // 3:
            raise _Failed("patient-view: more than a third of the charts bring no card")

    def _order_sign(self) -> None:
        checked, cards = 0, 0
        for patient in self._patients:
            page = html.fromstring(self._get(f"/patients/{patient}").text)
            for order in page.xpath("//ul[@class='orders']//input[@name='order']/@value")[:1]:
                cards += len(self._hook(patient, "order-sign", {"order": order}).cards)
                checked += 1
        if not cards:
            raise _Failed(f"order-sign on {checked} draft orders: no card, though two name an indication that is no complete code")
        self._ok(f"order-sign on the first draft order of {checked} charts: {cards} cards")

    def _meaning(self) -> None:
        folders = {folder.slug: folder for folder in chart_folders()}
        reviews: dict[str, Any] = {}
        wrong: list[str] = []
        for example in EXAMPLES:
            if example.patient not in reviews:
                body = as_collection(patient_bundle(folders[example.patient]))
                reviews[example.patient] = self._session.post(f"{self._site.service_url}/api/v1/review", json=body, timeout=_TIMEOUT_S).json()
            faults = example.faults(reviews[example.patient])
            wrong += [f'"{example.phrase}": {fault}' for fault in faults]
            if not faults:
                self._ok(f'"{example.phrase}": {example.outcome}')
        if wrong:
            raise _Failed("; ".join(wrong))

    def _discharge(self) -> None:
        seen = self._hook(_STAY, "encounter-discharge")
        if not seen.cards:
            raise _Failed(f"no card at the discharge of {_STAY}")
        self._ok(f"encounter-discharge of {_STAY}: {self._told(seen)}")

    def _add_problem(self) -> None:
        seen = self._hook(_DIABETIC, "problem-list-item-create", {"text": "Type 2 diabetes mellitus", "code": "E11.9"})
        self._ok(f"problem-list-item-create of E11.9 for {_DIABETIC}: {self._told(seen)}")

    def _launch_from_card(self) -> None:
        card = self._card(lambda c: c.launch is not None)
        page = self._launch(card.launch or "")
        self._ok(f"SMART launch from a card: authorised with PKCE, review with {self._marks(page)} marked excerpts of notes")

    def _launch_from_chart(self) -> None:
        page = self._launch(f"/patients/{_STAY}/launch")
        self._ok(f"SMART launch from the chart without a card: review with {self._marks(page)} marked excerpts of notes")

    def _launch_as_coder(self) -> None:
        self._post("/user", {"user": CODER})
        try:
            page = self._launch(f"/patients/{_STAY}/launch")
        finally:
            self._post("/user", {"user": CLINICIAN})
        if "coder" not in html.fromstring(page.text).xpath("string(//header)"):
            raise _Failed("the review page doesn't say that a coder has opened it")
        self._ok(f"SMART launch by the coder: the coder's page, with {self._marks(page)} marked excerpts of notes")

    def _write_back(self) -> None:
        """Accept a code in the app as the coder, write it to the chart, and look whether the chart has it."""
        self._post("/user", {"user": CODER})
        try:
            page = self._launch(f"/patients/{_STAY}/launch")
            form = next(iter(html.fromstring(page.text).xpath("//article[@data-state='open']//form[@class='decide']")), None)
            if form is None:
                raise _Failed("the app shows no code to decide on")
            fields = {name: form.fields[name] for name in ("csrf", "code", "seen")}
            self._post(f"{page.url}/decisions", {**fields, "action": "accept"})
            self._post(f"{page.url}/write", {"csrf": fields["csrf"]})
            chart = self._get(f"/patients/{_STAY}/diagnoses").text
        finally:
            self._post("/user", {"user": CLINICIAN})
        if fields["code"] not in chart:
            raise _Failed(f"{fields['code']} was written by the app and isn't in the chart")
        self._ok(f"{fields['code']} accepted in the app and written to the chart with its Provenance")

    def _marks(self, page: _Page) -> int:
        marks = len(html.fromstring(page.text).xpath("//mark"))
        if not marks:
            raise _Failed(f"the review page {urlsplit(page.url).path} shows no marked words of a note")
        return marks

    def _accept(self) -> None:
        card = self._card(lambda c: bool(c.suggestions))
        suggestion = card.suggestions[0]
        before = self._diagnoses()
        answer = self._post(card.accept, {"card": card.uuid, "suggestion": suggestion.uuid}).text
        if 'class="done"' not in answer or self._diagnoses() == before:
            raise _Failed(f"the suggestion '{suggestion.label}' was not added to the chart: {html.fromstring(answer).text_content().strip()}")
        self._ok(f"suggestion accepted, Condition created in the FHIR server, feedback sent: {suggestion.label}")

    def _dismiss(self) -> None:
        card = self._card(lambda c: bool(c.reasons))
        if 'class="done"' not in self._post(card.override, {"card": card.uuid, "reason": card.reasons[0]}).text:
            raise _Failed("a card could not be dismissed")
        self._ok(f"card dismissed with the reason '{card.reasons[0]}', feedback sent")

    def _hook(self, patient: str, hook: str, form: Mapping[str, str] | None = None) -> HookSeen:
        seen = read_hook(self._post(f"/patients/{patient}/hooks/{hook}", form or {}).text)
        if seen.failures:
            raise _Failed(f"{hook} for {patient}: {'; '.join(seen.failures)}")
        slow = [ms for ms in seen.milliseconds if ms > _LIMIT_MS]
        if slow:
            raise _Failed(f"{hook} for {patient} took {slow[0]} ms")
        return seen

    def _card(self, wanted: Callable[[CardSeen], bool]) -> CardSeen:
        card = next((c for c in self._seen.get(_DIABETIC, HookSeen((), (), ())).cards if wanted(c)), None)
        if card is None:
            raise _Failed(f"no fitting card on the chart of {_DIABETIC}")
        return card

    def _diagnoses(self) -> str:
        return self._get(f"/patients/{_DIABETIC}/diagnoses").text

    def _launch(self, path: str) -> _Page:
        """Open the app as a browser does: by redirects through the authorisation server, then past the page that says "reading"."""
        page = self._get(path)
        for refresh in html.fromstring(page.text).xpath("//meta[@http-equiv='refresh']/@content"):
            page = self._page(self._session.get(urljoin(page.url, refresh.partition("url=")[2]), timeout=_TIMEOUT_S))
        if not page.url.startswith(f"{self._site.service_url}/smart/") or "access_token" in page.url:
            raise _Failed(f"the launch ended at {page.url.split('?')[0]}")
        return page

    def _told(self, seen: HookSeen) -> str:
        return "; ".join(card.summary for card in seen.cards) or "no card"

    def _get(self, path: str) -> _Page:
        return self._page(self._session.get(urljoin(self._site.ehr_url, path), timeout=_TIMEOUT_S))

    def _post(self, path: str, form: Mapping[str, Any]) -> _Page:
        return self._page(self._session.post(urljoin(self._site.ehr_url, path), data=dict(form), timeout=_TIMEOUT_S))

    def _page(self, answer: requests.Response) -> _Page:
        if answer.status_code != 200:
            told = " ".join(html.fromstring(answer.text or "<p></p>").text_content().split())
            raise _Failed(f"{urlsplit(answer.url).path} answered {answer.status_code}: {told[:300]}")
        return _Page(answer.url, answer.text)
