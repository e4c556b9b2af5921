"""Messages through the pipe between the server and a child process of its own.

A message is two lengths (unsigned 32 bits, little-endian), a JSON object and bytes, of which there may be none.
"""

import asyncio
import json
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

LENGTHS = struct.Struct("<II")

Message = tuple[dict[str, Any], bytes]


def encode_message(header: dict[str, Any], payload: bytes = b"") -> bytes:
    """One message as bytes."""
    text = json.dumps(header).encode()
    return LENGTHS.pack(len(text), len(payload)) + text + payload


def write_message(stream: BinaryIO, header: dict[str, Any], payload: bytes = b"") -> None:
    """Write one message. Raises BrokenPipeError when nobody reads any more."""
    stream.write(encode_message(header, payload))
    stream.flush()


def read_blocking(stream: BinaryIO) -> Message | None:
    """Read one message, or None when the writer has ended."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    text, payload = LENGTHS.unpack(lengths)
    return json.loads(stream.read(text)), stream.read(payload)


@contextmanager
def answers() -> Iterator[BinaryIO]:
    """Standard output for messages alone: what else is written there, as Perspective's log is, goes to stderr."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as stream:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        yield stream


async def read_message(stream: asyncio.StreamReader) -> Message:
    """Read one message. Raises asyncio.IncompleteReadError when the writer has ended."""
    text, payload = LENGTHS.unpack(await stream.readexactly(LENGTHS.size))
    return json.loads(await stream.readexactly(text)), await stream.readexactly(payload)
