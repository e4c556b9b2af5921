"""Where TDengine is looked for: how hosts are written, and which of several is asked."""

import argparse
import socket
import sys
import time
import urllib.request
from typing import Any

import pytest
import taosws

from conftest import Start
from parts import free_port, get_json, has_ipv6, sql
from tdengine import connecting
from tdengine.connecting import create_tdengine_connection
from tdengine.errors import TDengineError, reason
from tdengine.hosts import hosts
from tdengine.settings import Settings
from waiting import eventually

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs a second address of loopback")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("db.example", "db.example"),
        ("LOCALHOST", "localhost"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        (" a, b ,,[fd00::2]", "a,b,fd00::2"),
    ],
)
def test_a_host_may_be_written_in_many_ways(text: str, found: str) -> None:
    assert hosts(text) == found


WRONG = ["", " ", ",", "a:6041", "[::1]:6041", "http://a", "a b", "me@a", "[a", ",".join("a" * 17)]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        hosts(text)


def test_messages_name_a_host_as_it_is_written_before_a_port() -> None:
    assert str(at("::1")) == "[::1]:6041"
    assert str(at("a,b")) == "a,b:6041"


def at(host: str, port: int = 6041, password: str = "taosdata") -> Settings:
    return Settings(host, port, "root", "stocks", "stocks_values", password)


def ask(connection: taosws.Connection) -> list[Any]:
    return list(connection.query("SELECT 1"))


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that are tried, as they are."""
    found: list[str] = []
    connect = taosws.connect

    def noted(**options: Any) -> taosws.Connection:
        found.append(options["host"])
        return connect(**options)

    monkeypatch.setattr(taosws, "connect", noted)
    return found


def test_of_several_hosts_the_next_is_tried_where_one_does_not_answer(running_taos: int, tried: list[str]) -> None:
    several = at("127.0.0.7,no-such-host.invalid,127.0.0.1,127.0.0.8", running_taos)
    for _ in range(2):
        assert ask(create_tdengine_connection(several)) == [(1,)]
    assert tried == ["127.0.0.1", "127.0.0.1"]


@linux
def test_a_host_that_says_nothing_takes_no_more_than_its_share_of_the_time(running_taos: int) -> None:
    began = time.monotonic()
    with socket.create_server(("127.0.0.9", running_taos)):
        connection = create_tdengine_connection(at("127.0.0.9,127.0.0.10,127.0.0.11,127.0.0.1", running_taos))
        assert ask(connection) == [(1,)]
    assert time.monotonic() - began < 3


def test_an_attempt_that_has_run_out_of_time_is_taken_up_at_the_next_host(
    running_taos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = at("127.0.0.12,127.0.0.1", running_taos)
    with monkeypatch.context() as patch:
        patch.setattr(connecting, "TIMEOUT_SECONDS", 0)
        with pytest.raises(taosws.Error, match=r"127\.0\.0\.12"):
            create_tdengine_connection(several)
    assert ask(create_tdengine_connection(several)) == [(1,)]


def test_where_no_host_answers_what_one_says_tells_more_than_that_others_do_not(running_taos: int) -> None:
    with pytest.raises(taosws.Error, match="0x0388"):
        create_tdengine_connection(at("127.0.0.7,127.0.0.1,127.0.0.8", running_taos), "no_such_database")


def test_a_wrong_password_is_tried_once(running_taos: int, tried: list[str]) -> None:
    with pytest.raises(TDengineError, match="refuses user"):
        create_tdengine_connection(at("127.0.0.1,localhost", running_taos, "wr0ng"))
    assert tried == ["127.0.0.1"]


def test_of_a_name_with_several_addresses_each_is_tried(
    running_taos: int, tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def resolved(host: str, *arguments: Any, **options: Any) -> list[Any]:
        if host != "db.invalid":
            return list(resolve(host, *arguments, **options))
        return [(socket.AF_INET, 0, 0, "", (address, 0)) for address in ("127.0.0.7", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    assert ask(create_tdengine_connection(at("db.invalid", running_taos))) == [(1,)]
    assert tried == ["127.0.0.1"]


def test_a_name_that_does_not_exist_gets_advice_that_fits() -> None:
    with pytest.raises(taosws.Error) as raised:
        create_tdengine_connection(at("nowhere.invalid"))
    assert "nowhere.invalid has no address" in reason(raised.value)
    assert "check TAOS_HOST or --taos-host" in reason(raised.value)


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
def test_an_address_of_ipv6_does_for_both_scripts_and_history(start: Start) -> None:
    taos_port, port = free_port(), free_port()
    start("-m", "embedded", "--address", "::1", "--port", str(taos_port)).says(f"listening on [::1]:{taos_port}")
    env = {"TAOS_HOST": "::1", "TAOS_PORT": str(taos_port), "TAOS_DATABASE": "", "TAOS_PASSWORD": ""}
    assert start("producer.py", "--batches", "1", env=env).wait() == 0
    start("perspective_server.py", "--port", str(port), env=env)
    eventually(lambda: get_json(f"http://127.0.0.1:{port}/status")[1].get("rows") == 250)
    exported = urllib.request.urlopen(f"http://127.0.0.1:{port}/export?table=stocks_values").read()
    assert exported.count(b"\n") == 251


@linux
def test_where_a_node_goes_away_rows_flow_over_another(start: Start, taos_port: int) -> None:
    port = free_port()
    first = start("-m", "embedded", "--address", "127.0.0.2", "--port", str(taos_port))
    first.says("listening")
    env = {"TAOS_HOST": "127.0.0.2,127.0.0.1", "TAOS_PORT": str(taos_port)}
    start("perspective_server.py", "--port", str(port), env=env)
    producer = start("producer.py", env=env)

    def newest() -> int:
        return get_json(f"http://127.0.0.1:{port}/status")[1].get("newest") or 0

    eventually(newest)
    assert ["stocks"] not in sql(taos_port, "SHOW DATABASES")
    first.kill()
    eventually(lambda: ["stocks"] in sql(taos_port, "SHOW DATABASES"))
    eventually(lambda: newest() > time.time() * 1000 - 1000)
    assert producer.stop() == 0
    assert " rows dropped" not in producer.output
