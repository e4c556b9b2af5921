"""A viewer in the tests' own process, for sessions: all that it was told."""

import asyncio


class Heard:
    """Reads everything at once. `ends` are how its websocket was closed."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        self.address = address
        self.answers: asyncio.Queue[bytes] = asyncio.Queue()
        self.ends: list[tuple[int, str]] = []

    def answer(self, *parts: bytes) -> None:
        self.answers.put_nowait(b"".join(parts))

    async def reads(self) -> None:
        pass

    def end(self, code: int, reason: str) -> None:
        self.ends.append((code, reason))

    def all(self) -> list[bytes]:
        """What it was told and was not asked for yet."""
        return [self.answers.get_nowait() for _ in range(self.answers.qsize())]
