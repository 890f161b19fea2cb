"""Where requests may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from agentkit.egress.addresses import Address, is_public
from agentkit.errors import UsageError


class EgressRefused(Exception):
    """The policy does not let the request go there; the text says why, for the model."""


class EgressFailed(Exception):
    """The request went out, or tried to, and nothing usable came back."""


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """Hosts, schemes, ports and addresses that may be reached; nothing is, unless named.

    `hosts` are names (`example.org`), names with all below them (`*.example.org`, which is not
    `example.org` itself), or `*` for every public host. Addresses that are not public (loopback,
    private, link-local, metadata …) are refused, whatever name leads there, unless they are in one
    of `networks` (`10.1.0.0/16`). Sizes are in bytes, as received.
    """

    hosts: Sequence[str] = ()
    schemes: Sequence[str] = ("https",)
    ports: Sequence[int] = (80, 443)
    networks: Sequence[str] = ()
    timeout_s: float = 20.0
    max_bytes: int = 2_000_000
    max_redirects: int = 5

    def __post_init__(self) -> None:
        # A lone string would silently become a list of its letters.
        if isinstance(self.hosts, str) or isinstance(self.networks, str):
            raise UsageError("EgressPolicy: hosts and networks are lists of texts, not a text.")
        for network in self.networks:
            try:
                ip_network(network)
            except ValueError as error:
                raise UsageError(f"EgressPolicy(networks=…): {error}.") from None

    def check_place(self, scheme: str, host: str, port: int) -> None:
        """Raises EgressRefused for what need not even be resolved. `host` is lower-case ASCII."""
        if scheme not in self.schemes:
            raise EgressRefused(f"{scheme}: is not allowed; allowed: {', '.join(self.schemes)}")
        if not any(_covers(pattern, host) for pattern in self.hosts):
            allowed = ", ".join(self.hosts) or "none"
            raise EgressRefused(f"{host} is not an allowed host; allowed: {allowed}")
        if port not in self.ports:
            raise EgressRefused(f"port {port} is not allowed")

    def check_address(self, host: str, address: Address) -> None:
        """Raises EgressRefused for an address that is nobody's business. It is not told."""
        named = any(address in ip_network(network) for network in self.networks)
        if not named and not is_public(address):
            raise EgressRefused(f"{host} does not lead to a public address")


def _covers(pattern: str, host: str) -> bool:
    pattern = pattern.lower().rstrip(".")
    if pattern == "*":
        return True
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return host == pattern
