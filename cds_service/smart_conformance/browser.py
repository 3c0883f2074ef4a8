"""A browser without scripts: cookies, redirects and pages that go on by themselves."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import requests

from cds_service.errors import UpstreamError

_MOST_STEPS = 15
_GOES_ON = re.compile(r"""http-equiv=["']?refresh["']?[^>]*content=["']?\d+;\s*url=([^"'>]+)""", re.IGNORECASE)


def origin(url: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(slots=True)
class Browser:
    """Goes only to the app and the EHR: a redirect that leads elsewhere isn't followed, but kept."""

    origins: frozenset[str]
    timeout_s: float = 30.0
    seen: list[requests.Response] = field(default_factory=list)  # every answer, in order
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        """Take nothing from the environment: no proxy, no password."""
        self.session.trust_env = False

    def get(self, url: str, query: Mapping[str, str] | None = None) -> requests.Response:
        """Fetch one address without going on; raises UpstreamError."""
        try:
            answer = self.session.get(url, params=query, timeout=self.timeout_s, allow_redirects=False)
        except requests.RequestException as error:
            raise UpstreamError(f"{url.partition('?')[0]} can't be reached ({type(error).__name__}).", "Check the address, and that the app runs.") from error
        self.seen.append(answer)
        return answer

    def follow(self, answer: requests.Response) -> requests.Response:
        """Go on to where the answer leads, and return the last one."""
        for _ in range(_MOST_STEPS):
            goal = goes_to(answer)
            if not goal or origin(goal) not in self.origins:
                break
            answer = self.get(goal)
        return answer


def goes_to(answer: requests.Response) -> str:
    """Return where an answer leads: by a redirect, or a page that goes on by itself; '' where it stays."""
    if answer.is_redirect:
        return urljoin(answer.url, answer.headers["Location"])
    found = _GOES_ON.search(answer.text) if "html" in answer.headers.get("Content-Type", "") else None
    return urljoin(answer.url, html.unescape(found[1])) if found else ""
