"""Random and mutated messages: the server answers or closes, and never keeps another client waiting."""

import asyncio
import base64
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from embedded_server import RECORDINGS, EmbeddedServer, rows, running

TEXT, BINARY, PING = 1, 2, 9
SOCKETS, FRAMES = 40, 500
BOUND = 10.0
"""Seconds within which an honest client is answered whatever the others send."""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running() as started:
        connection = started.connect()
        connection.execute("create database fr")
        connection.execute("create table fr.t (ts timestamp, a int, b nchar(8))")
        connection.execute("insert into fr.t values (1767323045000, 1, 'x') (1767323045001, 2, 'y')")
        yield started
        _, errors = started.stop()
        assert "Traceback" not in errors, errors
        assert "internal error" not in errors


def recorded() -> list[tuple[int, bytes]]:
    """What a client sent: opcode and payload."""
    lines = (RECORDINGS / "wire.jsonl").read_text(encoding="utf-8").splitlines()
    sent = [record for record in map(json.loads, lines) if record.get("dir") == "client"]
    return [(BINARY, bytes.fromhex(r["hex"])) if "hex" in r else (TEXT, r["text"].encode()) for r in sent]


WORDS = [
    b"select", b"insert into t values", b"(now, 1, 'x')", b"from t", b"where", b"ts", b"a", b"*", b"(", b")", b",",
    b"interval(1s)", b"group by", b"order by", b"limit", b"null", b"?", b"'", b"`", b"count(*)", b"diff(a)", b"-1",
    b"99999999999999999999", b"1e999", b"'\\x41'", b"cast(", b"as int)", b"union all", b"partition by", b"tbname",
    b"create table", b"drop table u", b"u (ts timestamp, v decimal(10,2))", b"use fr", b"show tables", b"describe t",
    b"delete from t where ts > 1", b"case when", b"then", b"end", b"between", b"and", b"like", b"match", b"->", b"1y",
    b"to_iso8601(", b"substr(", b"concat(", b"timetruncate(", b"fill(prev)", b"state_window(a)", b"json", b"\xff\x00",
]  # fmt: skip


def mutated(chance: random.Random, messages: list[tuple[int, bytes]]) -> tuple[int, bytes]:
    """A message cut, spliced, overwritten or made up; now and then an honest one."""
    opcode, message = chance.choice(messages)
    way = chance.randrange(8)
    if way == 0:
        return opcode, message
    if way == 1:
        return chance.choice((TEXT, BINARY)), message[: chance.randrange(len(message) + 1)]
    if way == 2:
        return opcode, message[: chance.randrange(len(message) + 1)] + chance.choice(messages)[1][-40:]
    if way == 3:
        return chance.choice((TEXT, BINARY)), chance.randbytes(chance.randrange(80))
    if way == 4:
        sql = b" ".join(chance.choice(WORDS) for _ in range(chance.randrange(1, 12)))
        return BINARY, struct.pack("<QQQHI", chance.getrandbits(64), 0, 6, 1, len(sql)) + sql
    if way == 5:
        action, target = chance.randrange(12), chance.randrange(4)
        return BINARY, struct.pack("<QQQ", chance.getrandbits(64), target, action) + message[24:]
    broken = bytearray(message)
    for _ in range(chance.randrange(1, 6)):
        broken[chance.randrange(len(broken))] = chance.randrange(256)
    return opcode, bytes(broken)


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's websocket frame; a mask of zeros leaves the payload as it is.

    Text is made UTF-8, because the websocket protocol has the server close on any other.
    """
    if opcode == TEXT:
        payload = payload.decode(errors="replace").encode()
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + struct.pack(">H", size)
    if size >= 1 << 16:
        length = bytes([0xFF]) + struct.pack(">Q", size)
    return bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload


async def opened(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{head}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    assert b"101" in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def attack(port: int, seed: int, messages: list[tuple[int, bytes]]) -> bool:
    """Send many broken messages without waiting for answers, then a ping; whether the server closed the socket.

    A ping is answered in its turn, so its pong says that everything before was dealt with.
    """
    chance = random.Random(seed)
    reader, writer = await opened(port)
    handshake = [m for m in messages if b'"version"' in m[1] or b'"conn"' in m[1]][:2]
    burst = b"".join(frame(*m) for m in handshake)
    burst += b"".join(frame(*mutated(chance, messages)) for _ in range(FRAMES)) + frame(PING, b"the end")

    async def send() -> None:
        for at in range(0, len(burst), 1 << 14):
            writer.write(burst[at : at + (1 << 14)])
            await writer.drain()

    sending = asyncio.ensure_future(send())
    closed = False
    tail = b""
    try:
        while b"\x8a\x07the end" not in tail:
            part = await asyncio.wait_for(reader.read(1 << 16), 60)
            if not part:
                closed = True
                break
            tail = tail[-20:] + part
        if not closed:
            await sending
    except ConnectionError:
        closed = True
    sending.cancel()
    writer.close()
    return closed


def honest(server: EmbeddedServer, stop: threading.Event, waits: list[float], faults: list[str]) -> None:
    """Ask the same question until told to stop, and note how long each answer took."""
    question = b"select count(*) from information_schema.ins_databases where name = 'information_schema'"
    request = http_request(question)
    while not stop.is_set():
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", server.port), timeout=BOUND) as client:
            client.sendall(request)
            answer = b""
            while part := client.recv(1 << 16):
                answer += part
        waits.append(time.monotonic() - began)
        if b'"data":[[1]' not in answer:
            faults.append(repr(answer))
        stop.wait(0.02)


def http_request(body: bytes, path: str = "/rest/sql") -> bytes:
    """A whole HTTP request that closes its connection."""
    token = base64.b64encode(b"root:taosdata").decode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Basic {token}\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_broken_frames_by_the_thousand_leave_an_honest_client_answered(server: EmbeddedServer) -> None:
    messages = recorded()
    stop, waits, faults = threading.Event(), list[float](), list[str]()
    witness = threading.Thread(target=honest, args=(server, stop, waits, faults))
    witness.start()

    async def run() -> list[bool]:
        return await asyncio.gather(*(attack(server.port, seed, messages) for seed in range(SOCKETS)))

    try:
        closed = asyncio.run(run())
    finally:
        stop.set()
        witness.join()
    print(f"{SOCKETS * FRAMES} frames, {sum(closed)} sockets closed, {len(waits)} honest questions")
    assert faults == []
    assert len(waits) > 5
    assert max(waits) < BOUND
    assert sum(closed) == 0, "the client closes, the server answers"
    assert rows(server.connect(), "select 1") == [(1,)]


def test_text_that_is_not_utf_8_closes_its_own_socket_only(server: EmbeddedServer) -> None:
    async def check() -> None:
        reader, writer = await opened(server.port)
        other_reader, other_writer = await opened(server.port)
        writer.write(bytes([0x80 | TEXT, 0x82, 0, 0, 0, 0]) + b"\xff\xfe")
        answer = await asyncio.wait_for(reader.read(), BOUND)
        assert answer[:1] in (b"", b"\x88")
        other_writer.write(frame(PING, b"alive"))
        assert await asyncio.wait_for(other_reader.readexactly(7), BOUND) == b"\x8a\x05alive"
        writer.close()
        other_writer.close()

    asyncio.run(check())


def test_bytes_that_are_no_websocket_frames_and_no_http_harm_nobody(server: EmbeddedServer) -> None:
    chance = random.Random(7)
    good = http_request(b"select 1")

    async def after_handshake(payload: bytes) -> None:
        reader, writer = await opened(server.port)
        writer.write(payload)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), BOUND)
        writer.close()

    async def instead_of_http(payload: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(payload)
        writer.write_eof()
        with suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), BOUND)
        writer.close()

    async def check() -> None:
        for _ in range(10):
            frames_ = [chance.randbytes(chance.randrange(1, 60)) for _ in range(15)]
            frames_ += [bytes([0x82, 0xFF]) + struct.pack(">Q", 1 << chance.randrange(20, 63)) + b"\0\0\0\0"]
            cuts = [good[: chance.randrange(len(good))] for _ in range(10)]
            heads = [chance.randbytes(chance.randrange(1, 60)) + b"\r\n\r\n" for _ in range(5)]
            await asyncio.gather(*(after_handshake(f) for f in frames_), *(instead_of_http(h) for h in cuts + heads))

    asyncio.run(check())
    assert rows(server.connect(), "select 1") == [(1,)]


def test_broken_bodies_at_rest_are_answered(server: EmbeddedServer) -> None:
    chance = random.Random(6)

    async def one(body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(http_request(body, chance.choice(("/rest/sql", "/rest/sql/fr", "/rest/sql/nosuch"))))
        answer = await asyncio.wait_for(reader.read(), BOUND)
        writer.close()
        return answer

    async def run() -> list[bytes]:
        answers = []
        for _ in range(50):
            bodies = []
            for _ in range(40):
                sql = b" ".join(chance.choice(WORDS) for _ in range(chance.randrange(1, 12)))
                at = chance.randrange(len(sql))
                bodies.append(sql if chance.random() < 0.7 else sql[:at] + chance.randbytes(3) + sql[at:])
            answers += await asyncio.gather(*(one(body) for body in bodies))
        return answers

    answers = asyncio.run(run())
    assert len(answers) == 2000
    statuses = {answer.split(b" ")[1] for answer in answers}
    assert statuses == {b"200"}
    assert all(b'"code":' in answer for answer in answers)
