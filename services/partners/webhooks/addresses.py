"""Which addresses may be reached: public ones alone, looked up anew for every delivery and kept for its connection."""

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_EMBEDDING = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
"""Networks that lead on to an IPv4 address within them (RFC 6052, RFC 8215)."""
_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is handed out to the public internet (RFC 4291, IANA); the library calls more of it global."""
_DOCUMENTATION = IPv6Network("3fff::/20")
"""RFC 9637, younger than the library's list."""
LOOK_UP_S = 5.0


class AddressRefused(Exception):
    """The host leads somewhere else than into the public internet, or nowhere."""


@dataclass(frozen=True, slots=True)
class Reachable:
    """`loopback` also admits this machine: for development and tests."""

    loopback: bool = False

    def admits(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether a webhook may lead to this address."""
        if self.loopback and address.is_loopback:
            return True
        if isinstance(address, IPv6Address):
            inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
            if inner is not None or any(address in network for network in _EMBEDDING):
                return False
            if address not in _GLOBAL_UNICAST or address in _DOCUMENTATION:
                return False
        return address.is_global and not address.is_multicast

    async def address_of(self, host: str, port: int) -> str:
        """One address of `host`; raises AddressRefused unless all of its addresses may be reached."""
        try:
            async with asyncio.timeout(LOOK_UP_S):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError):
            raise AddressRefused("unknown_host") from None
        addresses = [ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]
        if not addresses or not all(self.admits(address) for address in addresses):
            raise AddressRefused("address_refused")
        return str(addresses[0])
