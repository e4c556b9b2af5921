"""One client may not take the machine: what is too much is refused with TDengine's errors, and others are answered."""

import asyncio
import json
import logging
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from embedded_socket import ask, opened
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from embedded import limits
from embedded.engine import Session
from embedded.protocol import frames
from embedded.server import Service, make_app
from embedded.storage import Storage
from embedded_server import running
from embedded_session import answer, error_of

TS = 1767323045000
EVERY_MILLISECOND = f"select sum(c) from (select last(i) c from d.t where ts >= {TS} and ts <= {TS + 3_000_000} "
EVERY_MILLISECOND += "interval(1a) fill(prev))"
"""Three million windows of two rows."""


@pytest.fixture
def session() -> Session:
    session = Session(Storage(), zone="UTC")
    session.execute("create database d")
    session.execute("create table d.t (ts timestamp, i int, n nchar(20))")
    session.execute(f"insert into d.t values ({TS}, 1, 'a') ({TS + 3_000_000}, 2, 'b')")
    return session


@contextmanager
def listening(service: Service) -> Iterator[SimpleNamespace]:
    """A server in this process, for the length of a `with`."""
    socket, port = bind_unused_port()
    server = HTTPServer(make_app(service), max_body_size=limits.MOST_MESSAGE_BYTES)
    server.add_socket(socket)
    try:
        yield SimpleNamespace(port=port)
    finally:
        server.stop()
        service.close()


def served(
    session: Session, check: Callable[[SimpleNamespace], Awaitable[None]], seconds: float = 60, threads: int = 4
) -> None:
    """Carry out a check beside a server over a session's storage."""

    async def serve() -> None:
        with listening(Service(session.storage, threads, seconds)) as server:
            await check(server)

    asyncio.run(serve())


def test_a_statement_has_at_most_4_mib(session: Session) -> None:
    longest = "select 1 " + " " * (limits.MOST_STATEMENT_BYTES - 9)
    assert answer(session, longest) == [(1,)]
    assert error_of(session, longest + " ")[0] == 0x0219
    assert error_of(session, f"insert into d.t values {f'({TS}, 1, null) ' * 300_000}")[0] == 0x0219


def test_a_message_beyond_all_bounds_is_answered_and_the_socket_lives(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_MESSAGE_BYTES", 100_000)

    async def check(server: SimpleNamespace) -> None:
        client = await opened(server)
        reply = await ask(client, frames.encode_query(7, "select 1" + " " * 200_000))
        assert (reply["code"], reply["action"], reply["req_id"]) == (0x0219, "binary_query", 7)
        reply = await ask(client, json.dumps({"action": "query", "args": {"sql": " " * 200_000}}))
        assert reply["code"] != 0
        assert (await ask(client, frames.encode_query(8, "select 1")))["code"] == 0

    served(session, check)


@pytest.mark.parametrize(
    "sql",
    [
        "select " + "(" * 3000 + "1" + ")" * 3000,
        "select " + "abs(" * 3000 + "1" + ")" * 3000,
        "select " + "- " * 3000 + "1",
        "select 1 where " + "not " * 3000 + "true",
        "select * from " + "(select * from " * 3000 + "d.t" + ")" * 3000,
        "select " + "case when true then " * 3000 + "1" + " end" * 3000,
    ],
    ids=["parentheses", "calls", "signs", "not", "queries", "case"],
)
def test_nesting_that_is_too_deep_is_a_syntax_error(session: Session, sql: str) -> None:
    assert error_of(session, sql)[0] == 0x2600


def test_long_chains_are_not_nesting(session: Session) -> None:
    assert answer(session, "select " + "+".join(["1"] * 100)) == [(100,)]
    assert answer(session, "select count(*) from d.t where " + " or ".join(["i = 1"] * 2000)) == [(1,)]


def test_an_in_of_very_many_values_is_looked_up(session: Session) -> None:
    numbers = ",".join(map(str, range(2, 100_000)))
    assert answer(session, f"select i from d.t where i in ({numbers})") == [(2,)]
    assert answer(session, f"select i from d.t where i not in ({numbers})") == [(1,)]
    texts = ",".join(f"'{number}'" for number in range(1000))
    assert answer(session, f"select i from d.t where n in ({texts}, 'b')") == [(2,)]


def test_a_value_or_a_row_that_is_too_long_is_refused_before_it_is_made(session: Session) -> None:
    assert error_of(session, "select repeat('x', 1000000000)")[0] != 0
    assert error_of(session, "select " + ", ".join(["repeat(n, 3000)"] * 100) + " from d.t")[0] != 0


def test_a_statement_that_takes_too_long_is_given_up(session: Session) -> None:
    async def check(server: SimpleNamespace) -> None:
        client = await opened(server)
        reply = await ask(client, frames.encode_query(1, EVERY_MILLISECOND))
        assert (reply["code"], reply["message"]) == (0x2504, "Task timeout")
        assert (await ask(client, frames.encode_query(2, "select 1")))["code"] == 0

    served(session, check, seconds=0.2)


def test_memory_that_is_used_up_is_tdengines_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TEMPORARY", "1MB")
    session = Session(Storage(memory="20MB"), zone="UTC")
    session.execute("create database d")
    session.execute("create table d.t (ts timestamp, i int)")
    session.execute(f"insert into d.t values ({TS}, 1) ({TS + 1_000_000}, 2)")
    windows = (
        f"select _wstart w, last(i) i from d.t where ts >= {TS} and ts <= {TS + 1_000_000} interval(1a) fill(prev)"
    )
    code, message = error_of(session, f"select * from ({windows}) order by i, w desc")
    assert (code, message) == (0x073A, "Query memory exhausted")


def test_a_client_that_leaves_is_nothing_to_log(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    """In the middle of a query or of a REST answer; the only thread is free again before another is answered."""
    sql = f"select _wstart, last(i) from d.t where ts >= {TS} and ts <= {TS + 300_000} interval(1a) fill(prev)"

    async def check(server: SimpleNamespace) -> None:
        client = await opened(server)
        await client.write_message(frames.encode_query(1, sql), binary=True)
        assert client.protocol is not None
        assert client.protocol.stream is not None
        client.protocol.stream.close()
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = (
            f"POST /rest/sql HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Basic cm9vdDp0YW9zZGF0YQ==\r\n"
        )
        writer.write(f"{head}Content-Length: {len(sql)}\r\n\r\n{sql}".encode())
        await writer.drain()
        writer.transport.abort()
        other = await opened(server)
        assert (await ask(other, frames.encode_query(2, "select 1")))["code"] == 0

    with caplog.at_level(logging.INFO):
        served(session, check, threads=1)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_what_is_kept_in_a_file_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "kept.duckdb"
    with running("--data", str(path)) as server:
        connection = server.connect()
        connection.execute("create database d")
        connection.execute("create table d.t (ts timestamp, i int)")
        connection.execute(f"insert into d.t values ({TS}, 1)")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes[path.name] == 0o600
    assert set(modes.values()) == {0o600}
