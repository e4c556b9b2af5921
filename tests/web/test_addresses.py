"""Where the server listens, what it says of that, and the link that it prints."""

import argparse
import errno
import re
import socket
import urllib.request

import pytest

from conftest import Start
from parts import free_port
from waiting import eventually
from web.addresses import advice, all_of, in_link, leads_here, listen_address


@pytest.mark.parametrize(
    ("text", "address"), [("LOCALHOST", "localhost"), ("[::1]", "::1"), ("0::1", "::1"), (" 127.0.0.1", "127.0.0.1")]
)
def test_an_address_may_be_written_in_many_ways(text: str, address: str) -> None:
    assert listen_address(text) == address


def test_nothing_is_no_address_though_sockets_take_it_for_all() -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        listen_address("")


LINKS = [("127.0.0.1", "localhost"), ("localhost", "localhost"), ("::1", "[::1]"), ("10.0.0.1", "10.0.0.1")]


@pytest.mark.parametrize(("address", "host"), LINKS)
def test_a_link_names_the_address(address: str, host: str) -> None:
    assert in_link(address) == host


@pytest.mark.parametrize(("leads_to", "host"), [("127.0.0.1", "my-machine"), ("192.0.2.1", "localhost")])
def test_a_link_to_all_addresses_names_this_machine_where_that_name_leads_here(
    monkeypatch: pytest.MonkeyPatch, leads_to: str, host: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "my-machine")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 0, 0, "", (leads_to, 0))])
    assert in_link("0.0.0.0") == in_link("::") == host


def test_a_name_that_does_not_exist_does_not_lead_here() -> None:
    assert not leads_here("nowhere.invalid")


def test_all_addresses_are_told_by_their_families() -> None:
    assert all_of([socket.AF_INET6, socket.AF_INET]) == "all IPv4 and IPv6 addresses"
    assert all_of([socket.AF_INET]) == "all IPv4 addresses"


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_server_on_all_addresses_says_so_and_prints_a_link_that_works(start: Start, address: str) -> None:
    port = free_port()
    server = start("perspective_server.py", "--address", address, "--port", str(port), "--taos-port", str(free_port()))
    link = re.findall(r"serving (http\S+)", server.says("?token="))[0]
    server.says("serving on all IPv4 ")
    eventually(lambda: urllib.request.urlopen(link).status == 200)


@pytest.mark.parametrize("address", ["192.0.2.1", "nowhere.invalid"])
@pytest.mark.parametrize("command", [("perspective_server.py",), ("-m", "embedded")])
def test_an_address_that_is_not_this_machines_is_one_line_that_says_so(
    start: Start, command: tuple[str, ...], address: str
) -> None:
    part = start(*command, "--address", address, "--port", str(free_port()))
    assert part.wait() == 1
    assert "name an address of this machine with --address" in part.output
    assert part.output.count("\n") == 1


def test_a_port_for_root_alone_gets_advice_that_fits() -> None:
    error = PermissionError(errno.EACCES, "Permission denied")
    assert "take a --port from 1024 on" in advice(error, "::1", 80)
    assert "[::1]:80" in advice(error, "::1", 80)
