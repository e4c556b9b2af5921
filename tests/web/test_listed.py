"""/tables, /figures and /metrics, and that nothing leads to a database that is not offered."""

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

from asking import TOKEN, get, serve
from conftest import Start
from parts import Part, free_port, get_json, sql
from viewers import Viewer
from waiting import eventually

MADE = [
    "CREATE DATABASE power",
    "CREATE STABLE power.meters (ts TIMESTAMP, v INT) TAGS (g INT)",
    "INSERT INTO power.d1 USING power.meters TAGS (1) VALUES (NOW, 7)",
    "CREATE DATABASE stocks",
    "CREATE TABLE stocks.plain (ts TIMESTAMP, v INT)",
    "CREATE DATABASE hidden",
    "CREATE TABLE hidden.secret (ts TIMESTAMP, v INT)",
    "INSERT INTO hidden.secret VALUES (NOW, 42)",
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that offers two databases of three."""
    logs, taos, port = tmp_path_factory.mktemp("tables"), free_port(), free_port()
    embedded = Part(logs / "embedded.log", "-m", "embedded", "--port", str(taos))
    embedded.says("listening")
    for statement in MADE:
        sql(taos, statement)
    databases = ["--database", "power", "--database", "stocks", "--table", "meters"]
    options = ["--port", str(port), "--taos-port", str(taos), *databases]
    server = Part(logs / "server.log", "perspective_server.py", *options)
    eventually(lambda: get_json(f"http://127.0.0.1:{port}/status")[0] == 200)
    yield f"http://127.0.0.1:{port}"
    server.kill()
    embedded.kill()


def test_the_tables_are_listed_and_looked_for(address: str) -> None:
    status, told = get_json(address + "/tables")
    assert (status, told["first"], told["databases"]) == (200, "power.meters", ["power", "stocks"])
    listed = [(each["database"], each["table"], each["kind"], each["parent"]) for each in told["tables"]]
    assert listed == [
        ("power", "meters", "super", None),
        ("power", "d1", "child", "meters"),
        ("stocks", "plain", "table", None),
    ]
    assert [each["table"] for each in get_json(address + "/tables?like=LAI")[1]["tables"]] == ["plain"]
    assert get_json(address + "/tables?like=secret")[1]["tables"] == []


def test_figures_say_how_the_tables_do(address: str) -> None:
    told = get_json(address + "/figures")[1]["tables"]
    assert [(each["table"], sum(each["beats"])) for each in told] == [("meters", 1), ("plain", 0)]
    assert (told[0]["newest"] is None, told[1]["newest"] is None) == (False, True)


def test_metrics_are_lines_that_prometheus_reads(address: str) -> None:
    with urllib.request.urlopen(address + "/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = answer.read().decode()
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) \w+ .+|\w+(\{\w+=\"[^\"]*\"(,\w+=\"[^\"]*\")*\})? [-+.e\d]+", line), line
    assert text.endswith("\n")
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(figures['perspective_polls_total{table="power.meters"}']) > 0
    assert float(figures['perspective_rows{table="power.meters"}']) == 1
    assert float(figures['perspective_child_deaths_total{process="live.feed"}']) == 0
    memory = [value for name, value in figures.items() if name.startswith("perspective_resident_memory_bytes")]
    assert len(memory) >= (3 if Path("/proc").exists() else 0)


def test_what_is_not_offered_cannot_be_reached(address: str) -> None:
    viewer = Viewer(address)
    assert not any("hidden" in name for name in viewer.tables())
    with pytest.raises(Exception, match="hidden"):
        viewer.call(viewer.client.open_table("hidden.secret"))
    viewer.close()
    for path in ("/history?database=hidden", "/history?database=information_schema", "/history?database=power`.`x"):
        with pytest.raises(HTTPError, match="403"):
            urllib.request.urlopen(address + quote(path, safe="/?=&"))
    for asked in ("database=hidden&table=secret", "table=hidden.secret", "table=secret`&database=power"):
        with pytest.raises(HTTPError, match="400") as refused:
            urllib.request.urlopen(f"{address}/export?{asked}")
        assert b"42" not in refused.value.read()


@pytest.mark.parametrize("path", ["/tables", "/figures", "/metrics", "/history?database=power"])
def test_the_token_is_asked_for_here_too(start: Start, path: str) -> None:
    server, port = serve(start, PSP_TOKEN=TOKEN)
    assert get(port, path).status == 403
    assert get(port, path, Host="evil.example").status == 403
    assert server.process.poll() is None


def test_where_tdengine_is_away_the_lists_say_so(start: Start) -> None:
    _, port = serve(start)
    for path in ("/tables", "/figures"):
        status, told = get_json(f"http://127.0.0.1:{port}{path}")
        assert status == 503
        assert "TDengine cannot be asked" in told["error"]
