"""What the authorisation server remembers: launches, authorisation codes and access tokens. In memory, with an end for each."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

_LAUNCH_S = 300
_CODE_S = 60
TOKEN_S = 3600


@dataclass(frozen=True, slots=True)
class Launch:
    """One EHR launch: who opened the app on which chart, and what the card's link carries."""

    user: str  # Practitioner id
    patient: str
    encounter: str | None
    app_context: str | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """An authorisation code, in the attributes that Authlib asks for."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    code_challenge: str
    code_challenge_method: str
    nonce: str | None
    launch: Launch
    issued_at: int

    def get_redirect_uri(self) -> str:
        """Redirect URL that the code was asked for."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Granted scope."""
        return self.scope

    def get_nonce(self) -> str | None:
        """Nonce of the authorisation request."""
        return self.nonce

    def get_auth_time(self) -> int:
        """When the user was known to be signed in, in seconds since 1970."""
        return self.issued_at

    def get_acr(self) -> None:
        """No authentication class is claimed."""

    def get_amr(self) -> None:
        """No authentication method is claimed."""


@dataclass(frozen=True, slots=True)
class Access:
    """What an access token allows."""

    client_id: str
    scope: str
    patient: str
    user: str


T = TypeVar("T")


class Shelf(Generic[T]):
    """Values under unguessable keys, each for a limited time. Safe between threads."""

    def __init__(self, lifetime_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[str, tuple[float, T]] = {}

    def put(self, value: T, key: str | None = None) -> str:
        """Keep a value; return its key (a fresh one unless given)."""
        key = key or secrets.token_urlsafe(32)
        now = self._clock()
        with self._lock:
            self._values = {k: v for k, v in self._values.items() if v[0] > now}
            self._values[key] = (now + self._lifetime_s, value)
        return key

    def get(self, key: str) -> T | None:
        """Return the value while it lives."""
        with self._lock:
            found = self._values.get(key)
        return found[1] if found and found[0] > self._clock() else None

    def take(self, key: str) -> T | None:
        """Return the value and forget it: it works once."""
        with self._lock:
            found = self._values.pop(key, None)
        return found[1] if found and found[0] > self._clock() else None


class Grants:
    """All that has been granted and still lives."""

    def __init__(self) -> None:
        self.launches: Shelf[Launch] = Shelf(_LAUNCH_S)
        self.codes: Shelf[Code] = Shelf(_CODE_S)
        self.tokens: Shelf[Access] = Shelf(TOKEN_S)
