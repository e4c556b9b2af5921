"""Origins that pages come from, and the `Host` headers that requests for them have."""

import argparse
import re
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}


def origin(text: str) -> str:
    """Check an origin given on the command line; it, as browsers name it. Raises argparse.ArgumentTypeError."""
    if re.fullmatch(r"https?://[^/\s@?#]+", text):
        with suppress(ValueError):
            at = urlsplit(text.lower())
            if at.hostname and at.port != 0:
                return at.geturl().removesuffix(f":{PORTS[at.scheme]}")
    raise argparse.ArgumentTypeError(f"{text!r} is no origin such as https://demo.example")


def host_name(netloc: str) -> str:
    """The host of a `Host` header or of an origin's address, in lower case, without port and brackets; or nothing."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def asked_over_tls(host: str, origins: Iterable[str]) -> bool:
    """Whether a browser that sends this `Host` speaks TLS to a proxy, as far as the origins tell.

    Those of its name and port do; where a proxy leaves the port out, those of its name. If there is one of http among
    them it is no: the browser of a viewer who comes by that would not keep a cookie that is for TLS alone.
    """
    name, port = host_name(host), None
    with suppress(ValueError):
        port = urlsplit(f"//{host}").port
    told = [each for each in map(urlsplit, origins) if each.hostname == name]
    return {each.scheme for each in told if port in (None, each.port or PORTS[each.scheme])} == {"https"}
