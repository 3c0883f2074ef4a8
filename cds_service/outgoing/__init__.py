"""Every HTTP call that the service makes itself goes through here: allow-listed origins, checked addresses, bounded answers."""

from cds_service.outgoing.addresses import AddressPolicy, Resolver, system_resolver
from cds_service.outgoing.session import ForbiddenAddress, GuardedSession, TooMuch
from cds_service.outgoing.sessions import Outgoing

__all__ = ["AddressPolicy", "ForbiddenAddress", "GuardedSession", "Outgoing", "Resolver", "TooMuch", "system_resolver"]
