"""What other connectors ask of taosAdapter: the WebSocket's older actions, and the details of REST.

Found with the test suites of taos-connector-python, taos-connector-node and driver-go; taosAdapter's source
(controller/ws, controller/rest) says the same.
"""

import asyncio
import base64
import gzip
import json
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from embedded_socket import ask, opened
from tornado.websocket import WebSocketClientConnection

from embedded.protocol import blocks, frames
from embedded.types import INT, Type
from embedded_server import EmbeddedServer, running

TS = 1767323045000
BASIC = "Basic " + base64.b64encode(b"root:taosdata").decode()


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running() as started:
        connection = started.connect()
        connection.execute("create database d")
        connection.execute("create table d.t (ts timestamp, i int, n nchar(5))")
        connection.execute(f"insert into d.t values ({TS}, 1, '日') ({TS + 1000}, null, null)")
        connection.execute("create table d.m (ts timestamp, i int) tags (g int, place varchar(8))")
        yield started


class Client:
    """A socket whose actions all succeed, or are asked for their code and message."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket = socket

    async def does(self, action: str, **arguments: Any) -> Any:
        """The reply of an action, JSON or bytes."""
        reply = await ask(self.socket, {"action": action, "args": {"req_id": 1, **arguments}})
        assert isinstance(reply, bytes) or reply["code"] == 0, reply
        return reply

    async def fails(self, action: str, **arguments: Any) -> tuple[int, str]:
        reply = await ask(self.socket, {"action": action, "args": {"req_id": 1, **arguments}})
        return reply["code"], reply["message"]


def test_a_result_is_fetched_by_the_older_actions(server: EmbeddedServer) -> None:
    async def check() -> None:
        client = Client(await opened(server, "/rest/ws"))
        result = (await client.does("query", sql="select i, n from d.t"))["id"]
        assert (await client.does("num_fields", result_id=result))["num_fields"] == 2
        fetched = await client.does("fetch", id=result)
        assert (fetched["completed"], fetched["rows"], fetched["lengths"]) == (False, 2, [4, 22])
        message = await client.does("fetch_block", id=result)
        assert struct.unpack_from("<Q", message, 8) == (result,)
        assert [values for _, values in blocks.decode(message[16:])] == [[1, None], ["日", None]]
        assert (await client.does("fetch", id=result))["completed"]
        assert await client.fails("fetch", id=result) == (0xFFFF, "result is nil")
        assert await client.fails("fetch_block", id=result) == (0xFFFF, "result is nil")

    asyncio.run(check())


def test_a_statement_tells_of_its_fields_and_parameters(server: EmbeddedServer) -> None:
    async def check() -> None:
        client = Client(await opened(server, "/rest/stmt"))
        statement = (await client.does("init"))["stmt_id"]
        await client.does("prepare", stmt_id=statement, sql="insert into ? using d.m tags (?, ?) values (?, ?)")
        await client.does("set_table_name", stmt_id=statement, name="d.m1")
        tags = (await client.does("get_tag_fields", stmt_id=statement))["fields"]
        assert [(field["name"], field["field_type"], field["bytes"]) for field in tags] == [
            *(("g", 4, 4), ("place", 8, 10)),
        ]
        columns = (await client.does("get_col_fields", stmt_id=statement))["fields"]
        assert [(field["name"], field["field_type"]) for field in columns] == [("ts", 9), ("i", 4)]
        assert (await client.does("stmt_num_params", stmt_id=statement))["num_params"] == 2
        parameter = await client.does("stmt_get_param", stmt_id=statement, index=1)
        assert (parameter["data_type"], parameter["length"]) == (4, 4)
        assert (await client.fails("stmt_get_param", stmt_id=statement, index=2))[0] != 0
        await client.does("set_tags", stmt_id=statement, tags=[1, "here"])
        await client.does("bind", stmt_id=statement, columns=[[TS, TS + 1], [7, None]])
        await client.does("add_batch", stmt_id=statement)
        assert (await client.does("exec", stmt_id=statement))["affected"] == 2

    asyncio.run(check())


def test_a_statement_that_asks_has_its_result_by_use_result(server: EmbeddedServer) -> None:
    async def check() -> None:
        client = Client(await opened(server, "/rest/stmt"))
        statement = (await client.does("init"))["stmt_id"]
        assert not (await client.does("prepare", stmt_id=statement, sql="select i from d.t where i = ?"))["is_insert"]
        assert (await client.does("stmt_num_params", stmt_id=statement))["num_params"] == 1
        block = blocks.encode(pa.record_batch([pa.array([1], pa.int32())], names=["i"]), [Type.of(INT)])
        reply = await ask(client.socket, struct.pack("<QQQ", 1, statement, frames.BIND) + block)
        assert reply["code"] == 0
        await client.does("add_batch", stmt_id=statement)
        await client.does("exec", stmt_id=statement)
        reply = await client.does("use_result", stmt_id=statement)
        assert reply["fields_names"] == ["i"]
        assert (await client.does("fetch", id=reply["result_id"]))["rows"] == 1

    asyncio.run(check())


def test_closing_a_statement_is_not_answered(server: EmbeddedServer) -> None:
    async def check() -> None:
        client = Client(await opened(server, "/rest/stmt"))
        statement = (await client.does("init"))["stmt_id"]
        await client.socket.write_message(json.dumps({"action": "close", "args": {"req_id": 2, "stmt_id": statement}}))
        reply = await client.does("get_current_db")
        assert reply["action"] == "get_current_db"

    asyncio.run(check())


def test_binds_that_do_not_fit_are_refused_in_taosadapters_words(server: EmbeddedServer) -> None:
    async def check() -> None:
        client = Client(await opened(server, "/rest/stmt"))
        statement = (await client.does("init"))["stmt_id"]
        await client.does("prepare", stmt_id=statement, sql="insert into ? using d.m tags (?, ?) values (?, ?)")
        assert (await client.fails("set_table_name", stmt_id=statement, name="d." + "x" * 193))[0] != 0
        await client.does("set_table_name", stmt_id=statement, name="d.m2")
        code, message = await client.fails("bind", stmt_id=statement, columns=[[TS, TS + 1], [7]])
        assert (code, message.rpartition(":")[2]) == (0xFFFF, "wrong row length")

    asyncio.run(check())


def test_options_of_a_connection_set_its_zone(server: EmbeddedServer) -> None:
    async def check() -> None:
        client = Client(await opened(server))
        await client.does("options_connection", options=[{"option": 1, "value": "Asia/Shanghai"}])
        result = (await client.does("query", sql="select to_unixtimestamp('1970-01-01 08:00:00')"))["id"]
        await client.does("fetch", id=result)
        message = await client.does("fetch_block", id=result)
        assert [values for _, values in blocks.decode(message[16:])] == [[0]]
        code, _ = await client.fails("options_connection", options=[{"option": 1, "value": "Nowhere/At_All"}])
        assert code == 0x0118
        assert (await client.fails("options_connection", options=[{"option": 77, "value": "x"}]))[0] != 0

    asyncio.run(check())


def test_the_columns_of_an_uneven_stmt2_bind_are_named(server: EmbeddedServer) -> None:
    async def check() -> None:
        client = Client(await opened(server))
        statement = (await client.does("stmt2_init", single_stb_insert=False))["stmt_id"]
        await client.does("stmt2_prepare", stmt_id=statement, sql="insert into d.t (ts, i) values (?, ?)")
        item = struct.pack("<IiI", 22 + 8, 9, 1) + b"\0\0" + struct.pack("<Iq", 8, TS)
        short = struct.pack("<IiI", 22 + 8, 4, 2) + b"\0\0" + struct.pack("<Iq", 8, 1)
        columns = item + short
        body = (
            struct.pack("<IIIIIII", 28 + 4 + len(columns), 1, 0, 2, 0, 0, 28)
            + struct.pack("<I", len(columns))
            + columns
        )
        reply = await ask(client.socket, struct.pack("<QQQHi", 5, statement, frames.STMT2_BIND, 1, -1) + body)
        assert reply["message"].startswith("bind data length error, tableIndex: 0, fieldIndex: ")

    asyncio.run(check())


# REST.


def post(
    server: EmbeddedServer, sql: str | bytes, path: str = "/rest/sql", headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """HTTP status and body of a statement."""
    body = sql.encode() if isinstance(sql, str) else sql
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", data=body)
    for name, value in ({"Authorization": BASIC} | (headers or {})).items():
        request.add_header(name, value)
    return _opened(request)


def _opened(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def data(answer: tuple[int, bytes]) -> Any:
    """The rows of an answer that must be one."""
    status, body = answer
    assert status == 200, body
    return json.loads(body)["data"]


def test_rest_answers_without_blanks(server: EmbeddedServer) -> None:
    _, body = post(server, "select i from d.t limit 1")
    assert body == b'{"code":0,"column_meta":[["i","INT",4]],"data":[[1]],"rows":1}'


def test_rest_creates_a_database_that_its_address_names(server: EmbeddedServer) -> None:
    assert data(post(server, "create database nodb", "/rest/sql/nodb")) == [[0]]
    assert data(post(server, "select 1", "/rest/sql/neither")) == [[1]]
    assert json.loads(post(server, "select * from t", "/rest/sql/neither")[1])["code"] == 0x0388


def test_rest_reads_a_compressed_statement(server: EmbeddedServer) -> None:
    compressed = gzip.compress(b"select 41 + 1")
    assert data(post(server, compressed, headers={"Content-Encoding": "gzip"})) == [[42.0]]
    assert post(server, b"no gzip", headers={"Content-Encoding": "gzip"})[0] == 400


def test_rest_gives_a_token_for_later_requests(server: EmbeddedServer) -> None:
    where = f"http://127.0.0.1:{server.port}/rest/login/root/"
    status, body = _opened(urllib.request.Request(where + "taosdata"))
    token = json.loads(body)["desc"]
    assert (status, json.loads(body)["code"]) == (200, 0)
    assert data(post(server, "select 1", headers={"Authorization": f"Taosd {token}"})) == [[1]]
    assert post(server, "select 1", headers={"Authorization": "Taosd wrong"})[0] == 401
    assert _opened(urllib.request.Request(where + "wrong"))[0] == 401


def test_rest_shows_times_in_one_zone_and_reads_them_in_another(server: EmbeddedServer) -> None:
    shown = "select ts from d.t limit 1"
    read = "select to_unixtimestamp('1970-01-01 08:00:00')"
    assert data(post(server, shown, "/rest/sql?tz=Asia/Shanghai")) == [["2026-01-02T11:04:05.000+08:00"]]
    assert data(post(server, read, "/rest/sql?tz=Asia/Shanghai")) == [[8 * 3_600_000]]
    assert data(post(server, read, "/rest/sql?conn_tz=Asia/Shanghai")) == [[0]]
    assert data(post(server, shown, "/rest/sql?conn_tz=Asia/Shanghai")) == [["2026-01-02T11:04:05.000+08:00"]]
    for zone in ("tz=Nowhere", "conn_tz=Nowhere"):
        assert post(server, shown, f"/rest/sql?{zone}")[0] == 400


def test_rest_names_the_columns_of_rows_if_asked(server: EmbeddedServer) -> None:
    assert data(post(server, "select i, n from d.t limit 1", "/rest/sql?row_with_meta=true")) == [{"i": 1, "n": "日"}]
    assert post(server, "select 1", "/rest/sql?row_with_meta=perhaps")[0] == 400
    assert json.loads(post(server, "select 1", "/rest/sql?timing=true")[1])["timing"] > 0
