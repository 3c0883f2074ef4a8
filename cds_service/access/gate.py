"""The gate of the service: from the Authorization header of a call to the client that calls."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from cds_service.access.api_keys import ApiKeys
from cds_service.access.key_sets import KeySets
from cds_service.access.replays import UsedTokens
from cds_service.access.tokens import AccessTokens
from cds_service.access.verification import NotGenuine, Verifier
from cds_service.config import Client, Settings
from cds_service.errors import NotAuthenticatedError
from cds_service.outgoing import Outgoing
from cds_service.store import ReviewStore

_LOG = logging.getLogger(__name__)
_FETCH_S = 3.0  # for a key set: the caller waits for it
TOKEN_PATH = "/oauth/token"  # noqa: S105 - an address


class Gate:
    """Tells who calls, or refuses without saying why (J8). In open mode every caller is the one open client."""

    def __init__(self, settings: Settings, store: ReviewStore, outgoing: Outgoing, *, clock: Callable[[], float] = time.time) -> None:
        def fetch(client: Client) -> Mapping[str, object]:
            return outgoing.to_keys(client).fetch_json(client.jwks_url, seconds=_FETCH_S)

        self._settings = settings
        verifier = Verifier(KeySets(fetch), UsedTokens(store.engine), clock=clock)
        self._verifier = verifier
        self._keys = ApiKeys(store.engine)
        self.tokens = AccessTokens(settings, verifier, self._keys, settings.public_url + TOKEN_PATH)

    def hook_client(self, authorization: str | None, path: str) -> Client:
        """Return the client of a hook call to `path` ("/cds-services/coding-review"); raises NotAuthenticatedError.

        The audience is made of the configured public URL, never of the Host header (J5).
        """
        if self._settings.open:
            return self._settings.open_client
        try:
            return self._verifier.hook_client(_bearer(authorization), self._settings.clients, self._settings.public_url + path)
        except NotGenuine as error:
            raise _refused(error) from error

    def api_client(self, authorization: str | None, scope: str) -> Client:
        """Return the client of a call of the API; raises NotAuthenticatedError."""
        if self._settings.open:
            return self._settings.open_client
        try:
            grant = self._keys.find(_bearer(authorization))
            if grant is None:
                raise NotGenuine("unknown-token")
            client = next((c for c in self._settings.clients if c.name == grant.client and c.api), None)
            if client is None:
                raise NotGenuine("client-gone", {"client": grant.client})
            if grant.scopes is not None and scope not in grant.scopes:
                raise NotGenuine("scope", {"client": grant.client})
        except NotGenuine as error:
            raise _refused(error) from error
        return client


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotGenuine("no-token")
    return token.strip()


def _refused(error: NotGenuine) -> NotAuthenticatedError:
    _LOG.warning("not authenticated", extra={"fields": {"reason": error.reason, **error.told}})
    return NotAuthenticatedError("The client is not authenticated.", "Register the client, or start the service with --open on a loopback address.")
