"""Who is let in: tokens and cookies beyond loopback, hosts, origins, and how many."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError
from tornado.websocket import websocket_connect

from asking import TOKEN, get, serve, websocket
from conftest import Start
from parts import Part, free_port, get_json, sql
from viewers import Viewer, Watched, chromium
from waiting import eventually
from web import access
from web.access import Access

ADDRESSES = ["/", "/status", "/static/perspective.css", "/websocket", "/nothing"]


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_on_loopback_no_token_is_asked_for(address: str) -> None:
    assert Access.made(address, [], False).token is None


def test_beyond_loopback_nothing_is_answered_without_the_token(start: Start) -> None:
    server, port = serve(start, "--address", "0.0.0.0")
    for path in ADDRESSES:
        assert get(port, path).status == 403
        assert get(port, path, Cookie=f"perspective_127.0.0.1_{port}=guess").status == 403
    with pytest.raises(HTTPClientError, match="403"):
        websocket(port)
    assert "?token=" in server.says("serving http")


def test_the_page_trades_the_token_for_a_cookie_that_scripts_and_other_sites_never_see(start: Start) -> None:
    server, port = serve(start, "--address", "0.0.0.0")
    token = server.says("serving").split("?token=")[1]
    answer = get(port, f"/?token={token}")
    assert answer.status == 200
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    assert token not in cookie
    assert get(port, "/status", Cookie=cookie).status == 503
    assert get(port, "/status", Cookie=cookie, Authorization="Basic cHJveHk6aXRz").status == 503
    websocket(port, Cookie=cookie)


def test_a_program_shows_the_token_in_a_header_or_in_the_address(start: Start) -> None:
    _, port = serve(start, "--address", "0.0.0.0", PSP_TOKEN=TOKEN)
    websocket(port, f"?token={TOKEN}")
    websocket(port, Authorization=f"Bearer {TOKEN}")
    assert get(port, "/status", Authorization=f"Bearer {TOKEN}").headers["Set-Cookie"] is None
    assert get(port, "/status", Authorization="Bearer wrong").status == 403


def test_the_cookie_of_ones_own_token_is_good_after_a_restart(start: Start) -> None:
    one, other = Access(token=TOKEN), Access(token=TOKEN)
    assert other.knows(one.cookie)
    assert not Access(token="another-token-of-mine").knows(one.cookie)
    assert not one.knows(None)


def test_a_token_of_ones_own_is_not_printed(start: Start) -> None:
    server, port = serve(start, "--address", "0.0.0.0", PSP_TOKEN=TOKEN, LOG_LEVEL="debug")
    assert get(port, f"/?token={TOKEN}").status == 200
    assert TOKEN not in server.output


def test_a_token_in_an_address_is_in_no_log(start: Start) -> None:
    server, port = serve(start, "--address", "0.0.0.0", "--log-level", "debug", PSP_TOKEN=TOKEN)
    get(port, f"/?token={TOKEN}")
    get(port, f"/nothing?token={TOKEN}")
    get(port, f"/?token={TOKEN}&v=%ff")
    server.says("404 /nothing")
    server.says("400 /")
    assert TOKEN not in server.output


def test_a_token_that_is_too_short_is_one_line_and_exit_1(start: Start) -> None:
    server = start("perspective_server.py", "--port", str(free_port()), env={"PSP_TOKEN": "short"})
    assert server.wait() == 1
    assert server.output.count("\n") == 1
    assert "take 16 or more" in server.output


def test_no_token_lets_everybody_in_and_says_so(start: Start) -> None:
    server, port = serve(start, "--address", "0.0.0.0", "--no-token")
    assert get(port, "/").status == 200
    assert "everybody who reaches 0.0.0.0 may look" in server.output


def test_wrong_tokens_are_slowed_down_and_no_right_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    now = [0.0]
    guarded = Access(token=TOKEN, clock=lambda: now[0])

    async def guess() -> None:
        for _ in range(access.FREE_MISTAKES):
            assert not await guarded.admits(b"wrong", "192.0.2.1")
        assert waited == []
        for _ in range(10):
            assert not await guarded.admits(b"wrong", "192.0.2.1")
        assert waited == [access.PAUSE_SECONDS] * 10
        for address in ("192.0.2.1", "192.0.2.2"):
            assert await guarded.admits(TOKEN.encode(), address)
        assert not await guarded.admits(b"wrong", "192.0.2.2")
        assert len(waited) == 10
        now[0] = access.FORGET_SECONDS + 1
        assert not await guarded.admits(b"wrong", "192.0.2.1")
        assert len(waited) == 10

    asyncio.run(guess())


def test_guesses_made_side_by_side_wait_for_each_other_or_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, most, waited = 0, 0, 0

    async def sleep(_: float) -> None:
        nonlocal waiting, most, waited
        waiting, waited = waiting + 1, waited + 1
        most = max(most, waiting)
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.01)
        waiting -= 1

    monkeypatch.setattr(asyncio, "sleep", sleep)
    guarded = Access(token=TOKEN)

    async def guess() -> None:
        for _ in range(access.FREE_MISTAKES):
            await guarded.admits(b"wrong", "192.0.2.1")
        assert not any(await asyncio.gather(*(guarded.admits(b"wrong", "192.0.2.1") for _ in range(50))))

    asyncio.run(guess())
    assert (most, waited) == (1, access.MAX_WAITING)


def test_behind_a_proxy_who_has_the_token_is_let_in_while_others_guess(start: Start) -> None:
    """They all come from one address. Before, who had it waited for its turn among them, or was turned away."""
    _, port = serve(start, PSP_TOKEN=TOKEN)
    began = time.monotonic()
    guessing = [
        threading.Thread(target=get, args=(port, f"/status?token=wrong{number}"), daemon=True) for number in range(60)
    ]
    for each in guessing:
        each.start()
    eventually(lambda: sum(each.is_alive() for each in guessing) <= access.MAX_WAITING)
    assert any(each.is_alive() for each in guessing)
    assert {get(port, f"/status?token={TOKEN}").status for _ in range(55)} == {503}
    websocket(port, Authorization=f"Bearer {TOKEN}")
    assert any(each.is_alive() for each in guessing)
    for each in guessing:
        each.join(20)
    assert time.monotonic() - began > access.MAX_WAITING * access.PAUSE_SECONDS


def test_the_addresses_of_guessers_are_forgotten_before_they_fill_the_memory() -> None:
    guarded = Access(token=TOKEN)

    async def guess() -> None:
        for number in range(access.MAX_ADDRESSES + 500):
            await guarded.admits(b"wrong", f"2001:db8::{number:x}")

    asyncio.run(guess())
    assert len(guarded._mistakes) == access.MAX_ADDRESSES


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        *((host, True) for host in ("localhost", "localhost:1234", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST")),
        *((host, True) for host in ("demo.example", "demo.example:443")),
        *(
            (host, False)
            for host in ("evil.example", "192.0.2.1", "localhost.evil.example", "", "[", "a b", "@localhost.x")
        ),
    ],
)
def test_hosts_on_loopback(host: str, answered: bool) -> None:
    assert Access.made("127.0.0.1", ["https://demo.example"], False).answers_to(host) is answered


@pytest.mark.parametrize(
    ("host", "answered"), [("192.0.2.1:8080", True), ("[2001:db8::1]", True), ("evil.example", False)]
)
def test_hosts_beyond_loopback_may_be_addresses_which_nobody_can_rebind(host: str, answered: bool) -> None:
    assert Access.made("0.0.0.0", [], False).answers_to(host) is answered


def test_pages_may_come_from_an_origin_that_the_server_was_told_of(start: Start) -> None:
    _, port = serve(start, "--allow-origin", "https://demo.example")
    websocket(port, Origin="https://demo.example")
    websocket(port, Origin="https://demo.example", Host="demo.example")
    with pytest.raises(HTTPClientError, match="403"):
        websocket(port, Origin="https://other.example")
    assert get(port, "/", Host="demo.example").status == 200


def test_one_viewer_too_many_is_told_so(start: Start) -> None:
    _, port = serve(start, "--max-viewers", "2")
    viewers = [Viewer(f"http://127.0.0.1:{port}") for _ in range(2)]

    async def refused() -> tuple[int | None, str | None]:
        connection = await websocket_connect(f"ws://127.0.0.1:{port}/websocket")
        assert await connection.read_message() is None
        return connection.close_code, connection.close_reason

    assert asyncio.run(refused()) == (1013, "there are 2 viewers already: try again later")
    viewers.pop().close()
    eventually(lambda: get_json(f"http://127.0.0.1:{port}/status")[1]["viewers"] == 1)
    viewers.append(Viewer(f"http://127.0.0.1:{port}"))
    viewers[-1].tables()
    for viewer in viewers:
        viewer.close()


@contextlib.contextmanager
def evil_page(script: str) -> Iterator[str]:
    """A page with this script on another port, which browsers take for the same site but another origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<script>{script}</script>".encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def test_another_origins_page_gets_neither_the_cookie_nor_what_it_opens(start: Start) -> None:
    _, port = serve(start, "--address", "0.0.0.0", PSP_TOKEN=TOKEN)
    script = f"""
        const at = "127.0.0.1:{port}";
        window.theft = async () => ({{
            cookie: document.cookie,
            status: await fetch(`http://${{at}}/status`, {{ credentials: "include" }})
                .then((answer) => answer.text(), () => "refused"),
            socket: await new Promise((done) => {{
                const socket = new WebSocket(`ws://${{at}}/websocket`);
                socket.onopen = () => done("open");
                socket.onerror = () => done("refused");
            }}),
            frame: await new Promise((done) => {{
                const frame = document.createElement("iframe");
                frame.src = `http://${{at}}/`;
                frame.onload = () => {{
                    try {{ done(frame.contentDocument ? "blank" : "refused"); }} catch {{ done("refused"); }}
                }};
                document.body.append(frame);
            }}),
        }});
    """
    with chromium() as browser, evil_page(script) as evil:
        victim = Watched(browser)
        victim.page.goto(f"http://127.0.0.1:{port}/?token={TOKEN}")
        own = "return (await fetch('/status')).status"
        assert victim.until(own) == 503
        assert victim.page.url == f"http://127.0.0.1:{port}/"
        assert victim.page.evaluate("document.cookie") == ""
        victim.page.goto(evil)
        stolen = victim.until("return await window.theft()")
    assert stolen == {"cookie": "", "status": "refused", "socket": "refused", "frame": "refused"}


def test_the_password_is_seen_nowhere(start: Start) -> None:
    taos_port, password = free_port(), "S3cret-of-mine"
    start("-m", "embedded", "--port", str(taos_port), env={"TAOS_PASSWORD": "other"}).says("listening")
    with pytest.raises(Exception, match=r"401|403|Authentication"):
        sql(taos_port, "SHOW DATABASES")
    port = free_port()
    options = ["--port", str(port), "--taos-port", str(taos_port), "--log-level", "debug"]
    server = start("perspective_server.py", *options, env={"TAOS_PASSWORD": password})
    assert server.wait() == 1
    assert password not in server.output
    waiting, port = serve(start, "--log-level", "debug", TAOS_PASSWORD=password)
    waiting.says("waiting for TDengine")
    assert password not in waiting.output + str(get_json(f"http://127.0.0.1:{port}/status"))
    for line in (f"/proc/{waiting.process.pid}/cmdline", f"/proc/{feed_of(waiting)}/cmdline"):
        with open(line) as arguments:
            assert password not in arguments.read()


def feed_of(server: Part) -> int:
    """The process id of a server's feed."""
    with open(f"/proc/{server.process.pid}/task/{server.process.pid}/children") as children:
        return int(children.read().split()[0])


def test_the_server_only_reads(start: Start) -> None:
    """So an account that may only read is enough for it: all that it says to TDengine are SELECT and DESCRIBE."""
    taos_port = free_port()
    embedded = start("-m", "embedded", "--port", str(taos_port), "--log-level", "debug")
    embedded.says("listening")
    start("producer.py", "--taos-port", str(taos_port), "--batches", "2").wait()
    written = len(embedded.output)
    port = free_port()
    start("perspective_server.py", "--port", str(port), "--taos-port", str(taos_port)).says("live")
    eventually(lambda: embedded.output[written:].count("query ") > 6)
    asked = {line.split("query ")[1].split()[0] for line in embedded.output[written:].splitlines() if "query " in line}
    assert asked == {"SELECT", "DESCRIBE"}
