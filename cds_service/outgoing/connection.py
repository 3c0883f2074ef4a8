"""Connections that go only where the policy allows, to the very address that was judged.

Name and address are resolved once, here; the socket is opened to that address and the name is used for the Host header and
for TLS alone. A second DNS answer can't lead elsewhere (DNS rebinding). The head of an answer has one time limit as a whole,
since a socket's own limit starts anew with every byte.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.response import HTTPResponse

from cds_service.outgoing.addresses import AddressPolicy, Resolver

_LONGEST_S = 30.0  # where a caller names no limit


class NotAllowed(ValueError):
    """The address may not be called. (No OSError: urllib3 would take that for a failed connection and hide it.)"""


class _Guarded(HTTPConnection):
    """Mixed into both kinds of connection; the pool puts `policy` and `resolver` on the class."""

    policy: AddressPolicy
    resolver: Resolver

    def _new_conn(self) -> socket.socket:
        limit = self.timeout if isinstance(self.timeout, int | float) else _LONGEST_S
        end = time.monotonic() + limit
        try:
            addresses = type(self).resolver(self.host.rstrip("."), self.port or 0, limit)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "The name wasn't resolved in time.") from error
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        if not addresses or not all(type(self).policy.permits(a) for a in addresses):
            # One forbidden answer among good ones is an attack or a mistake: neither is worth a call.
            raise NotAllowed("the name leads to an address that may not be called")
        return self._open(addresses, end)

    def _open(self, addresses: Any, end: float) -> socket.socket:
        last: OSError | None = None
        for address in addresses:
            left = end - time.monotonic()
            if left <= 0:
                break
            try:
                opened = socket.create_connection((address, self.port), timeout=left)
            except OSError as error:
                last = error
                continue
            for option in self.socket_options or ():
                opened.setsockopt(*option)
            return opened
        if last is None or isinstance(last, TimeoutError):
            raise ConnectTimeoutError(self, "No connection in time.")
        raise NewConnectionError(self, f"Failed to establish a new connection: {type(last).__name__}") from last

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        limit = self.timeout if isinstance(self.timeout, int | float) else _LONGEST_S
        late = threading.Event()
        watch = threading.Timer(limit, _shut, [self.sock, late])
        watch.daemon = True
        watch.start()
        try:
            response = super().getresponse()
        finally:
            watch.cancel()
        if late.is_set():  # a head that was cut off reads like a short one
            response.close()
            self.close()
            raise TimeoutError("the head of the answer didn't come to its end in time")
        return response


class _GuardedTls(_Guarded, HTTPSConnection):
    """The same over TLS. The name is what the certificate must hold."""


class GuardedAdapter(HTTPAdapter):
    """A transport whose connections are guarded. No retries: who calls knows what may be tried again."""

    def __init__(self, policy: AddressPolicy, resolver: Resolver, *, connections: int = 8) -> None:
        self._policy = policy
        self._resolver = resolver
        super().__init__(pool_connections=4, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:
        """Make the pools with guarded connections."""
        manager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **more)
        marks = {"policy": self._policy, "resolver": staticmethod(self._resolver)}
        plain = type("GuardedConnection", (_Guarded,), marks)
        tls = type("GuardedTlsConnection", (_GuardedTls,), marks)
        manager.pool_classes_by_scheme = {
            "http": type("GuardedPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("GuardedTlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }
        self.poolmanager = manager


def _shut(opened: socket.socket | None, late: threading.Event) -> None:
    late.set()
    with suppress(OSError, AttributeError):
        opened.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
