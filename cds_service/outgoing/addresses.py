"""Which network addresses may be called: public ones, and those that the settings name.

A name in a URL says nothing about where a call ends: DNS may answer 127.0.0.1, the cloud's metadata address or a printer.
So it is the resolved address that is judged, in every form in which an IPv4 address can hide in an IPv6 one.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int, float], Sequence[str]]  # host, port, seconds -> addresses; raises OSError

LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
_COMPATIBLE = ipaddress.ip_network("::/96")  # RFC 4291, 2.5.5.1: deprecated, still understood here and there
_LOOKUPS = ThreadPoolExecutor(16, thread_name_prefix="dns")  # getaddrinfo knows no time limit


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Public addresses are allowed, others only inside of `networks`."""

    networks: tuple[Network, ...] = ()

    def permits(self, text: str) -> bool:
        """Tell whether an address (in text form) may be called."""
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        inner = _inside(address)
        if any(address in n for n in self.networks) or (inner is not None and any(inner in n for n in self.networks)):
            return True
        return _is_public(address) if inner is None else _is_public(inner)

    @classmethod
    def for_origins(cls, origins: Iterable[str], networks: Iterable[Network] = ()) -> AddressPolicy:
        """Return the policy of origins from the settings: an address written there in plain figures (or localhost) is meant, so it is allowed."""
        named: list[Network] = list(networks)
        for origin in origins:
            host = urlsplit(origin).hostname or ""
            if host == "localhost":
                named += LOOPBACK
                continue
            try:
                named.append(ipaddress.ip_network(host))
            except ValueError:
                continue  # a name: what it resolves to is judged when it is called
        return cls(tuple(dict.fromkeys(named)))


def system_resolver(host: str, port: int, seconds: float) -> Sequence[str]:
    """Return the addresses of a host by the system's resolver; raises OSError, TimeoutError after `seconds`."""
    job = _LOOKUPS.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = job.result(seconds)
    except TooLate as error:
        job.cancel()
        raise TimeoutError("the name wasn't resolved in time") from error
    except UnicodeError as error:  # a label that is too long or no label at all
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _is_public(address: Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _inside(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for; None where it stands for itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
