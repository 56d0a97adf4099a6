"""Where a request comes from, behind proxies that are known.

`X-Forwarded-For` is anybody's to write. It is read only when the connection itself comes from one of
RANKLOOP_PROXIES, and from its end: the last address that is no proxy of ours is the client's.
"""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest

IPV6_PREFIX = 64
"""One household has so much of IPv6; its single addresses say nothing about who asks."""


def client_address(request: HttpRequest) -> str:
    """The client's address in its canonical form, an IPv6 address as its /64; `-` if there is none."""
    hops = [request.META.get("REMOTE_ADDR", "")]
    hops += reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(","))
    nearest = "-"
    for hop in hops:
        try:
            address = ipaddress.ip_address(hop.strip())
        except ValueError:
            break
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        nearest = _written(address)
        if not any(address in network for network in settings.TRUSTED_PROXIES):
            break
    return nearest


def _written(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network(f"{address}/{IPV6_PREFIX}", strict=False))
