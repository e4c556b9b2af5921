"""Attacks on a running server, one a test. After each the table is whole and an honest viewer is served on time."""

import asyncio
import http.client
import os
import random
import signal
import socket
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import perspective
import pytest
from tornado.httpclient import HTTPClientError

from attacked import COLUMNS, Target, leave, resident_kib
from frames import VIEWING, config, delimited, filter_by, handshake, make_view, masked, request, varint
from fuzz import attacks
from parts import Part, free_port, get_json, history_workers, stopped
from viewers import Viewer, Watched, chromium
from waiting import eventually
from web.gate import FILTER_OPS


@pytest.mark.parametrize("path", ["/websocket", "/history"])
@pytest.mark.parametrize("number", sorted(set(range(5, 64)) - VIEWING))
def test_a_request_that_is_not_for_viewing_is_refused(target: Target, number: int, path: str) -> None:
    (answer,) = target.ask(request(number, b"", msg_id=7), path=path)
    assert answer is not None
    assert answer.startswith(b"\x08\x07")
    assert b"read-only" in answer


Change = Callable[[perspective.AsyncClient, Any], Awaitable[Any]]
ROWS = {"ticker": ["EVIL"]}
CHANGES: dict[str, Change] = {
    "delete": lambda client, table: table.delete(),
    "update": lambda client, table: table.update(ROWS),
    "replace": lambda client, table: table.replace(ROWS),
    "clear": lambda client, table: table.clear(),
    "remove": lambda client, table: table.remove([1]),
    "make a table": lambda client, table: client.table(ROWS, name="evil"),
    "make the table anew": lambda client, table: client.table(ROWS, name="stock_values"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_python_client_may_not(target: Target, change: str) -> None:
    viewer = Viewer(target.address)

    async def attack() -> None:
        await CHANGES[change](viewer.client, await viewer.client.open_table("stock_values"))

    try:
        with pytest.raises(perspective.PerspectiveError, match="read-only"):
            viewer.call(attack())
    finally:
        viewer.close()


def test_the_browsers_client_may_not_either(target: Target) -> None:
    script = """
        const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
        const { ready } = await import(loaded.find((name) => name.includes("/static/viewer.js")));
        await ready;
        const { Client } = customElements.get("perspective-viewer").__wasm_module__;
        const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/websocket");
        socket.binaryType = "arraybuffer";
        await new Promise((resolve) => (socket.onopen = resolve));
        const client = new Client(async (bytes) => socket.send(bytes.slice()), async () => socket.close());
        socket.onmessage = (event) => client.handle_response(new Uint8Array(event.data));
        const table = await client.open_table("stock_values");
        const attempts = {
            update: () => table.update({ ticker: ["EVIL"] }),
            replace: () => table.replace({ ticker: ["EVIL"] }),
            clear: () => table.clear(),
            table: () => client.table({ x: [1] }, { name: "evil" }),
            delete: () => table.delete(),
        };
        const said = {};
        for (const [name, attempt] of Object.entries(attempts))
            said[name] = await attempt().then(() => "done", (error) => String(error));
        return said;
    """
    with chromium() as browser:
        watched = Watched(browser)
        watched.page.goto(target.address)
        said: Any = watched.until(script, seconds=60)
    assert len(said) == 5
    assert all("read-only" in text for text in said.values()), said


def test_another_viewers_view_can_be_neither_read_nor_followed_nor_deleted(target: Target) -> None:
    async def attack() -> list[bytes]:
        owner, thief = await target.connect(), await target.connect()
        await owner.write_message(make_view("private"), binary=True)
        await owner.read_message()
        answers = []
        for message in (
            *(request(number, b"", "private") for number in (10, 11, 12, 14, 15, 16, 21, 24, 25, 26, 34, 36)),
            make_view("private"),
        ):
            await thief.write_message(message, binary=True)
            answer = await thief.read_message()
            assert isinstance(answer, bytes)
            answers.append(answer)
        await owner.write_message(request(12, b"", "private"), binary=True)
        dimensions = await owner.read_message()
        assert isinstance(dimensions, bytes)
        assert b"read-only" not in dimensions
        await leave(owner, thief)
        return answers

    assert all(b"read-only" in answer for answer in asyncio.run(attack()))


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"", id="nothing, which ends Perspective's own server"),
        pytest.param(b"\xff" * 100, id="noise"),
        pytest.param(request(16, b"", "a view")[:-9], id="a message cut short"),
        pytest.param("text", id="a text frame"),
        pytest.param(b"\x00" * (2**16 + 1), id="a message that is too long"),
        pytest.param(delimited(28, b""), id="a request without a number"),
    ],
)
@pytest.mark.parametrize("path", ["/websocket", "/history"])
def test_the_websocket_of_one_that_sends_this_is_closed(target: Target, message: bytes | str, path: str) -> None:
    assert target.ask(message, path=path) == [None]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(request(7) + request(28), id="a deletion behind a question"),
        pytest.param(request(28) + request(7), id="a deletion before a question"),
        pytest.param(make_view("v", filter_by("ticker", "==")), id="a filter without a value, which ends Perspective"),
        pytest.param(make_view("stock_values"), id="a view with the table's name"),
    ],
)
def test_refused_is(target: Target, message: bytes) -> None:
    (answer,) = target.ask(message)
    assert answer is not None
    assert b"read-only" in answer


@pytest.mark.parametrize("path", ["/websocket", "/history"])
def test_a_viewer_that_wants_a_thousand_views_has_sixteen(target: Target, path: str) -> None:
    table = "stock_values" if path == "/websocket" else "stocks_values"
    answers = target.ask(*(make_view(f"many{number}", table=table) for number in range(1000)), path=path)
    assert [answer is not None and b"read-only" in answer for answer in answers] == [False] * 16 + [True] * 984


HISTORY_NAMES = ["x`", "ticker` FROM stocks.stocks_values; DROP DATABASE stocks; --", "../stocks", "information_schema"]


@pytest.mark.parametrize("name", HISTORY_NAMES)
def test_names_in_questions_about_history_are_names_or_nothing(target: Target, name: str) -> None:
    answers = target.ask(
        make_view("a", config(columns=[name]), table="stocks_values"),
        make_view("b", config(group_by=[name], columns=["open"]), table="stocks_values"),
        make_view("c", filter_by(name, "==", b"\x32\x01a"), table="stocks_values"),
        make_view("d", delimited(5, delimited(1, name.encode()) + b"\x10\x01"), table="stocks_values"),
        make_view("e", table=name),
        request(8, b"", name),
        path="/history",
    )
    assert all(answer is not None and delimited(50, b"")[:1] in answer for answer in answers)
    assert all(answer is not None and b"Traceback" not in answer for answer in answers)
    assert all(b"no column" in (answer or b"") for answer in answers[:4])
    assert all(b"no table" in (answer or b"") for answer in answers[4:])


@pytest.mark.parametrize(
    "period", ["1h'; DROP DATABASE stocks; --", "x" * 5000, "%00", "-1--2", "99999999999999999999-1", "%ff"]
)
def test_a_time_range_that_is_none_is_refused(target: Target, period: str) -> None:
    path = "/history?range=" + (period if period.startswith("%") else urllib.parse.quote(period))
    (answer,) = target.ask(make_view("v", table="stocks_values"), path=path)
    assert answer is not None
    assert b"no time range" in answer


def test_fuzzed_questions_about_history(target: Target) -> None:
    """Some hundred that the workers have to understand: none ends one, and each is answered."""
    chance = random.Random(8)
    names = [*COLUMNS, "timestamp by minute", "nothing"]

    def question(number: int) -> bytes:
        columns = chance.sample(names, chance.randint(0, 3))
        made = config(chance.sample(names, chance.randint(0, 2)), columns=columns)
        value = chance.choice([b"\x08\x01", b"\x21" + b"\xff" * 8, b"\x32\x03abc", b"\x38\x00", b"\x32\x02'\\"])
        if chance.random() < 0.5:
            made += filter_by(chance.choice(names), chance.choice(sorted(FILTER_OPS)), *[value] * chance.randint(0, 2))
        if chance.random() < 0.5:
            made += delimited(5, delimited(1, chance.choice(names).encode()) + b"\x10" + varint(chance.randint(0, 9)))
        return make_view(f"v{number}", made, msg_id=number, table="stocks_values")

    async def attack() -> int:
        websocket = await target.connect("/history?range=1m")
        answered = 0
        for number in range(1, 151):
            viewport = delimited(1, b"\x08\x00\x18\x05")
            for message in (question(number), request(16, viewport, f"v{number}"), request(11, b"", f"v{number}")):
                await websocket.write_message(message, binary=True)
                answer = await asyncio.wait_for(websocket.read_message(), 10)
                assert isinstance(answer, bytes), (number, message)
                assert b"has ended: ask again" not in answer, message
                answered += 1
        await leave(websocket)
        return answered

    assert asyncio.run(attack()) == 3 * 150


@pytest.mark.alone
def test_a_question_that_never_ends_holds_nobody_up(target: Target) -> None:
    """Its worker is stopped, which is as good: another viewer is answered, this one is told, the worker replaced."""

    async def question(path: str, number: int) -> bytes:
        websocket = await target.connect(path)
        await websocket.write_message(make_view(f"slow{number}", table="stocks_values"), binary=True)
        await websocket.read_message()
        await websocket.write_message(request(12, b"", f"slow{number}"), binary=True)
        answer = await asyncio.wait_for(websocket.read_message(), 20)
        await leave(websocket)
        assert isinstance(answer, bytes)
        return answer

    async def attack() -> None:
        await question("/history", 0)
        (worker, *_) = history_workers(target.server)
        os.kill(worker, signal.SIGSTOP)
        slow = asyncio.ensure_future(question("/history", 1))
        quick = [await question("/history", number) for number in range(2, 6)]
        assert all(b"longer than" not in answer for answer in quick)
        assert await asyncio.to_thread(target.age_ms) < 1000
        answers = [*quick, await slow]
        assert not any(b"has ended: ask again" in answer for answer in answers)
        await asyncio.to_thread(eventually, lambda: worker not in history_workers(target.server), 20)

    asyncio.run(attack())


def test_a_question_that_nobody_waits_for_any_more_is_given_up(target: Target) -> None:
    async def attack() -> None:
        websocket = await target.connect("/history")
        await websocket.write_message(make_view("left", table="stocks_values"), binary=True)
        await websocket.read_message()
        workers = history_workers(target.server)
        with stopped(workers):
            await websocket.write_message(request(12, b"", "left"), binary=True)
            await websocket.write_message(request(3, b"", "left"), binary=True)
            await asyncio.sleep(0)
            await leave(websocket)
            await asyncio.to_thread(eventually, lambda: set(workers) - set(history_workers(target.server)), 5)

    asyncio.run(attack())


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:1",
        "http://127.0.0.1",
        "null",
        "file://",
        "http://127.0.0.1.evil.example",
    ],
)
def test_a_page_of_another_origin_cannot_connect(target: Target, origin: str) -> None:
    with pytest.raises(HTTPClientError, match="403"):
        asyncio.run(target.connect(Origin=origin))


def test_a_page_of_the_servers_own_origin_can(target: Target) -> None:
    async def connect() -> None:
        await leave(await target.connect(Origin=target.address))

    asyncio.run(connect())


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "192.0.2.1", ""]
)
@pytest.mark.parametrize("path", ["/", "/status", "/static/perspective.css", "/websocket", "/nothing"])
def test_a_name_that_was_rebound_gets_nothing(target: Target, path: str, host: str) -> None:
    status, _, body = target.get(path, Host=host)
    assert status in (400, 403)
    assert "stock" not in body
    assert "<html" not in body


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../perspective_server.py", "/static/%2e%2e/perspective_server.py", "/..%2f..%2fetc/passwd"),
        *("/static/..\\..\\producer.py", "//etc/passwd", "/static//etc/passwd", "/static/perspective.js%00.py"),
        *("/static/", "/tdengine/sql.py", "/.git/config", "/venv/", "/x/../live/feed.py", "/static/perspective.js/"),
    ],
)
def test_there_is_no_way_out_of_the_static_files(target: Target, path: str) -> None:
    assert target.get(path)[0] in (400, 404)


@pytest.mark.parametrize("path", ["/", "/status", "/static/perspective.css", "/nothing", "/websocket"])
def test_every_answer_carries_the_security_headers(target: Target, path: str) -> None:
    _, headers, _ = target.get(path)
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe-eval" not in headers["content-security-policy"].replace("wasm-unsafe-eval", "")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_change_nothing(target: Target, method: str) -> None:
    for path in ("/", "/status", "/websocket"):
        connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=10)
        connection.request(method, path, body=b"x" * 10)
        assert connection.getresponse().status in (403, 405)
        connection.close()


def test_oversized_requests_are_cut_off(target: Target) -> None:
    for head in (b"GET / HTTP/1.1\r\nX: " + b"a" * 2**17, b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", target.port), 10) as attacker:
            attacker.sendall(head)
            with suppress(ConnectionResetError):
                assert b"200 OK" not in attacker.recv(4096)


@pytest.mark.alone
def test_input_that_drips_holds_nobody_up(target: Target) -> None:
    """A hundred connections, each with a request that is never finished."""
    dripping = []
    for number in range(100):
        attacker = socket.create_connection(("127.0.0.1", target.port), 10)
        attacker.sendall(
            b"GET / HTTP/1.1\r\nHost: localh" if number % 2 else handshake(target.port) + b"\x82\xfe\x40\x00ab"
        )
        dripping.append(attacker)
    assert target.age_ms() < 1000
    for attacker in dripping:
        attacker.sendall(b"o")
    assert target.age_ms() < 1000
    for attacker in dripping:
        attacker.close()


def test_frames_that_break_the_websocket_protocol_end_that_websocket_only(target: Target) -> None:
    for frame in (
        b"\xff\xff" * 8,
        b"\x80\x00",
        b"\x88\x7f",
        b"\x89\xfe\x01\x00",
        b"\x82\x7f" + b"\xff" * 8,
        b"\x02\x00\x82\x00",
    ):
        with socket.create_connection(("127.0.0.1", target.port), 10) as attacker:
            attacker.sendall(handshake(target.port) + frame)
            attacker.shutdown(socket.SHUT_WR)
            while attacker.recv(65536):
                pass


@pytest.mark.alone
@pytest.mark.parametrize("path", ["/websocket", "/history?range=1m"])
def test_fuzzed_requests(target: Target, path: str) -> None:
    """Some thousand of all kinds, with all numbers; seeded. `python tests/fuzz.py` goes on for as long as one likes."""
    end = time.monotonic() + 8
    seen, memory = asyncio.run(attacks(target, path, 6, lambda: time.monotonic() < end))
    assert all(seen[what] > 100 for what in ("refused", "answered", "closed")), seen
    for pid, (first, now, _) in memory.sizes.items():
        assert memory.names[pid] == "live.engine" or now - first < 64 or first < 40, (memory.names[pid], first, now)
    assert target.server.process.pid in memory.alive


@pytest.mark.alone
def test_viewers_of_history_that_read_nothing_hold_little(target: Target) -> None:
    """Six of them, each asking again and again for as many rows as an answer may have, with the smallest of buffers.

    They go on answering pings, as what they are sent is more than their buffers hold, and they never look.
    """
    before = resident_kib(target.server.process.pid)
    stuck = []
    told = target.server.output.count("does not read: disconnected")
    for number in range(6):
        attacker = socket.socket()
        attacker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        attacker.connect(("127.0.0.1", target.port))
        view = f"unread{number}"
        attacker.sendall(handshake(target.port, "/history?range=all") + masked(make_view(view, table="stocks_values")))
        rows = delimited(1, b"\x08\x00\x18" + varint(20_000))
        attacker.sendall(masked(request(16, rows, view)) * 50)
        stuck.append(attacker)
    closed, most = 0, 0
    end = time.monotonic() + 40
    while closed < len(stuck) and time.monotonic() < end:
        most = max(most, resident_kib(target.server.process.pid) - before)
        closed = target.server.output.count("does not read: disconnected") - told
        assert get_json(target.address + "/status")[0] == 200
    for attacker in stuck:
        attacker.close()
    assert closed >= len(stuck)
    assert most < len(stuck) * 5 * 1024


@pytest.mark.alone
def test_two_hundred_viewers_at_once(target: Target) -> None:
    async def crowd() -> None:
        websockets = await asyncio.gather(*(target.connect() for _ in range(200)))
        for number, websocket in enumerate(websockets):
            for message in (
                make_view(f"crowd{number}"),
                request(16, b"", f"crowd{number}"),
                request(21, b"\x08\x00", f"crowd{number}"),
            ):
                await websocket.write_message(message, binary=True)
        for _ in range(4):
            await asyncio.gather(*(websocket.read_message() for websocket in websockets))
        assert await asyncio.to_thread(target.age_ms) < 1500
        await leave(*websockets)

    asyncio.run(crowd())
    eventually(lambda: get_json(target.address + "/status")[1]["viewers"] == 1)


@pytest.mark.alone
def test_a_viewer_that_asks_without_end_is_answered_at_its_turn(target: Target) -> None:
    """The whole table, asked for by ten viewers as fast as they can for a second: the honest one is served."""

    async def greedy(end: float) -> int:
        websocket = await target.connect()
        name = f"greedy{id(websocket)}"
        await websocket.write_message(make_view(name), binary=True)
        await websocket.read_message()
        answered = 0
        while time.monotonic() < end:
            await websocket.write_message(request(26, b"", name), binary=True)
            await websocket.read_message()
            answered += 1
        await leave(websocket)
        return answered

    async def attack() -> list[int]:
        end = time.monotonic() + 2
        return await asyncio.gather(*(greedy(end) for _ in range(10)))

    with ThreadPoolExecutor() as pool:
        attacking = pool.submit(asyncio.run, attack())
        ages = []
        while not attacking.done():
            ages.append(target.age_ms())
        assert all(attacking.result())
    assert sorted(ages)[len(ages) // 2] < 1000


@pytest.mark.alone
def test_viewers_that_never_read_are_disconnected_and_cost_the_others_nothing(target: Target) -> None:
    """Twenty of them, each asking for the whole table again and again, with the smallest of buffers."""
    before = resident_kib(target.server.process.pid)
    stuck = []
    for number in range(20):
        attacker = socket.socket()
        attacker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        attacker.connect(("127.0.0.1", target.port))
        attacker.sendall(handshake(target.port) + masked(make_view(f"stuck{number}")))
        attacker.sendall(masked(request(21, b"\x08\x00", f"stuck{number}")))
        attacker.sendall(masked(request(26, b"", f"stuck{number}")) * 300)
        stuck.append(attacker)
    eventually(lambda: get_json(target.address + "/status")[1]["viewers"] == 1, 20)
    assert target.server.output.count("does not read: disconnected") >= 20
    for attacker in stuck:
        attacker.close()
    assert resident_kib(target.server.process.pid) - before < 64 * 1024


@pytest.mark.parametrize(
    "table", ["t'; DROP TABLE stocks_values; --", "stocks_values WHERE 1=1", 'x" OR ""="', "../stocks_values"]
)
def test_sql_in_a_table_name_is_a_name(target: Target, tmp_path: Path, table: str) -> None:
    port = free_port()
    options = ["--port", str(port), "--taos-port", str(target.taos_port), "--table", table]
    other = Part(tmp_path / "other.log", "perspective_server.py", *options)
    try:
        other.says("Table does not exist")
        assert get_json(f"http://127.0.0.1:{port}/status")[1]["rows"] == 0
    finally:
        other.kill()
