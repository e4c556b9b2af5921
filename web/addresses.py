"""Addresses to listen on: how they are written, what a link to them is, and what to do where they cannot be had."""

import argparse
import errno
import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress

FAMILIES = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}


def listen_address(text: str) -> str:
    """Check an address given on the command line; it, as it is written shortest.

    Raises argparse.ArgumentTypeError for nothing at all, which sockets take for all addresses that there are.
    """
    found = text.strip().lower()
    found = found[1:-1] if found.startswith("[") and found.endswith("]") else found
    with suppress(ValueError):
        return str(ipaddress.ip_address(found))
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no address (127.0.0.1 is this machine alone, 0.0.0.0 is all)")
    return found


def is_unspecified(address: str) -> bool:
    """Whether it stands for all addresses of this machine."""
    with suppress(ValueError):
        return ipaddress.ip_address(address).is_unspecified
    return False


def is_loopback(address: str) -> bool:
    """Whether a listen address is reachable from this machine alone."""
    with suppress(ValueError):
        return ipaddress.ip_address(address).is_loopback
    return address == "localhost"


def in_link(address: str) -> str:
    """The host of a link to a server that listens on this address. For all of them it is this machine's name, if that
    leads here, as it does not everywhere.
    """
    if is_unspecified(address):
        own = socket.gethostname()
        address = own if leads_here(own) else "localhost"
    if address == "127.0.0.1":
        return "localhost"
    return f"[{address}]" if ":" in address else address


def leads_here(name: str) -> bool:
    """Whether the addresses of a name are this machine's own: others cannot be bound."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        for family, *_, address in found:
            with socket.socket(family, socket.SOCK_DGRAM) as own:
                own.bind(address)
    except OSError:
        return False
    return True


def all_of(families: Iterable[int]) -> str:
    """What all addresses of this machine are, for who listens on those of these families."""
    return f"all {' and '.join(sorted(FAMILIES[socket.AddressFamily(each)] for each in set(families)))} addresses"


def advice(error: OSError, address: str, port: int) -> str:
    """Why an address and port cannot be listened on, and what to do."""
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    what = f"cannot listen on {where} ({error.strerror or error})"
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{what}: name an address of this machine with --address, or leave that out"
    if error.errno == errno.EACCES:
        return f"{what}: take a --port from 1024 on, as those below are for root alone"
    if error.errno == errno.EAFNOSUPPORT:
        return f"{what}: take an --address that is written as this machine's are"
    return f"{what}: choose another --port"
