"""The pipe between feed.py and perspective_server.py: its messages, and the child process at its other end.

A message is two lengths (unsigned 32 bits, little-endian), a JSON object and an Arrow IPC stream, which may be empty.
The object's `kind` is what to do: "table" (make the table anew, with the stream's schema), "append" or "replace" rows,
"waiting" (TDengine cannot be read now: `error` says why) or "failed" (only the user can mend it: `error`).
"""

import asyncio
import json
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

LENGTHS = struct.Struct("<II")

STALE_SECONDS = 2.0
"""After so long without a message, what is shown is no longer called live."""

SILENT_SECONDS = 8.0
"""After so long without one the child is replaced: longer than its longest call, or its longest pause, takes."""

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


async def read_message(stream: asyncio.StreamReader) -> Message:
    """Read one message. Raises asyncio.IncompleteReadError when the writer has ended."""
    text, payload = LENGTHS.unpack(await stream.readexactly(LENGTHS.size))
    return json.loads(await stream.readexactly(text)), await stream.readexactly(payload)


async def messages(options: Sequence[str]) -> AsyncGenerator[Message, None]:
    """What a feed process with these options says, for ever: one that ends or goes silent is replaced by another.

    Adds messages of kind "waiting" of its own, while the feed is silent or missing. Closing the iterator ends the feed.
    """
    while True:
        program = Path(__file__).with_name("feed.py")
        process = await asyncio.create_subprocess_exec(sys.executable, program, *options, stdout=PIPE)
        try:
            async for message in _heard(process):
                yield message
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
        yield {"kind": "waiting", "error": "the feed has ended and is started again"}, b""
        await asyncio.sleep(1)


async def _heard(process: Process) -> AsyncGenerator[Message, None]:
    """The messages of one feed process, until it ends or has been silent for too long."""
    assert process.stdout is not None
    silent = 0.0
    reading = asyncio.ensure_future(read_message(process.stdout))
    try:
        while silent < SILENT_SECONDS:
            done, _ = await asyncio.wait([reading], timeout=STALE_SECONDS)
            if not done:
                silent += STALE_SECONDS
                yield {"kind": "waiting", "error": f"no answer from TDengine for {silent:.0f} s"}, b""
                continue
            try:
                message = reading.result()
            except asyncio.IncompleteReadError:
                return
            silent = 0.0
            reading = asyncio.ensure_future(read_message(process.stdout))
            yield message
    finally:
        reading.cancel()
