"""Requests of all kinds with anything in them, for as long as one likes, against a server of one's own.

usage: fuzz.py PATH SECONDS [SEED], with PATH /websocket or /history. Starts a demo under a memory limit, and prints how
many messages were answered, refused and closed on, which processes have ended, and the memory of each.
"""

import asyncio
import itertools
import random
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClosedError, websocket_connect

sys.path.insert(0, str(Path(__file__).parent.parent))

from attacked import Target, demo, resident_kib
from frames import config, delimited, filter_by, make_view, request, varint
from web.gate import FILTER_OPS

NUMBERS = [0, 1, 2, 5, 9, 13, 1000, 2**16, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]
COLUMNS = ["timestamp", "ticker", "client", "open", "high", "low", "close", "volume", "date"]
AGGREGATES = ["sum", "avg", "last", "first", "count", "median", "unique", "join", "weighted mean", "nothing", ""]
EXPRESSIONS = ['"open" + 1', '"nothing"', "(((", "concat(\"ticker\", 'x')", "bucket(\"timestamp\", '1s')", "1", ""]
VALUES = [b"\x08\x01", b"\x21" + b"\xff" * 8, b"\x21" + bytes(8), b"\x32\x03abc", b"\x38\x00", b"\x32\x02'\\", b""]
ASKED = [3, 4, 5, 7, 8, 9, *[6] * 8, *range(10, 27), 16, 16, 24, 25, 26, 29, 30, 34, 35, 36, 37, 41]
SOURCES = [f"127.0.0.{number}" for number in range(2, 250)]
"""Addresses of this machine to connect from: one from which processes were ended is turned away for a while."""


class Fuzz:
    """Messages by chance, about a table; `names` are those of views that may be there."""

    def __init__(self, seed: int, table: str) -> None:
        self.chance = random.Random(seed)
        self.table = table
        self.names = [f"v{seed} {number}" for number in range(6)]

    def message(self) -> bytes:
        """One: mostly of the right form, some with bytes changed or cut."""
        chance = self.chance
        kind = chance.choice(ASKED)
        view = chance.choice(self.names)
        if kind == 6:
            whole = make_view(view, self.configuration(), chance.randint(1, 2**32 - 1), self.table)
        else:
            of_table = kind in (5, 7, 8, 9, 29, 30, 41)
            entity = self.table if of_table else "" if kind in (3, 4, 37) else view
            whole = request(kind, self.body(kind), entity, chance.choice([1, 7, *NUMBERS]))
        if chance.random() < 0.1:
            changed = bytearray(whole)
            for _ in range(chance.randint(1, 3)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            whole = bytes(changed[: chance.choice([len(changed), chance.randrange(len(changed))])])
        return whole

    def number(self) -> int:
        return self.chance.choice(NUMBERS)

    def field(self, at: int) -> bytes:
        return varint(at << 3) + varint(self.number()) if self.chance.random() < 0.7 else b""

    def body(self, kind: int) -> bytes:
        """What a request of a kind says."""
        chance = self.chance
        if kind in (16, 24, 25, 26, 36):
            viewport = b"".join(self.field(at) for at in range(1, 5))
            return delimited(1, viewport) + (b"\x10\x01" if kind in (24, 26) and chance.random() < 0.2 else b"")
        if kind == 10:
            return self.field(1) + self.field(2)
        if kind == 9:
            return delimited(1, delimited(1, b"e") + delimited(2, chance.choice(EXPRESSIONS).encode()))
        if kind == 20:
            return delimited(1, chance.choice([*COLUMNS, "e", ""]).encode())
        if kind == 41:
            return delimited(1, self.configuration())
        return self.field(1)

    def configuration(self) -> bytes:
        """What a view asks for."""
        chance = self.chance
        names = [*COLUMNS, "e"] if chance.random() < 0.9 else ["nothing", "", "e"]

        def some(most: int) -> list[str]:
            return chance.sample(names, min(len(names), chance.choice([0, 0, *range(most + 1)])))

        made = config(some(3), some(2), some(4))
        for _ in range(chance.choice([0, 0, 1, 2])):
            values = chance.choices(VALUES, k=chance.randint(0, 2))
            made += filter_by(chance.choice(names), chance.choice([*sorted(FILTER_OPS), "zzz"]), *values)
        for _ in range(chance.choice([0, 0, 1, 2])):
            made += delimited(5, delimited(1, chance.choice(names).encode()) + b"\x10" + varint(chance.randint(0, 9)))
        if chance.random() < 0.3:
            made += delimited(6, delimited(1, b"e") + delimited(2, chance.choice(EXPRESSIONS).encode()))
        for _ in range(chance.choice([0, 0, 1, 2])):
            listed = b"".join(delimited(1, chance.choice(AGGREGATES).encode()) for _ in range(chance.randint(0, 2)))
            made += delimited(7, delimited(1, chance.choice(names).encode()) + delimited(2, listed))
        for at in (8, 9, 10, 12):
            if chance.random() < 0.15:
                made += varint(at << 3) + varint(chance.choice([0, 1, 2, 3, self.number()]))
        if chance.random() < 0.15:
            spec = delimited(2, chance.choice(names).encode()) + delimited(3, chance.choice(AGGREGATES).encode())
            spec += b"".join(self.field(at) for at in (6, 9))
            made += delimited(11, delimited(1, b"w") + delimited(2, spec))
        return made


async def attack(port: int, path: str, fuzz: Fuzz, goes_on: Callable[[], bool]) -> Counter[str]:
    """Send eight at a time and a question; come back, from elsewhere, whenever the websocket has been closed."""
    seen: Counter[str] = Counter()
    sources = itertools.cycle(fuzz.chance.sample(SOURCES, len(SOURCES)))
    while goes_on():
        asked = HTTPRequest(f"ws://127.0.0.1:{port}{path}", network_interface=next(sources))
        websocket = await websocket_connect(asked, max_message_size=2**26)
        answer: str | bytes | None = b""
        while goes_on() and answer is not None:
            with suppress(WebSocketClosedError):
                for each in [*(fuzz.message() for _ in range(8)), request(3, b"", "", 999)]:
                    await websocket.write_message(each, binary=True)
            while (answer := await asyncio.wait_for(websocket.read_message(), 60)) is not None:
                assert isinstance(answer, bytes)
                if answer.startswith(b"\x08" + varint(999)):
                    break
                seen["refused" if b"read-only" in answer else "answered"] += 1
        seen["closed"] += answer is None
        seen[f"closed: {websocket.close_reason}"] += answer is None
        websocket.close()
    return seen


class Memory:
    """The memory of a server and of each process that it has begun, in MiB: at first, now and at most."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.names: dict[int, str] = {}
        self.sizes: dict[int, tuple[float, float, float]] = {}
        self.alive: set[int] = set()

    def look(self) -> None:
        """Look at each of them."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        self.alive = set()
        for pid in (self.pid, *map(int, children)):
            with suppress(OSError, StopIteration):  # it has ended meanwhile
                size = resident_kib(pid) / 1024
                command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                names = [part for part in command if part.endswith(("_server.py", ".feed", ".engine", ".worker"))]
                if names:
                    self.names[pid] = names[0]
                    first, _, most = self.sizes.get(pid, (size, size, size))
                    self.sizes[pid] = first, size, max(size, most)
                    self.alive.add(pid)

    def ended(self) -> Counter[str]:
        """How many of each kind are not there any more."""
        return Counter(self.names[pid] for pid in self.names.keys() - self.alive)


async def attacks(target: Target, path: str, seed: int, goes_on: Callable[[], bool]) -> tuple[Counter[str], Memory]:
    """Four at a time, and an eye on the memory of each process meanwhile."""
    table = "stock_values" if path.startswith("/websocket") else "stocks_values"
    memory = Memory(target.server.process.pid)
    attacking = asyncio.gather(
        *(attack(target.port, path, Fuzz(4 * seed + number, table), goes_on) for number in range(4))
    )
    while not attacking.done():
        memory.look()
        await asyncio.wait([attacking], timeout=0.1)
    return sum(await attacking, Counter()), memory


def main(path: str, seconds: str, seed: str = "1") -> None:
    """Attack a demo that this starts."""
    resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))
    with TemporaryDirectory() as folder, demo(Path(folder)) as target:
        end = time.monotonic() + float(seconds)
        seen, memory = asyncio.run(attacks(target, path, int(seed), lambda: time.monotonic() < end))
        memory.look()
        print(f"{path}: {seen['answered'] + seen['refused']:,} answers, {seen['refused']:,} of them refusals")
        for reason, count in seen.items():
            if reason.startswith("closed: "):
                print(f"  {count:,} times {reason}")
        said = re.findall(r"(?m)the viewers' engine.*|a history worker.*", target.server.output)
        for line, count in Counter(said).items():
            print(f"  {count:,} times {line}")
        print(f"  ended: {dict(memory.ended())}")
        for pid in memory.alive:
            print("  {}: {:.0f} MiB at first, {:.0f} now, {:.0f} at most".format(memory.names[pid], *memory.sizes[pid]))
        print(f"  the newest row that an honest viewer sees is {target.age_ms():.0f} ms old")


if __name__ == "__main__":
    main(*sys.argv[1:])
