"""A TCP proxy that makes a network, or what is behind it, fail in the ways they do."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from parts import free_port


class Proxy:
    """Listens on `port` of loopback and passes all on to `target`, a port of `host`, until it is told to do otherwise.

    `refuse()`: connections are refused, and those there are reset. `hang()`: connections are accepted and never
    answered, and those there go silent in both directions. `silence()`: requests go through, answers do not.
    `lose()`: the same, and the answers never come, also when it heals with its connections kept, by `recover()`.
    `slow(seconds)`: every piece of an answer comes so much later. `cut(count)`: connections break when so many more
    bytes have been answered. `heal()`: everything works again; what was kept back is lost with its connections.
    """

    def __init__(self, target: int, host: str = "127.0.0.1") -> None:
        self.target = target
        self.host = host
        self.port = free_port()
        self.mode = "pass"
        self.delay = 0.0
        self.left = 0
        self.writers: set[asyncio.StreamWriter] = set()
        self.server: asyncio.Server | None = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self._call(self._listen())

    def heal(self) -> None:
        self._set("pass")
        self._call(self._drop())
        self._call(self._listen())

    def refuse(self) -> None:
        self._set("refuse")
        self._call(self._close())

    def hang(self) -> None:
        self._set("hang")

    def silence(self) -> None:
        self._set("silence")

    def lose(self) -> None:
        self._set("lose")

    def recover(self) -> None:
        self._set("pass")

    def slow(self, seconds: float) -> None:
        self.delay = seconds
        self._set("slow")

    def cut(self, count: int) -> None:
        self.left = count
        self._set("cut")

    def drop(self) -> None:
        """Reset all connections; new ones work as the mode says."""
        self._call(self._drop())

    def close(self) -> None:
        """End the proxy."""
        self._call(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    def _set(self, mode: str) -> None:
        async def change() -> None:
            self.mode = mode

        self._call(change())

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def _listen(self) -> None:
        if self.server is None:
            self.server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _close(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None
        await self._drop()
        passing = asyncio.all_tasks() - {asyncio.current_task()}
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    async def _drop(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        try:
            upstream, requests = await asyncio.open_connection(self.host, self.target)
        except OSError:
            writer.transport.abort()
            return
        self.writers.add(requests)
        with suppress(asyncio.CancelledError):  # which asyncio's own callback takes for an error
            await asyncio.gather(
                self._pass(reader, requests, answers=False), self._pass(upstream, writer, answers=True)
            )

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answers: bool) -> None:
        try:
            while data := await source.read(65536):
                while self.mode == "hang" or (self.mode == "silence" and answers):
                    await asyncio.sleep(0.01)
                if self.mode == "lose" and answers:
                    continue
                if self.mode == "slow" and answers:
                    await asyncio.sleep(self.delay)
                if self.mode == "cut" and answers:
                    data, self.left = data[: self.left], self.left - len(data)
                sink.write(data)
                await sink.drain()
                if self.mode == "cut" and self.left <= 0:
                    await self._drop()
                    return
        except OSError:
            pass
        sink.close()
