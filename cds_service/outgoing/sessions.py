"""One guarded session for each client and purpose."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cds_service.config import Client, Settings, is_loopback, origin_of
from cds_service.outgoing.addresses import LOOPBACK, AddressPolicy, Network, Resolver, system_resolver
from cds_service.outgoing.session import LARGEST, GuardedSession

SMALL = 1_000_000  # bytes: what an authorisation server answers has a few kilobytes


@dataclass
class Outgoing:
    """Hands out guarded sessions; one that is kept is for its client alone. Safe to share between threads."""

    settings: Settings
    resolver: Resolver = system_resolver
    _sessions: dict[tuple[str, str], GuardedSession] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def to_fhir(self, client: Client) -> GuardedSession:
        """Return the session for the FHIR servers of a client; in open mode also for servers on this machine."""
        origins = frozenset(client.fhir_servers)
        open_mode = self.settings.open

        def allows(origin: str) -> bool:
            return origin in origins or (open_mode and is_loopback(origin.partition("://")[2].rsplit(":", 1)[0]))

        return self._kept("fhir", client.name, allows, self._policy(origins, LOOPBACK if open_mode else ()))

    def to_keys(self, client: Client) -> GuardedSession:
        """Return the session for the key set of a client."""
        origins = frozenset({origin_of(client.jwks_url)} - {""})
        return self._kept("keys", client.name, origins.__contains__, self._policy(origins))

    def to_launching(self, issuers: Iterable[str]) -> GuardedSession:
        """Return a new session for the authorisation servers of EHRs that launch the SMART app; the caller closes it.

        Their smart-configuration, read from an issuer of the settings, may name an authorisation server on any https origin; addresses are judged alike.
        """
        origins = frozenset(origin_of(i) for i in issuers)

        def allows(origin: str) -> bool:
            return origin.startswith("https://") or origin in origins or is_loopback(origin.partition("://")[2].rsplit(":", 1)[0])

        return self._made(allows, self._policy(origins), largest=SMALL)

    def to_chart(self, issuer: str) -> GuardedSession:
        """Return a new session for the FHIR server of an EHR that launched the SMART app, and for nothing else; the caller closes it.

        New for each use: a write must not go out on a connection that a load balancer has forgotten meanwhile.
        """
        origin = origin_of(issuer)
        return self._made(origin.__eq__, self._policy((origin,)))

    def to_collector(self, url: str) -> GuardedSession:
        """Return a new session for the operator's collector of traces."""
        origins = frozenset({origin_of(url)})
        return self._made(origins.__contains__, self._policy(origins), largest=SMALL)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()

    def _policy(self, origins: Iterable[str], more: Iterable[Network] = ()) -> AddressPolicy:
        named = [ipaddress.ip_network(n) for n in self.settings.private_networks]
        return AddressPolicy.for_origins(origins, [*named, *more])

    def _kept(self, purpose: str, name: str, allows: Callable[[str], bool], policy: AddressPolicy) -> GuardedSession:
        with self._lock:
            if (purpose, name) not in self._sessions:
                self._sessions[purpose, name] = self._made(allows, policy)
            return self._sessions[purpose, name]

    def _made(self, allows: Callable[[str], bool], policy: AddressPolicy, *, largest: int = LARGEST) -> GuardedSession:
        return GuardedSession(allows, policy, resolver=self.resolver, largest=largest, longest_s=30.0, ca_file=self.settings.ca_file)
