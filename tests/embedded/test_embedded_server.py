"""What clients meet at the sockets of the embedded server."""

import asyncio
import base64
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import taosrest
import taosws
from embedded_socket import answered, ask, opened
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.websocket import websocket_connect

from embedded.protocol import frames
from embedded.server import Service, make_app
from embedded.storage import Storage
from embedded_server import RECORDINGS, EmbeddedServer, rows, running

TS = 1767323045000


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running() as started:
        yield started


@pytest.fixture
def connection(server: EmbeddedServer) -> taosws.Connection:
    connection = server.connect()
    connection.execute("create database if not exists d")
    connection.execute("use d")
    return connection


def test_a_query_is_given_up_when_its_client_goes_away() -> None:
    """It would take a minute, and the server here has one thread, so that nobody else would be answered before."""

    async def check() -> None:
        listening, port = bind_unused_port()
        service = Service(Storage(), threads=1)
        server = HTTPServer(make_app(service))
        server.add_socket(listening)
        slow, other = [await opened(SimpleNamespace(port=port)) for _ in range(2)]
        for sql in ("create database d", "create table d.t (ts timestamp, i int)"):
            assert (await ask(other, frames.encode_query(1, sql)))["code"] == 0
        end = TS + 10_000_000
        await ask(other, frames.encode_query(1, f"insert into d.t values ({TS}, 1) ({end}, 2)"))
        values = ", ".join(f"{function}(i) {function}_i" for function in ("sum", "min", "max", "avg", "first", "last"))
        windows = f"select _wstart w, {values} from d.t where ts >= {TS} and ts <= {end} interval(1a) fill(prev)"
        both = f"select last(sum_i), sum(min_i), sum(max_i), sum(avg_i), sum(first_i), sum(last_i) from ({windows})"
        asked = asyncio.ensure_future(ask(slow, frames.encode_query(1, both)))
        busy = time.process_time() + 0.3
        while time.process_time() < busy:
            await asyncio.sleep(0.01)
            assert not asked.done()
        assert slow.protocol is not None
        assert slow.protocol.stream is not None
        slow.protocol.stream.close()
        assert (await ask(other, frames.encode_query(2, "select 1")))["code"] == 0
        asked.cancel()
        server.stop()
        service.close()

    asyncio.run(check())


def test_request_ids_of_64_bits_come_back_unchanged(server: EmbeddedServer) -> None:
    async def check() -> None:
        client = await opened(server, "/rest/ws")
        huge = 2**64 - 1
        assert (await ask(client, frames.encode_query(huge, "select 1")))["req_id"] == huge
        arguments = {"req_id": huge, "single_stb_insert": True}
        assert (await ask(client, {"action": "stmt2_init", "args": arguments}))["req_id"] == huge

    asyncio.run(check())


def test_results_are_fetched_side_by_side_and_freed_in_any_order(server: EmbeddedServer) -> None:
    async def check() -> None:
        client = await opened(server)
        first = (await ask(client, frames.encode_query(1, "select 1")))["id"]
        second = (await ask(client, frames.encode_query(2, "select 2")))["id"]
        other = await opened(server)
        third = (await ask(other, frames.encode_query(1, "select 3")))["id"]
        assert len({first, second, third}) == 3
        assert (await ask(client, frames.encode_fetch(3, second)))[50] == 0
        assert (await ask(client, frames.encode_fetch(4, first)))[50] == 0
        await client.write_message(json.dumps({"action": "free_result", "args": {"id": first, "req_id": 1}}))
        late = await ask(client, frames.encode_fetch(5, first))
        assert (late[34:38], late[42:55], late[-1]) == (b"\xff\xff\0\0", b"result is nil", 1)
        assert (await ask(client, frames.encode_fetch(6, second)))[50] == 1

    asyncio.run(check())


def test_an_unknown_action_or_a_request_before_conn_gets_an_error(server: EmbeddedServer) -> None:
    async def check() -> None:
        client = await websocket_connect(f"ws://127.0.0.1:{server.port}/ws")
        early = await ask(client, {"action": "stmt2_init", "args": {"req_id": 7}})
        assert (early["code"], early["message"], early["req_id"]) == (0xFFFF, "server not connected", 7)
        assert (await ask(client, frames.encode_query(8, "select 1")))["code"] == 0xFFFF
        client = await opened(server)
        reply = await ask(client, {"action": "dance", "args": {"req_id": 9}})
        assert (reply["code"], reply["message"], reply["action"]) == (0xFFFF, "unknown action dance", "dance")

    asyncio.run(check())


def test_errors_of_the_older_statement_carry_what_its_client_waits_for(server: EmbeddedServer) -> None:
    async def check() -> None:
        client = await opened(server)
        statement = (await ask(client, {"action": "init", "args": {"req_id": 1}}))["stmt_id"]
        arguments = {"req_id": 1, "stmt_id": statement, "sql": "insert into nosuch.t values (?)"}
        reply = await ask(client, {"action": "prepare", "args": arguments})
        assert reply["code"] != 0
        assert {"req_id", "stmt_id", "is_insert"} <= reply.keys()
        reply = await ask(client, {"action": "exec", "args": {"req_id": 1, "stmt_id": 999}})
        assert {"req_id", "stmt_id"} <= reply.keys()

    asyncio.run(check())


def test_broken_messages_are_answered_and_harm_nobody(server: EmbeddedServer) -> None:
    sent = [json.loads(line) for line in (RECORDINGS / "wire.jsonl").read_text(encoding="utf-8").splitlines()]
    messages: list[str | bytes] = [
        bytes.fromhex(record["hex"]) if "hex" in record else record["text"]
        for record in sent
        if record.get("dir") == "client"
    ]
    chance = random.Random(4)

    async def check() -> None:
        client = await opened(server)
        for _ in range(400):
            message = chance.choice(messages)
            at = chance.randrange(len(message))
            if isinstance(message, bytes):
                broken: str | bytes = message[:at] + chance.randbytes(chance.randrange(4)) + message[at + 1 :]
            else:
                broken = message[:at] + chance.choice(["", "{", '"', "null", "9" * 30]) + message[at + 1 :]
                if "free_result" in broken:
                    continue
            reply = await ask(client, broken)
            assert isinstance(reply, bytes) or {"code", "message", "action", "req_id"} <= reply.keys()

    asyncio.run(check())
    assert rows(server.connect(), "select 1") == [(1,)]


def test_a_client_that_vanishes_in_mid_result_leaves_nothing_behind(
    server: EmbeddedServer, connection: taosws.Connection
) -> None:
    fill(connection, "big", 20_000)

    async def check() -> None:
        client = await opened(server)
        reply = await ask(client, frames.encode_query(1, "select * from d.big"))
        await ask(client, frames.encode_fetch(2, reply["id"]))
        client.close()

    asyncio.run(check())
    connection.execute("drop table big")
    assert rows(connection, "select 1") == [(1,)]


# Through taosws.


def fill(connection: taosws.Connection, table: str, count: int) -> None:
    """A table of so many rows, a millisecond apart."""
    connection.execute(f"create table {table} (ts timestamp, a int, b nchar(8))")
    statement = connection.stmt2_statement()
    statement.prepare(f"insert into {table} values (?, ?, ?)")
    for start in range(0, count, 10_000):
        part = range(start, min(start + 10_000, count))
        columns = [
            taosws.millis_timestamps_to_column([TS + at for at in part]),
            taosws.ints_to_column(list(part)),
            taosws.nchar_to_column([f"n{at % 100}" for at in part]),
        ]
        statement.bind([taosws.stmt2_bind_param_view(None, None, columns)])
        assert statement.execute() == len(part)
    statement.close()


def test_a_large_result_comes_complete_and_in_order_while_others_query(
    server: EmbeddedServer, connection: taosws.Connection
) -> None:
    fill(connection, "large", 100_000)
    result = connection.query("select a, b from large")
    other = server.connect("d")
    seen = 0
    for number, name in result:
        assert (number, name) == (seen, f"n{seen % 100}")
        if seen % 25_000 == 0:
            assert rows(other, "select count(*) from large") == [(100_000,)]
        seen += 1
    assert seen == 100_000


def test_a_slow_query_does_not_hold_up_another_connection(
    server: EmbeddedServer, connection: taosws.Connection
) -> None:
    fill(connection, "slow", 100_000)
    sql = "select count(*), percentile(a, 50) from slow interval(100a) sliding(1a) order by percentile(a, 50) limit 1"

    async def check() -> None:
        busy, quick = await opened(server), await opened(server)
        await ask(busy, frames.encode_query(1, "use d"))
        await busy.write_message(frames.encode_query(2, sql), binary=True)
        slow = asyncio.ensure_future(answered(busy))
        assert (await ask(quick, frames.encode_query(1, "select 1")))["code"] == 0
        assert not slow.done()
        assert (await slow)["code"] == 0

    asyncio.run(check())


def test_statements_bind_every_type(connection: taosws.Connection) -> None:
    connection.execute(
        "create table kinds (ts timestamp, a bool, b tinyint, c smallint, d int, e bigint, f float, g double, "
        "h varchar(5), i nchar(5), j tinyint unsigned, k smallint unsigned, l int unsigned, m bigint unsigned)"
    )
    statement = connection.stmt2_statement()
    statement.prepare(f"insert into kinds values ({', '.join('?' * 14)})")
    columns = [
        *(taosws.millis_timestamps_to_column([TS, TS + 1]), taosws.bools_to_column([True, None])),
        *(taosws.tiny_ints_to_column([-128, None]), taosws.small_ints_to_column([-32768, None])),
        *(taosws.ints_to_column([-(2**31), None]), taosws.big_ints_to_column([-(2**63), None])),
        *(taosws.floats_to_column([0.5, None]), taosws.doubles_to_column([0.1, None])),
        *(taosws.varchar_to_column(["é", None]), taosws.nchar_to_column(["日本語です", None])),
        *(taosws.unsigned_tiny_ints_to_column([255, None]), taosws.unsigned_small_ints_to_column([65535, None])),
        *(taosws.unsigned_ints_to_column([2**32 - 1, None]), taosws.unsigned_big_ints_to_column([2**64 - 1, None])),
    ]
    statement.bind([taosws.stmt2_bind_param_view(None, None, columns)])
    assert statement.execute() == 2
    statement.close()
    full, empty = rows(connection, "select * from kinds")
    assert full[1:] == (
        *(True, -128, -32768, -(2**31), -(2**63), 0.5, 0.1, "é", "日本語です", 255, 65535, 2**32 - 1, 2**64 - 1),
    )
    assert empty[1:] == (None,) * 13


def test_the_older_statement_writes_what_the_document_binds(connection: taosws.Connection) -> None:
    connection.execute("create table bound (ts timestamp, name nchar(5), volume int unsigned)")
    statement = connection.statement()
    statement.prepare("insert into bound values (?, ?, ?)")
    columns = [
        taosws.millis_timestamps_to_column([TS, TS + 1]),
        taosws.nchar_to_column(["a", None]),
        taosws.ints_to_column([7, -1]),
    ]
    statement.bind_param(columns)
    statement.add_batch()
    assert statement.execute() == 2
    assert [row[1:] for row in rows(connection, "select * from bound")] == [("a", 7), (None, 2**32 - 1)]


def test_a_statement_binds_several_children_at_once(connection: taosws.Connection) -> None:
    connection.execute("create stable many (ts timestamp, v int) tags (g int)")
    statement = connection.stmt2_statement()
    statement.prepare("insert into ? using many tags (?) values (?, ?)")
    views = [
        taosws.stmt2_bind_param_view(
            f"many{at}",
            [taosws.int_to_tag(at)],
            [taosws.millis_timestamps_to_column([TS, TS + 1]), taosws.ints_to_column([at, at + 1])],
        )
        for at in range(5)
    ]
    statement.bind(views)
    assert statement.execute() == 10
    statement.close()
    assert rows(connection, "select g, sum(v) from many group by g order by g") == [(at, 2 * at + 1) for at in range(5)]


def test_rows_written_by_many_connections_at_once_all_arrive(
    server: EmbeddedServer, connection: taosws.Connection
) -> None:
    connection.execute("create table crowd (ts timestamp, a int)")

    async def one(number: int) -> None:
        client = await opened(server)
        for at in range(20):
            sql = f"insert into d.crowd values ({TS + number * 1000 + at}, {at})"
            assert (await ask(client, frames.encode_query(at, sql)))["affected_rows"] == 1

    async def check() -> None:
        await asyncio.gather(*(one(number) for number in range(10)))

    asyncio.run(check())
    assert rows(connection, "select count(*) from crowd") == [(200,)]


@pytest.mark.parametrize(
    ("precision", "per_ms", "to_column", "first"),
    [
        ("us", 10**3, taosws.micros_timestamps_to_column, "2026-01-02 03:04:05.000007 +00:00"),
        ("ns", 10**6, taosws.nanos_timestamps_to_column, "2026-01-02 03:04:05.000000007 +00:00"),
    ],
)
def test_a_finer_precision_goes_through_every_kind_of_bind(
    connection: taosws.Connection, precision: str, per_ms: int, to_column: Callable[[list[int]], Any], first: str
) -> None:
    table, start = f"fine_{precision}.t", TS * per_ms
    connection.execute(f"create database fine_{precision} precision '{precision}'")
    connection.execute(f"create table {table} (ts timestamp, other timestamp)")
    sql = f"insert into {table} values (?, ?)"
    newer = connection.stmt2_statement()
    newer.prepare(sql)
    newer.bind([taosws.stmt2_bind_param_view(None, None, [to_column([start + 7]), to_column([start + 1])])])
    assert newer.execute() == 1
    older = connection.statement()
    older.prepare(sql)
    older.bind_param([to_column([start + 8]), to_column([start + 2])])
    older.add_batch()
    assert older.execute() == 1
    connection.execute(f"insert into {table} values ({start + 9}, '2026-01-02 03:04:05.123456789')")
    text = int("123456789"[: len(str(per_ms)) + 2])
    assert rows(connection, f"select cast(ts as bigint), cast(other as bigint) from {table}") == [
        (start + 7, start + 1),
        (start + 8, start + 2),
        (start + 9, start + text),
    ]
    assert rows(connection, f"select ts from {table} limit 1") == [(first,)]
    newer.prepare(f"select cast(other as bigint) from {table} where ts = ?")
    newer.bind([taosws.stmt2_bind_param_view(None, None, [to_column([start + 8])])])
    newer.execute()
    found = newer.result_set()
    assert list(found) == [(start + 2,)]
    assert rows(connection, f"select count(*) from {table} where ts > now - 1s") == [(0,)]


def test_request_ids_of_the_users_choice_are_taken(connection: taosws.Connection) -> None:
    connection.execute_with_req_id("create table chosen (ts timestamp, a int)", 2**63 + 1)
    assert connection.execute_with_req_id(f"insert into chosen values ({TS}, 1)", 0) == 1
    result = connection.query_with_req_id("select a from chosen", 2**64 - 1)
    assert list(result) == [(1,)]
    cursor = connection.cursor()
    cursor.execute_with_req_id("select a from d.chosen", req_id=5)
    assert cursor.fetchall() == [(1,)]


def test_a_cursor_writes_many_and_reads_by_pieces(connection: taosws.Connection) -> None:
    connection.execute("create table pieces (ts timestamp, a int)")
    cursor = connection.cursor()
    values = [{"ts": TS + at, "a": at} for at in range(5)]
    assert cursor.execute_many("insert into d.pieces values ({ts}, {a})", values) == 5
    cursor.execute("select a from d.pieces")
    assert (cursor.fetchone(), cursor.fetchmany(2), cursor.fetchmany(9)) == ((0,), [(1,), (2,)], [(3,), (4,)])
    cursor.execute("select a from d.pieces limit 1")
    assert cursor.fetch_all_into_dict() == [{"a": 0}]


def test_the_older_statement_names_its_table_and_tags(connection: taosws.Connection) -> None:
    connection.execute("create stable named (ts timestamp, v float) tags (g int, loc nchar(5))")
    statement = connection.statement()
    statement.prepare("insert into ? using named tags (?, ?) values (?, ?)")
    for number in (1, 2):
        statement.set_tbname(f"named{number}")
        statement.set_tags([taosws.int_to_tag(number), taosws.nchar_to_tag("é")])
        statement.bind_param([taosws.millis_timestamps_to_column([TS, TS + 1]), taosws.floats_to_column([0.5, None])])
        statement.add_batch()
    assert statement.execute() == 4
    statement = connection.statement()
    statement.prepare("insert into ? values (?, ?)")
    for name in ("named1", "d.named2"):
        statement.set_tbname(name)
        statement.bind_param([taosws.millis_timestamps_to_column([TS + 2]), taosws.floats_to_column([9])])
        statement.add_batch()
    assert statement.execute() == 2
    assert rows(connection, "select g, loc, count(*), sum(v) from named group by g, loc order by g") == [
        (1, "é", 3, 9.5),
        (2, "é", 3, 9.5),
    ]
    statement = connection.statement()
    statement.prepare("insert into ? values (?, ?)")
    with pytest.raises(taosws.ProgrammingError):
        statement.set_tbname("nosuch")


def test_a_bind_of_several_existing_and_new_children_is_all_or_nothing(connection: taosws.Connection) -> None:
    connection.execute("create stable several (ts timestamp, v int) tags (g int)")
    statement = connection.stmt2_statement()
    statement.prepare("insert into d.? using d.several (g) tags (?) (ts, v) values (?, ?)")

    def view(name: str, values: Any) -> Any:
        return taosws.stmt2_bind_param_view(
            name, [taosws.int_to_tag(1)], [taosws.millis_timestamps_to_column([TS]), values]
        )

    statement.bind([view("several1", taosws.ints_to_column([1])), view("several2", taosws.ints_to_column([2]))])
    assert statement.execute() == 2
    with pytest.raises(taosws.ProgrammingError, match="0x0200"):
        statement.bind([view("several1", taosws.ints_to_column([9])), view("several3", taosws.floats_to_column([2]))])
    statement.close()
    assert rows(connection, "select tbname, v from several order by tbname") == [("several1", 1), ("several2", 2)]


def test_schemaless_inserts_are_refused_in_so_many_words(connection: taosws.Connection) -> None:
    lines = ["meters,location=a current=10.3 1626006833639000000"]
    protocol, precision = taosws.PySchemalessProtocol.Line, taosws.PySchemalessPrecision.Nanosecond
    with pytest.raises(taosws.OperationalError, match="does not know schemaless inserts"):
        connection.schemaless_insert(lines, protocol, precision, 0, 1)


@pytest.mark.parametrize("scheme", ["ws", "taosws", "taosws+ws", "taos+ws", "http"])
def test_a_dsn_connects(server: EmbeddedServer, connection: taosws.Connection, scheme: str) -> None:
    dsn = f"{scheme}://root:taosdata@127.0.0.1:{server.port}/d"
    reached = taosws.connect(dsn)
    assert rows(reached, "select database()") == [("d",)]


def test_a_wrong_password_or_user_is_refused(server: EmbeddedServer) -> None:
    for user, password in (("root", "wrong"), ("nobody", "taosdata")):
        with pytest.raises(taosws.ConnectionError, match="0x0357"):
            taosws.connect(host="127.0.0.1", port=server.port, user=user, password=password)


def test_the_password_comes_from_the_environment() -> None:
    with running(password="secret") as guarded:
        taosws.connect(host="127.0.0.1", port=guarded.port, user="root", password="secret")
        with pytest.raises(taosws.ConnectionError, match="0x0357"):
            guarded.connect()


def test_rows_go_when_they_are_old_enough_and_none_before() -> None:
    keep = 1.0
    with running("--keep", "1s") as forgetful:
        connection = forgetful.connect()
        connection.execute("create database d")
        connection.execute("create table d.t (ts timestamp, a int)")
        began = time.monotonic()
        sent: list[float] = []
        pause = threading.Event()
        while time.monotonic() - began < 2.5 * keep:
            sent.append(time.monotonic())
            connection.execute(f"insert into d.t values ({TS + len(sent)}, {len(sent) - 1})")
            found = {row[0] for row in rows(connection, "select a from d.t")}
            answered_at = time.monotonic()
            young = {at for at, moment in enumerate(sent) if answered_at - moment < keep}
            assert young <= found
            pause.wait(0.02)
        assert 0 not in found
        deadline = time.monotonic() + 10
        while rows(connection, "select a from d.t"):
            assert time.monotonic() < deadline
            pause.wait(0.05)


# REST.


def post(
    server: EmbeddedServer, sql: str, path: str = "/rest/sql", header: str | None = "", user: str = "root:taosdata"
) -> tuple[int, Any]:
    """HTTP status and JSON of a statement; `header` None leaves the authorization out."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", data=sql.encode())
    if header is not None:
        request.add_header("Authorization", header or "Basic " + base64.b64encode(user.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_rest_answers_queries_updates_and_errors(server: EmbeddedServer, connection: taosws.Connection) -> None:
    connection.execute("create table web (ts timestamp, f float, n nchar(5), v varchar(5), ok bool)")
    inserted = post(
        server, f"insert into web values ({TS}, 0.1, '日', 'a', true) ({TS + 1}, null, null, null, null)", "/rest/sql/d"
    )
    assert inserted == (200, {"code": 0, "column_meta": [["affected_rows", "INT", 4]], "data": [[2]], "rows": 1})
    assert post(server, "select * from d.web") == (
        200,
        {
            "code": 0,
            "column_meta": [
                *(["ts", "TIMESTAMP", 8], ["f", "FLOAT", 4], ["n", "NCHAR", 5], ["v", "VARCHAR", 5], ["ok", "BOOL", 1]),
            ],
            "data": [
                ["2026-01-02T03:04:05.000Z", 0.1, "日", "a", True],
                ["2026-01-02T03:04:05.001Z", None, None, None, None],
            ],
            "rows": 2,
        },
    )
    assert post(server, "selec 1") == (200, {"code": 0x2600, "desc": 'syntax error near "selec 1"'})
    assert post(server, "select * from web") == (200, {"code": 0x2616, "desc": "Database not specified"})


def test_rest_turns_away_who_has_no_or_a_wrong_password(server: EmbeddedServer) -> None:
    assert post(server, "select 1", header=None) == (401, {"code": 0x1105, "desc": "no auth info input"})
    assert post(server, "select 1", header="Nonsense x")[0] == 401
    assert post(server, "select 1", header="Basic x")[0] == 401
    assert post(server, "select 1", user="root:wrong") == (200, {"code": 855, "desc": "Authentication failure"})


def test_rest_wants_a_statement(server: EmbeddedServer) -> None:
    assert post(server, "")[0] == 400


def test_rest_streams_more_than_one_block(server: EmbeddedServer, connection: taosws.Connection) -> None:
    fill(connection, "web2", 10_000)
    _, answer = post(server, "select a from web2", "/rest/sql/d")
    assert (answer["rows"], answer["data"][9_999]) == (10_000, [9_999])


def test_rest_survives_any_body(server: EmbeddedServer) -> None:
    chance = random.Random(5)
    for _ in range(100):
        sql = "".join(chance.choice("select from*()'\"`;,.?\\\n1tx%日\0 ") for _ in range(chance.randrange(1, 60)))
        status, answer = post(server, sql)
        assert status in (200, 400)
        assert "code" in answer


def test_taosrest_works(server: EmbeddedServer, connection: taosws.Connection) -> None:
    connection.execute("create table rest_client (ts timestamp, a int)")
    client = taosrest.connect(url=f"http://127.0.0.1:{server.port}", user="root", password="taosdata", database="d")
    assert client.execute(f"insert into rest_client values ({TS}, 5)") == 1
    result = client.query("select a, ts from rest_client")
    assert [row[0] for row in result.data] == [5]
    assert client.server_info == "3.3.7.5"


def test_ping_answers(server: EmbeddedServer) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/-/ping", timeout=5) as response:
        assert (response.status, response.read()) == (200, b"")


def test_of_many_that_create_what_does_not_exist_none_is_told_that_it_does(server: EmbeddedServer) -> None:
    statements = [
        statement
        for number in range(10)
        for statement in (
            f"create database if not exists many{number}",
            f"create table if not exists many{number}.t (ts timestamp, i int)",
        )
    ]

    def create(_: int) -> list[int]:
        return [post(server, statement)[1]["code"] for statement in statements]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(create, range(8))) == [[0] * 20] * 8
    for number in range(10):
        post(server, f"drop database many{number}")
