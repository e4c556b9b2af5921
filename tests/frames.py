"""Perspective's requests, and the websocket around them, as bytes: made by hand so that anything can be wrong."""

from collections.abc import Iterable

VIEWING = {*range(3, 27), 29, 30, 34, 35, 36, 37, 41}
"""The numbers of the requests that viewing needs."""


def varint(number: int) -> bytes:
    """A number as protobuf encodes it."""
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])


def delimited(number: int, content: bytes) -> bytes:
    """A field with a length: text, bytes or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def request(number: int, body: bytes = b"", entity: str = "stock_values", msg_id: int = 1) -> bytes:
    """The request of this number about a table or view."""
    return b"\x08" + varint(msg_id) + delimited(2, entity.encode()) + delimited(number, body)


def make_view(name: str, config: bytes = b"", msg_id: int = 1, table: str = "stock_values") -> bytes:
    """The request for a view of the table."""
    return request(6, delimited(1, name.encode()) + (delimited(2, config) if config else b""), table, msg_id)


def config(group_by: Iterable[str] = (), split_by: Iterable[str] = (), columns: Iterable[str] = ()) -> bytes:
    """A view's configuration."""
    encoded = b"".join(delimited(1, name.encode()) for name in group_by)
    encoded += b"".join(delimited(2, name.encode()) for name in split_by)
    listed = b"".join(delimited(1, name.encode()) for name in columns)
    return encoded + (delimited(3, delimited(2, listed)) if listed else b"")


def filter_by(column: str, op: str, *values: bytes) -> bytes:
    """A filter of a view's configuration."""
    content = delimited(1, column.encode()) + delimited(2, op.encode())
    return delimited(4, content + b"".join(delimited(3, value) for value in values))


def handshake(port: int, path: str = "/websocket", *headers: str) -> bytes:
    """The request for a websocket."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: localhost:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def masked(message: bytes) -> bytes:
    """A binary frame of a client's; the mask is zero, which changes nothing."""
    length = bytes([0x80 | len(message)]) if len(message) < 126 else b"\xfe" + len(message).to_bytes(2, "big")
    return b"\x82" + length + bytes(4) + message
