"""A million rows through a socket: in small blocks, in order, several results at once, and without filling memory."""

import asyncio
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from embedded.protocol import frames
from embedded_server import EmbeddedServer, rows, running

ROWS = 1 << 20
START = 1767323045000
MIB = 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A server with a table of 2^20 rows: a and b count from 0, s is a text of 16 characters."""
    with running() as started:
        connection = started.connect()
        connection.execute("create database d")
        connection.execute("create table d.t (ts timestamp, a int, b bigint, s varchar(20))")
        first = " ".join(f"({START + at}, {at}, {at}, 'sixteen letters!')" for at in range(1024))
        connection.execute(f"insert into d.t values {first}")
        count = 1024
        while count < ROWS:
            moved = f"ts + {count}a, cast(a + {count} as int), cast(b + {count} as bigint), s"
            assert connection.execute(f"insert into d.t select {moved} from d.t") == count
            count *= 2
        yield started


def resident(server: EmbeddedServer) -> int:
    """Bytes of memory that the server's process holds."""
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def opened(server: EmbeddedServer) -> WebSocketClientConnection:
    client = await websocket_connect(f"ws://127.0.0.1:{server.port}/ws", max_message_size=1 << 26)
    arguments = {"req_id": 1, "user": "root", "password": "taosdata", "db": "d"}
    for request in ({"action": "version"}, {"action": "conn", "args": arguments}):
        await client.write_message(json.dumps(request))
        assert json.loads(await client.read_message() or "")["code"] == 0
    return client


async def started(client: WebSocketClientConnection, sql: str) -> int:
    """Start a query; its result id."""
    await client.write_message(frames.encode_query(1, sql), binary=True)
    reply = json.loads(await client.read_message() or "")
    assert reply["code"] == 0, reply
    result: int = reply["id"]
    return result


async def block(client: WebSocketClientConnection, result: int) -> bytes | None:
    """The next block of a result, None at its end."""
    await client.write_message(frames.encode_fetch(2, result), binary=True)
    message = await asyncio.wait_for(client.read_message(), 20)
    assert isinstance(message, bytes)
    assert message[34:38] == b"\0\0\0\0"
    return None if message[50] else message[55:]


def integers(found: bytes, size: str) -> tuple[int, ...]:
    """The values of a block of one INT ("i") or BIGINT ("q") column."""
    (count,) = struct.unpack_from("<i", found, 8)
    return struct.unpack_from(f"<{count}{size}", found, 28 + 5 + 4 + (count + 7) // 8)


def test_a_million_rows_come_in_order_in_small_blocks_and_little_memory(server: EmbeddedServer) -> None:
    async def check() -> None:
        client = await opened(server)
        before = resident(server)
        result = await started(client, "select ts, a, b, s from t")
        held, seen, sizes = [resident(server)], 0, set()
        while (found := await block(client, result)) is not None:
            (count,) = struct.unpack_from("<i", found, 8)
            sizes.add(count)
            seen += count
            held.append(resident(server))
        assert seen == ROWS
        assert 1 <= min(sizes) <= max(sizes) <= 4096
        # The rows as sent are 60 MiB.
        assert max(held) - before < 30 * MIB, f"{(max(held) - before) // MIB} MiB more"

    asyncio.run(check())


def test_several_results_are_read_in_turn(server: EmbeddedServer) -> None:
    async def check() -> None:
        client = await opened(server)
        results = {
            "up": await started(client, "select a from t"),
            "down": await started(client, "select b from t order by ts desc"),
            "half": await started(client, "select a from t where a % 2 = 0"),
        }
        expected = {"up": iter(range(ROWS)), "down": iter(range(ROWS - 1, -1, -1)), "half": iter(range(0, ROWS, 2))}
        sizes = {"up": "i", "down": "q", "half": "i"}
        while results:
            for name, result in list(results.items()):
                found = await block(client, result)
                if found is None:
                    del results[name]
                    continue
                for value in integers(found, sizes[name]):
                    assert value == next(expected[name])
        assert [list(rest) for rest in expected.values()] == [[], [], []]

    asyncio.run(check())


def test_results_that_are_left_unread_are_let_go(server: EmbeddedServer) -> None:
    async def check() -> int:
        """Thirty results, each begun and half of them freed, and then a socket that just closes."""
        client = await opened(server)
        for number in range(30):
            result = await started(client, "select ts, a, b, s from t")
            assert await block(client, result) is not None
            if number % 2:
                arguments = {"id": result, "req_id": 1}
                await client.write_message(json.dumps({"action": "free_result", "args": arguments}))
        held = resident(server)
        client.close()
        return held

    first, *later = (asyncio.run(check()) for _ in range(4))
    # Those of one round hold about 130 MiB while they are open: three rounds kept would be 400.
    assert max(later) - first < 120 * MIB, f"{(max(later) - first) // MIB} MiB more than after the first thirty"
    assert rows(server.connect(), "select count(*) from d.t") == [(ROWS,)]
