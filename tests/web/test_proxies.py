"""Behind a proxy: under a path, buffered, cut where it is idle; and the configuration of nginx that is documented."""

import asyncio
import re
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tornado.websocket import websocket_connect

import perspective_server
from conftest import Start
from in_process import application, serving
from parts import ROOT, free_port, get_json
from viewers import Viewer, Watched, chromium
from waiting import eventually

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


class PathProxy:
    """Serves what is at a port of loopback under /demo/.

    Holds what a websocket brings back for `hold` seconds, and cuts one over which nothing has come for `idle`.
    """

    def __init__(self, target: int, hold: float = 0.0, idle: float = 60.0) -> None:
        self.target = target
        self.hold = hold
        self.idle = idle
        self.port = free_port()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one request on, and all that follows where it is a websocket's."""
        with suppress(OSError, asyncio.IncompleteReadError):
            header = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            assert header.split(" ", 2)[1].startswith("/demo/"), header
            header, hold = header.replace(" /demo/", " /", 1), self.hold
            if "upgrade: websocket" not in header.lower():
                hold = 0.0
                header = re.sub(r"(?i)connection: .*\r\n", "", header).replace("\r\n", "\r\nConnection: close\r\n", 1)
            inner, outer = await asyncio.open_connection("127.0.0.1", self.target)
            outer.write(header.encode("latin-1"))
            upwards = asyncio.ensure_future(self.upwards(reader, outer))
            while piece := await asyncio.wait_for(inner.read(2**20), self.idle):
                await asyncio.sleep(hold)
                writer.write(piece)
                await writer.drain()
            upwards.cancel()
            outer.close()
        writer.close()

    async def upwards(self, reader: asyncio.StreamReader, outer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(2**16):
                outer.write(piece)

    @contextmanager
    def running(self) -> Iterator[str]:
        """The address of what it serves, while it does, in a thread of its own."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        begun = asyncio.start_server(self.handle, "127.0.0.1", self.port, limit=2**20)
        asyncio.run_coroutine_threadsafe(begun, loop).result(5)
        yield f"http://127.0.0.1:{self.port}/demo/"
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)


def test_under_a_path_and_buffered_the_page_shows_live_rows_and_history(
    start: Start, taos_port: int, server: str
) -> None:
    start("producer.py", "--taos-port", str(taos_port))
    eventually(lambda: get_json(server + "/status")[1].get("rows"))
    with PathProxy(int(server.rpartition(":")[2]), hold=0.1).running() as address, chromium() as browser:
        watched = Watched(browser)
        watched.page.goto(address)
        newest = "document.querySelector('#age').textContent"
        watched.rows("c.timestamp.length === 1000")
        watched.state("live")
        assert watched.until(f"return {newest} !== '–'")
        watched.page.click("#mode [value=history]")
        watched.until("return document.querySelector('#span').textContent", 60)
        watched.drawn()
        asked = [url for url in watched.requests if not url.startswith(("blob:", "data:"))]
        assert {"websocket", "history", "status"} <= {re.split(r"[?#]", url)[0].rpartition("/")[2] for url in asked}
        assert all(f":{address.split(':')[2]}" in url for url in asked)
        assert watched.problems == []


def test_a_proxy_that_cuts_idle_connections_after_30_s_cuts_none() -> None:
    assert application(perspective_server.parse_options([])).settings["websocket_ping_interval"] <= 25


@pytest.mark.parametrize(("interval", "cut"), [(0.2, False), (None, True)])
def test_it_is_the_servers_pings_that_keep_an_idle_connection(interval: float | None, cut: bool) -> None:
    async def test() -> None:
        async with serving(websocket_ping_interval=interval) as port:  # type: ignore[arg-type]
            proxy = PathProxy(port, idle=0.6)
            listening = await asyncio.start_server(proxy.handle, "127.0.0.1", proxy.port)
            viewer = await websocket_connect(f"ws://127.0.0.1:{proxy.port}/demo/websocket")
            closing = asyncio.ensure_future(viewer.read_message())
            done, _ = await asyncio.wait([closing], timeout=1.5)
            assert bool(done) == cut
            closing.cancel()
            viewer.close()
            listening.close()

    asyncio.run(test())


@pytest.mark.skipif(not Path(NGINX).exists(), reason="needs nginx")
def test_the_configuration_of_nginx_that_is_documented_works(start: Start, server: str, tmp_path: Path) -> None:
    (documented,) = re.findall(r"(?ms)^```nginx\n(.*?)^```", (ROOT / "docs/starting.md").read_text())
    documented = documented.replace("127.0.0.1:8080", server.removeprefix("http://"))
    port = free_port()
    (tmp_path / "nginx.conf").write_text(
        f"""daemon off; error_log stderr; pid {tmp_path}/pid; events {{}}
        http {{ access_log off; client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;
        fastcgi_temp_path {tmp_path}/a; uwsgi_temp_path {tmp_path}/b; scgi_temp_path {tmp_path}/c;
        server {{ listen 127.0.0.1:{port}; {documented} }} }}"""
    )
    with subprocess.Popen([NGINX, "-e", "stderr", "-c", tmp_path / "nginx.conf"]) as nginx:
        try:
            eventually(lambda: get_json(f"http://127.0.0.1:{port}/demo/status")[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/demo") as page:
                assert page.url == f"http://127.0.0.1:{port}/demo/"
                assert b"<perspective-viewer" in page.read()
            viewer = Viewer(f"http://127.0.0.1:{port}/demo")
            assert viewer.tables() == []
            viewer.close()
        finally:
            nginx.terminate()
