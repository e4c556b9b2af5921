"""The hosts that TDengine is looked for at: how they are written, and what is known of their addresses."""

import argparse
import ipaddress
import socket
from collections import deque
from contextlib import suppress

MAX_HOSTS = 16


def hosts(text: str) -> str:
    """Check a host, or several with commas between them, given on the command line; them, as `Settings` have them.

    IPv6 addresses may have brackets around them, and need none. Raises argparse.ArgumentTypeError.
    """
    found = [each.strip().lower() for each in text.split(",")]
    found = [each[1:-1] if each.startswith("[") and each.endswith("]") else each for each in found if each]
    if not found or len(found) > MAX_HOSTS:
        raise argparse.ArgumentTypeError(f"{text!r} is no host, nor up to {MAX_HOSTS} of them with commas between them")
    for each in found:
        if not is_host(each):
            raise argparse.ArgumentTypeError(f"{each!r} is no host: give its name or address, and the port apart")
    return ",".join(found)


def is_host(name: str) -> bool:
    """Whether it may be a host's name or address: there is no port with it, for one."""
    with suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return name.isprintable() and not any(letter in " /\\:@?#[]%" for letter in name)


def bracketed(host: str) -> str:
    """A host as it is written before a port."""
    return f"[{host}]" if ":" in host else host


def addresses(host: str) -> list[str]:
    """The addresses of a host, where it is not one itself. Raises OSError where none is known."""
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def answers(address: str, port: int, seconds: float) -> bool:
    """Whether anything is said at an address within so many seconds.

    taosws does not give up where a connection is accepted and nothing is said over it: it must not be let try.
    """
    with suppress(OSError), socket.create_connection((address, port), timeout=seconds) as client:
        client.settimeout(seconds)
        client.sendall(f"GET /-/ping HTTP/1.0\r\nHost: {bracketed(address)}:{port}\r\n\r\n".encode())
        return bool(client.recv(1))
    return False


_turns: dict[str, deque[str]] = {}


def turns(hosts: str) -> deque[str]:
    """Several hosts in the order in which they are to be tried next, for who tries them to turn: at first, as given."""
    return _turns.setdefault(hosts, deque(hosts.split(",")))
