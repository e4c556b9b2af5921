"""The feed process as the server has it: begun, listened to, replaced where it ends or goes silent."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Sequence

from protocol import children
from protocol.pipe import Message, read_message

STALE_SECONDS = 2.0
"""After so long without a message, what is shown is no longer called live."""

SILENT_SECONDS = 8.0
"""After so long without one the child is replaced: longer than its longest call, or its longest pause, takes."""

AGAIN_SECONDS = 1.0
"""How long after the end of a feed the next is begun."""


async def messages(options: Sequence[str]) -> AsyncGenerator[Message, None]:
    """What a feed process with these options says, for ever: one that ends or goes silent is replaced by another.

    One that cannot be started is tried again. Adds messages of kind "waiting" of its own, while the feed is silent or
    missing. Closing the iterator ends the feed.
    """
    while True:
        why = "the feed has ended and is started again"
        try:
            process = await children.begin("live.feed", *options)
        except OSError as error:
            # Descriptors, processes or memory are wanting, and may be there again soon.
            why = f"the feed cannot be started and is tried again: {error.strerror}"
        else:
            try:
                async for message in _heard(process):
                    yield message
                children.deaths["live.feed"] += 1
            finally:
                children.kill(process)
                await process.wait()
        yield {"kind": "waiting", "error": why}, b""
        await asyncio.sleep(AGAIN_SECONDS)


async def _heard(process: Process) -> AsyncGenerator[Message, None]:
    """The messages of one feed process, until it ends or has been silent for too long."""
    assert process.stdout is not None
    silent, known = 0.0, ""
    reading = asyncio.ensure_future(read_message(process.stdout))
    try:
        while silent < SILENT_SECONDS:
            done, _ = await asyncio.wait([reading], timeout=STALE_SECONDS)
            if not done:
                silent += STALE_SECONDS
                # One that has said why it waits may only be pausing between two attempts.
                yield {"kind": "waiting", "error": known or f"no answer from TDengine for {silent:.0f} s"}, b""
                continue
            try:
                message = reading.result()
            except asyncio.IncompleteReadError:
                return
            silent, known = 0.0, message[0].get("error", "")
            reading = asyncio.ensure_future(read_message(process.stdout))
            yield message
    finally:
        reading.cancel()
