"""Deflated messages, as websockets have them (permessage-deflate), of what is deflated once for all viewers.

No message refers to one before it (no context takeover), so none depends on what a viewer was told already, and no
viewer needs a window of its own. How an answer begins for one viewer goes before the rest as a block that is stored.
"""

import struct
from collections.abc import MutableMapping

AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

HEADER = "Sec-WebSocket-Extensions"

DEFLATED = 0x40
"""The bit of a frame's first byte that says so."""


def agree(headers: MutableMapping[str, str]) -> bool:
    """Whether a viewer takes deflated messages; its offer is then what is agreed on, which Tornado takes for it."""
    for offer in headers.get(HEADER, "").split(","):
        name, *parameters = (each.strip() for each in offer.split(";"))
        # A smaller window than the usual one is not kept to.
        if name == "permessage-deflate" and not any(each.startswith("server_max_window_bits") for each in parameters):
            headers[HEADER] = AGREED
            return True
    return False


def stored(begin: bytes) -> bytes:
    """These bytes, at most 65,535, as a block of a deflated stream that is not its last."""
    return struct.pack("<BHH", 0, len(begin), 0xFFFF ^ len(begin)) + begin
