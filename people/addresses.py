"""Addresses of clients."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

HOME_NETWORK = 64  # bits; one line usually has all IPv6 addresses of such a network


def client_address(request: HttpRequest) -> str | None:
    """Return the address of the client, or None if it is not known.

    The web server has replaced the address of a trusted proxy (FORWARDED_ALLOW_IPS) by the last address of
    X-Forwarded-For that is not one of a proxy. A client can invent all addresses before that one.
    """
    address = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTS_EVERY_PROXY:
        # The web server takes the first address then. The last one is from the proxy that asked.
        address = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip() or address
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return str((isinstance(found, IPv6Address) and found.ipv4_mapped) or found)


def counted_address(request: HttpRequest) -> str | None:
    """Return the address by which failed sign-ins are counted: one for all that a client can choose from."""
    address = client_address(request)
    if address and ":" in address:
        return str(ip_network((address, HOME_NETWORK), strict=False).network_address)
    return address
