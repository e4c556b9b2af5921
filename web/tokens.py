"""How a token is written in links and headers, and whether what a viewer shows is that token."""

import hmac
from contextlib import suppress
from urllib.parse import quote

HINT = " (in which % is written %25, & %26, # %23)"
"""What a link would take for its own; browsers quote everything else that needs it."""


def canonical(token: bytes) -> bytes:
    """A token without what is lost of it on the way: spaces around it, and that a `+` in a link is a space."""
    return token.replace(b"+", b" ").strip()


def spellings(token: str) -> list[bytes]:
    """What viewers send of a token: links have it in UTF-8, but many programs send their headers in Latin-1."""
    found = [token.encode(errors="surrogateescape")]
    with suppress(UnicodeEncodeError):
        found.append(token.encode("latin-1"))
    return [canonical(each) for each in found]


def length(token: str) -> int:
    """The characters of a token, without those that get lost."""
    return len(token.replace("+", " ").strip())


def same(token: str, shown: bytes) -> bool:
    """Whether a viewer shows the token, compared in constant time."""
    found = canonical(shown)
    return True in [hmac.compare_digest(found, each) for each in spellings(token)]


def in_link(token: str, own: bool) -> str:
    """A token as the address to open has it. One of the user's own is named instead, with how to put it there."""
    if not own:
        return quote(token, safe="")
    return "$PSP_TOKEN" + (HINT if set("%&#") & set(token) else "")
