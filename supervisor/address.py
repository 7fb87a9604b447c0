"""Literal addresses: which are the same, and which exclude each other on one port."""

from __future__ import annotations

import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def plain_address(text: str) -> IPAddress:
    """Without the scope, and IPv4 that is written as IPv6 as what it is."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address


def is_same_address(one: str, other: str) -> bool:
    return plain_address(one) == plain_address(other)


def conflicts(one: str, other: str) -> bool:
    """Whether two listeners cannot both have a port on these: they are equal, or one is a wildcard.

    The wildcard of IPv6 includes IPv4 unless its socket says otherwise, which cannot be seen from outside.
    """
    first, second = plain_address(one), plain_address(other)
    if first.version == second.version:
        return first == second or first.is_unspecified or second.is_unspecified
    return (first if isinstance(first, ipaddress.IPv6Address) else second).is_unspecified


def reachable(host: str) -> str:
    """Listening on every address, we are reached on loopback; the wildcard is no address to connect to."""
    address = ipaddress.ip_address(host)
    if not address.is_unspecified:
        return host
    return "::1" if isinstance(address, ipaddress.IPv6Address) else "127.0.0.1"
