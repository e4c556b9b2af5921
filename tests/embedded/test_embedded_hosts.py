"""Whom the embedded server answers: clients by its own names, and no page of another origin."""

import base64
import http.client
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest
import taosrest
import taosws

from embedded.hosts import Hosts
from embedded_server import EmbeddedServer, rows, running
from parts import has_ipv6

LOGIN = "Authorization: Basic " + base64.b64encode(b"root:taosdata").decode()
UPGRADE = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version: 13",
]
QUERY = [LOGIN, "Content-Length: 8", "", "select 1"]
REQUESTS = {
    "GET /ws": ([*UPGRADE, "", ""], 101),
    "GET /rest/ws": ([*UPGRADE, "", ""], 101),
    "POST /rest/sql": (QUERY, 200),
    "POST /rest/sql/d": (QUERY, 200),
    "GET /-/ping": (["", ""], 200),
    "GET /elsewhere": (["", ""], 404),
}
"""What may be asked, with its headers and its body, and the status where the one who asks is answered."""

REBOUND = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example:6041",
    "192.0.2.1",
    "[::2]",
]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with running() as started:
        yield started


def ask(port: int, what: str, *headers: str, version: str = "1.1", address: str = "127.0.0.1") -> tuple[int, str]:
    """Ask with exactly these headers first; the status and the body, or as much of it as there is in one piece."""
    lines = [f"{what} HTTP/{version}", *headers, *REQUESTS[what][0]]
    with socket.create_connection((address, port), 10) as raw:
        raw.sendall("\r\n".join(lines).encode())
        answer = http.client.HTTPResponse(raw)
        answer.begin()
        return answer.status, "" if answer.status == 101 else answer.read().decode()


@pytest.mark.parametrize("what", REQUESTS)
@pytest.mark.parametrize("host", ["localhost:{}", "127.0.0.1:{}", "[::1]:{}", "localhost", "LocalHost:{}"])
def test_its_own_names_are_answered(server: EmbeddedServer, what: str, host: str) -> None:
    assert ask(server.port, what, f"Host: {host.format(server.port)}")[0] == REQUESTS[what][1]


@pytest.mark.parametrize("what", REQUESTS)
@pytest.mark.parametrize("host", REBOUND)
def test_a_name_that_was_rebound_is_refused_in_one_line(server: EmbeddedServer, what: str, host: str) -> None:
    for origin in ([], [f"Origin: http://{host}"]):
        status, body = ask(server.port, what, f"Host: {host}", *origin)
        assert (status, body.count("\n")) == (403, 1)
        assert body.startswith("this server does not answer to this name: use localhost")


@pytest.mark.parametrize("what", REQUESTS)
@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://evil.example:{}", "null", "", "http://localhost:1", "http://localhost", "file://"],
)
def test_a_page_of_another_origin_is_refused_in_one_line(server: EmbeddedServer, what: str, origin: str) -> None:
    own = f"Host: localhost:{server.port}"
    status, body = ask(server.port, what, own, f"Origin: {origin.format(server.port)}")
    assert (status, body) == (403, "this server does not answer to pages of another origin\n")


@pytest.mark.parametrize("what", REQUESTS)
@pytest.mark.parametrize("origin", ["http://{}", "https://{}"])
def test_a_library_that_sends_the_address_that_it_asks_as_its_origin_is_answered(
    server: EmbeddedServer, what: str, origin: str
) -> None:
    own = f"localhost:{server.port}"
    assert ask(server.port, what, f"Host: {own}", f"Origin: {origin.format(own)}")[0] == REQUESTS[what][1]


def test_two_names_at_once_are_not_answered(server: EmbeddedServer) -> None:
    both = ("Host: localhost", "Host: evil.example")
    for headers in (both, both[::-1], ("Host: localhost, evil.example",), ("Host: evil.example@localhost",)):
        assert ask(server.port, "POST /rest/sql", *headers)[0] in (400, 403)


@pytest.mark.parametrize(
    ("version", "header", "status"), [("1.0", [], 200), ("1.1", [], 400), ("1.1", ["Host: "], 403)]
)
def test_no_name_at_all_is_answered_in_http_1_0_alone(
    server: EmbeddedServer, version: str, header: list[str], status: int
) -> None:
    assert ask(server.port, "POST /rest/sql", *header, version=version)[0] == status


def test_a_name_of_another_is_refused_in_http_1_0_too(server: EmbeddedServer) -> None:
    assert ask(server.port, "POST /rest/sql", "Host: evil.example", version="1.0")[0] == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_real_clients_are_answered(server: EmbeddedServer, host: str) -> None:
    connection = taosws.connect(host=host, port=server.port, user="root", password="taosdata")
    assert rows(connection, "select 1") == [(1,)]
    connection = taosws.connect(f"ws://root:taosdata@{host}:{server.port}")
    assert rows(connection, "select 1") == [(1,)]
    client = taosrest.connect(url=f"http://{host}:{server.port}", user="root", password="taosdata")
    assert client.query("select 1").data == [[1]]


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_curl_is_answered(server: EmbeddedServer, host: str) -> None:
    url = f"http://{host}:{server.port}/rest/sql"
    command = ["curl", "--silent", "--noproxy", "*", "-u", "root:taosdata", "-d", "select 1", url]
    assert '"data":[[1]]' in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_log_says_who_was_refused_and_why() -> None:
    with running() as own:
        ask(own.port, "GET /-/ping", "Host: evil.example" + "e" * 1000, "Origin: http://evil.example")
        _, log = own.stop()
    (line,) = log.splitlines()
    assert "WARNING refused a request to 'evil.examplee" in line
    assert "'http://evil.example': this server does not answer to this name" in line
    assert len(line) < 400


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "localhost", "::1", "0:0:0:0:0:0:0:1"])
def test_on_loopback_its_names_are_few(address: str) -> None:
    hosts = Hosts.of(address)
    for name in ("localhost", "127.0.0.1", "[::1]", "[0:0::1]", f"[{address}]" if ":" in address else address):
        assert hosts.refusal(f"{name}:6041", None) is None, name
    for name in ("", *REBOUND, "[", "[::1"):
        assert hosts.refusal(name, None), name


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "db.example"])
def test_beyond_loopback_it_also_has_this_machines_names_and_every_address(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Machine")
    monkeypatch.setattr(socket, "getfqdn", lambda: "machine.home.example")
    hosts = Hosts.of(address)
    own = f"[{address}]" if ":" in address else address
    for name in (
        "localhost",
        "127.0.0.1",
        "[::1]",
        "machine",
        "Machine.Home.Example",
        "198.51.100.7",
        "[2001:db8::7]",
        own,
    ):
        assert hosts.refusal(f"{name}:6041", None) is None, name
    for name in ("", "evil.example", "machine.evil.example", "198.51.100.7.evil.example", "home.example"):
        refusal = hosts.refusal(name, None)
        assert refusal, name
        assert "this machine's name" in refusal


def test_a_server_on_all_addresses_answers_to_this_machines_name_and_to_no_other() -> None:
    with running("--address", "0.0.0.0") as server:
        for host in (socket.gethostname(), "192.0.2.1", "localhost"):
            assert ask(server.port, "POST /rest/sql", f"Host: {host}:{server.port}")[0] == 200
        assert ask(server.port, "POST /rest/sql", "Host: evil.example")[0] == 403


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
def test_a_server_on_ipv6s_loopback_answers_its_clients() -> None:
    with running("--address", "::1") as server:
        connection = taosws.connect(f"ws://root:taosdata@[::1]:{server.port}")
        assert rows(connection, "select 1") == [(1,)]
        assert ask(server.port, "POST /rest/sql", "Host: evil.example", address="::1")[0] == 403
