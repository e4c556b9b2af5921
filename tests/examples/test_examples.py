"""Each example, as it is: its own page, programs and notebook over one running demo that asks for a token."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import nbclient
import nbformat
import pytest

from conftest import Start
from parts import ROOT, Part, children_of, free_port, sql
from viewers import SIZE, VIEWER, Viewer, Watched, chromium
from waiting import eventually

EXAMPLES = ROOT / "examples"
TOKEN = "a-token-of-twenty"
RUN_HERE = {
    *("client.py", "read_history.py", "feed_your_own.py", "virtual_server.py"),
    *("viewer.html", "notebook.ipynb"),
}
TICKERS = 13


class Quiet(SimpleHTTPRequestHandler):
    """Files, without a line for each."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Where somebody's own page comes from."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(EXAMPLES)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def server(running_taos: int, origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    """A server with rows, which all examples share."""
    for (name,) in sql(running_taos, "SHOW DATABASES"):
        if not name.endswith("_schema"):
            sql(running_taos, f"DROP DATABASE `{name}`")
    logs, port, taos = tmp_path_factory.mktemp("demo"), str(free_port()), ("--taos-port", str(running_taos))
    command = ("perspective_server.py", "--port", port, *taos, "--allow-origin", origin)
    parts = [
        Part(logs / "producer.log", "producer.py", *taos),
        Part(logs / "server.log", *command, env={"PSP_TOKEN": TOKEN}),
    ]
    parts[1].says("live")
    eventually(lambda: sql(running_taos, "SELECT COUNT(*) FROM stocks.stocks_values")[0][0] >= 1000, 15)
    yield parts[1]
    for part in parts:
        part.kill()


@pytest.fixture(scope="module")
def demo(server: Part) -> str:
    """Its address."""
    return server.says("serving").split("//")[1].split("/")[0].replace("localhost", "127.0.0.1")


def finished(name: str, *arguments: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    """An example that ends by itself."""
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        env={**os.environ, "PSP_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )


def test_every_example_is_run_here_and_is_read_in_one_screen() -> None:
    found = {path.name: path for path in EXAMPLES.iterdir() if path.is_file()}
    assert found.keys() == RUN_HERE
    for path in found.values():
        text = path.read_text()
        if path.suffix == ".ipynb":
            text = "\n".join(cell.source for cell in nbformat.reads(text, as_version=4).cells)
        assert len(text.splitlines()) <= 60, path


def test_the_client_prints_the_newest_price_of_each_ticker_until_it_is_stopped(start: Start, demo: str) -> None:
    client = start("examples/client.py", f"ws://{demo}/websocket", env={"PSP_TOKEN": TOKEN})
    eventually(lambda: client.output.count("\n") >= 2 or client.process.poll() is not None, 15)
    lines = client.output.splitlines()
    assert [len(re.findall(r"[A-Z]+\.N \d+\.\d\d", line)) for line in lines[:2]] == [TICKERS] * 2
    assert lines[0] != lines[1]
    assert client.stop(signal.SIGINT) == 0
    assert "Traceback" not in client.output


@pytest.mark.parametrize("name", ["client.py", "read_history.py"])
def test_a_program_without_the_token_says_so_in_one_line(name: str, demo: str) -> None:
    arguments = [f"ws://{demo}/websocket"] if name == "client.py" else ["1m", "stocks_values", f"http://{demo}"]
    ended = finished(name, *arguments, token="")
    assert ended.returncode == 1
    assert re.fullmatch(rf"{name}: .*token.*\n", ended.stderr)


def test_history_is_read_into_whichever_data_frame_there_is(demo: str) -> None:
    ended = finished("read_history.py", "1h", "stocks_values", f"http://{demo}")
    assert ended.returncode == 0, ended.stderr
    counted = re.fullmatch(r"([\d,]+) rows, 9 columns, in (polars|pandas|pyarrow)", ended.stdout.splitlines()[-1])
    assert counted is not None
    assert int(counted[1].replace(",", "")) >= 1000
    wrong = finished("read_history.py", "1x", "stocks_values", f"http://{demo}")
    assert wrong.stderr.startswith("read_history.py: '1x' is no time range: all, 30s")


def test_load_and_memory_of_this_machine_become_a_super_table(start: Start, running_taos: int, demo: str) -> None:
    feed = start("examples/feed_your_own.py", env={"TAOS_PORT": str(running_taos)})
    feed.says("writing to machine.sensors")
    count = "SELECT sensor, COUNT(*) FROM machine.sensors GROUP BY sensor"
    eventually(lambda: min((n for _, n in sql(running_taos, count)), default=0) >= 2, 15)
    assert {"load_1", "load_5", "load_15"} <= {sensor for sensor, _ in sql(running_taos, count)}
    assert feed.stop(signal.SIGINT) == 0
    assert feed.output == "writing to machine.sensors; Ctrl-C stops\n"
    nowhere = start("examples/feed_your_own.py", env={"TAOS_PORT": str(free_port())})
    assert nowhere.wait() == 1
    assert re.fullmatch(r"feed_your_own.py: .*is there a TDengine.*\n", nowhere.output)


def test_the_virtual_server_answers_from_the_whole_table(start: Start, running_taos: int, demo: str) -> None:
    port = free_port()
    start("-m", "examples.virtual_server", "--port", str(port), "--taos-port", str(running_taos)).says("serving")
    viewer = Viewer(f"http://127.0.0.1:{port}")
    assert "stocks_values" in viewer.tables()

    async def volumes() -> tuple[list[str], int, int]:
        table = await viewer.client.open_table("stocks_values")
        view = await table.view(group_by=["ticker"], columns=["volume"], aggregates={"volume": "sum"})
        columns = await view.to_columns()
        return columns["__ROW_PATH__"], columns["volume"][0], sum(columns["volume"][1:])

    path, total, of_all = viewer.call(volumes())
    assert len(path) == 1 + TICKERS
    assert total == of_all > 0
    viewer.close()
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "a" * 24,
    }
    for origin, status in (("http://localhost:8000", 101), ("http://localhost.example", 403)):
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/websocket", headers={**upgrade, "Origin": origin})
        assert connection.getresponse().status == status
        connection.close()


def moves(watched: Watched) -> None:
    """Wait until the page has the pivot, and then until that has changed."""
    pivot = f"const c = await (await {VIEWER}.getView()).to_columns();"
    first = watched.until(f"{pivot} return c.volume.length === {1 + TICKERS} && c.volume[0]")
    watched.until(f"{pivot} return c.volume[0] !== {first}")


def test_somebodys_own_page_shows_the_live_table_in_either_way(server: Part, demo: str, origin: str) -> None:
    with chromium() as browser:
        pages = [Watched(browser.new_context(viewport=SIZE), outage=True) for _ in range(2)]
        for watched, how in zip(pages, ("", "&replicated"), strict=True):
            watched.page.goto(f"{origin}/viewer.html?server=http://{demo}{how}#{TOKEN}")
        for watched in pages:
            moves(watched)
            assert [each for each in watched.problems if "is deprecated" not in each] == []
            asked = {request.split("/")[2] for request in watched.requests if request.startswith(("http", "ws"))}
            assert asked == {demo, origin.removeprefix("http://")}
        (engine,) = children_of(server, "live.engine")
        os.kill(engine, signal.SIGKILL)  # and its viewers' websockets are closed
        eventually(lambda: engine not in children_of(server, "live.engine"))
        for watched in pages:
            moves(watched)


LIKE_A_BROWSER = """
def send(content, buffers=None):
    loop.call_soon_threadsafe(lambda: asyncio.ensure_future(browser.handle_response(bytes(buffers[0]))))

async def ask(message):
    widget.handle_message(widget, {"type": "binary_msg", "client_id": "browser"}, [message])

async def close():
    pass

loop, widget.send, browser = asyncio.get_running_loop(), send, perspective.AsyncClient(ask, close)
widget.handle_message(widget, {"type": "connect", "client_id": "browser"}, [])
shown = await (await browser.open_table(widget.table_name)).view(group_by=widget.group_by, columns=widget.columns)
len((await shown.to_columns())["volume"])
"""
"""What the widget's part in a browser does with it."""


def test_the_notebook_shows_the_live_table(demo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PSP_SERVER", f"ws://{demo}/websocket")
    monkeypatch.setenv("PSP_TOKEN", TOKEN)
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in codes)
    notebook.cells.append(nbformat.v4.new_code_cell(LIKE_A_BROWSER))
    nbclient.NotebookClient(notebook, timeout=20, kernel_name="python3").execute()
    connected, widget, means = (cell.outputs[0] for cell in codes)
    assert connected["text"] == "1000 rows\n"
    assert "application/vnd.jupyter.widget-view+json" in widget["data"]
    assert len(re.findall(r"'[A-Z]+\.N': \d", means["data"]["text/plain"])) == TICKERS
    assert notebook.cells[-1].outputs[0]["data"]["text/plain"] == str(1 + TICKERS)
