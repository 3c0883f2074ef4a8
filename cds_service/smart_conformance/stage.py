"""What the lines share: the app under test, the simulated EHR, and launches that several lines look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import requests

from cds_service.conformance import Skip
from cds_service.simulate import Chart, sample_chart
from cds_service.smart_conformance.browser import Browser, goes_to, origin
from cds_service.smart_conformance.ehr import ISSUERS, Asked, Case, SmartEhr


def other_chart() -> Chart:
    """Return a second invented patient."""
    text = json.dumps(sample_chart().resources).replace("sim-", "other-").replace('"Simulated"', '"Elsewise"').replace('"Ada"', '"Berta"')
    return Chart(tuple(json.loads(text)))


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch that was carried through."""

    id: str
    case: Case
    browser: Browser
    page: requests.Response
    authorize: Asked | None
    tokens: tuple[Asked, ...]
    reads: tuple[Asked, ...]

    @property
    def opened(self) -> bool:
        """Whether the app shows a chart: a page that is no error, and data was read for it."""
        return self.page.status_code == 200 and any(a.status == 200 for a in self.reads)

    @property
    def texts(self) -> list[str]:
        """What came to the browser."""
        return [answer.text for answer in self.browser.seen]


@dataclass
class Stage:
    """The app under test, by its launch URL, as a client of the simulated EHR."""

    launch_url: str
    ehr: SmartEhr
    auth: str = "public"
    client_secret: str = ""
    redirect_url: str = ""
    jwks_url: str = ""
    chart: Chart = field(default_factory=sample_chart)
    other: Chart = field(default_factory=other_chart)
    _good: Launch | None = field(default=None, repr=False)

    def browser(self) -> Browser:
        """Return a new browser."""
        return Browser(frozenset({origin(self.launch_url), origin(self.ehr.url)}))

    def case(self, **changes: Any) -> Case:
        """Return the good case with changes."""
        return replace(Case(self.chart), **changes)

    def begin(self, launch: str = "", *, issuer: str = "main", browser: Browser | None = None, more: Mapping[str, str] | None = None) -> requests.Response:
        """Open the launch URL as the EHR does (without `launch`: as a person does) and return the first answer."""
        asked = {"iss": self.ehr.iss(issuer)} | ({"launch": launch} if launch else {}) | dict(more or {})
        return (browser or self.browser()).get(self.launch_url, asked)

    def launch(self, case: Case | None = None, *, issuer: str = "main", browser: Browser | None = None) -> Launch:
        """Carry an EHR launch through; raises Skip where the issuer isn't registered."""
        case, browser = case or self.case(), browser or self.browser()
        id = self.ehr.launch(case)
        first = self.begin(id, issuer=issuer, browser=browser)
        self.registered(issuer)
        return self.settled(id, case, browser, browser.follow(first))

    def settled(self, id: str, case: Case, browser: Browser, page: requests.Response) -> Launch:
        """Return what became of a launch."""
        asked = self.ehr.sent("authorize", launch=id)
        return Launch(id, case, browser, page, asked[0] if asked else None, tuple(self.ehr.sent("token", launch=id)), tuple(self.ehr.sent("fhir/", launch=id)))

    def good(self) -> Launch:
        """Return a launch in which nothing is odd; made once."""
        if self._good is None:
            self._good = self.launch()
        return self._good

    def asked(self) -> Asked:
        """Return the authorisation request of the good launch; raises Skip."""
        found = self.good().authorize
        if found is None:
            raise Skip("no authorisation request came: see L1")
        return found

    def exchanged(self) -> Asked:
        """Return the token request of the good launch; raises Skip."""
        if not self.good().tokens:
            raise Skip("no token request came: see L8")
        return self.good().tokens[0]

    def opened(self) -> Launch:
        """Return the good launch; raises Skip where it opened no chart."""
        if not self.good().opened:
            raise Skip("the good launch opened no chart: see L11")
        return self.good()

    def registered(self, issuer: str) -> None:
        """Raise Skip where the app has asked an issuer for nothing: it isn't registered."""
        if issuer != "main" and not [a for a in self.ehr.asked if a.issuer == issuer]:
            raise Skip(f"{self.ehr.iss(issuer)} isn't registered with the app ({ISSUERS[issuer]})")

    def goes_to_the_ehr(self, answer: requests.Response) -> bool:
        """Whether an answer leads to an authorisation endpoint of ours."""
        return goes_to(answer).startswith(self.ehr.url)
