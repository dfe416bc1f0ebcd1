"""Where a message may go: only to addresses of the public internet, unless an operator has allowed others.

A name is resolved once, and what was checked is what is connected to.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlsplit

from domain import names

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
PORTS = {"http": 80, "https": 443}
LOCAL = "localhost"


class Unacceptable(Exception):
    """A message can not go there, and never will."""


class Target(NamedTuple):
    """Where a URL leads."""

    is_secure: bool
    host: str
    port: int
    path: str
    """With its query."""
    named: str
    """The host and port as the receiver wants to be called."""


def target(url: str) -> Target:
    """Take a URL apart, or say that it is none."""
    problem = names.url(url)
    if problem is not None:
        raise Unacceptable(f"url: {problem.message}")
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or PORTS[parts.scheme]
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    return Target(parts.scheme == "https", host, port, path, parts.netloc)


class Guard:
    """Knows which addresses are allowed."""

    def __init__(self, allowed: Iterable[str], served: str) -> None:
        """Allow networks and hosts; and this machine, if the API is `served` to nobody else."""
        networks = {text: _network(text) for text in allowed}
        self._networks = tuple(network for network in networks.values() if network)
        self._hosts = frozenset(text.casefold() for text, network in networks.items() if network is None)
        self._is_local = served == LOCAL or _is_loopback(served)

    def addresses(self, to: Target, seconds: float) -> Sequence[Address]:
        """Return the addresses of a host, all of which are allowed; raises `OSError` when it is not found in time."""
        try:
            addresses = [_plain(ip_address(text)) for text in resolve(to.host, to.port, seconds)]
        except UnicodeError:
            raise Unacceptable("url: not the name of a host") from None
        for address in addresses:
            if to.host.casefold() not in self._hosts and not self._is_allowed(address):
                raise Unacceptable(f"address_not_allowed: {address} is not an address of the public internet")
        return addresses

    def _is_allowed(self, address: Address) -> bool:
        if any(address in network for network in self._networks):
            return True
        return is_public(address) or (address.is_loopback and self._is_local)


def is_public(address: Address) -> bool:
    """Tell whether anyone on the internet could reach an address, as far as its number tells."""
    inner = address.sixtofour if isinstance(address, IPv6Address) else None
    if inner is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def resolve(host: str, port: int, seconds: float) -> Sequence[str]:
    """Return the addresses of a host; what the system takes longer for goes on in vain."""
    found: Future[Sequence[str]] = Future()
    Thread(target=_resolve, args=(host, port, found), name="resolver", daemon=True).start()
    return found.result(seconds)


def _resolve(host: str, port: int, found: Future[Sequence[str]]) -> None:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found.set_result([str(answer[4][0]) for answer in answers])
    except (OSError, UnicodeError) as error:
        found.set_exception(error)


def _plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _network(text: str) -> Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _is_loopback(text: str) -> bool:
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False
