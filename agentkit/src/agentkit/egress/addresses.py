"""Which addresses belong to the public internet, and which a name stands for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host, for a connection to a port."""

_NEVER = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "100.64.0.0/10",  # shared by providers, and a cloud's metadata
            "168.63.129.16/32",  # a cloud's metadata, on a public address
            "192.0.0.0/24",
            "192.88.99.0/24",  # 6to4 relays, which the standard library calls global
            "64:ff9b::/96",  # NAT64: an IPv4 address behind it, private ones too
            "64:ff9b:1::/48",
            "2001::/32",  # Teredo, likewise
            "2002::/16",  # 6to4, likewise
            "3fff::/20",  # for documentation, which Python 3.11 does not know yet
            "fec0::/10",
        ),
    )
)


def is_public(address: Address) -> bool:
    """Whether anybody on the internet can reach it: not ours, not our network's, not a group's."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NEVER)
    )


def parsed(address: str) -> Address:
    """The address of a text as the system's resolver gives it, without an interface's name."""
    return ip_address(address.partition("%")[0])


async def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says; raises OSError when it knows no such host."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
