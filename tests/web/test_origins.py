"""Origins, and by what name a browser asks: which of them are reached over TLS."""

import argparse
import re

import pytest

from asking import TOKEN, get, serve
from conftest import Start
from web.origins import asked_over_tls, origin


@pytest.mark.parametrize(
    "text",
    ["demo.example", "https://", "https://demo.example/path", "ftp://x", "*", "https://[", "http://x:y", "http://x:0"],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape(f"{text!r} is no origin")):
        origin(text)


def test_what_is_no_origin_is_one_line_and_exit_2(start: Start) -> None:
    server = start("perspective_server.py", "--allow-origin", "https://demo.example:99999")
    assert server.wait() == 2
    assert server.output.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("https://Demo.Example", "https://demo.example"),
        ("https://demo.example:443", "https://demo.example"),
        ("http://demo.example:80", "http://demo.example"),
        ("http://demo.example:443", "http://demo.example:443"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_what_browsers_name_it(text: str, named: str) -> None:
    assert origin(text) == named


TLS = "https://demo.example:8443"


@pytest.mark.parametrize(
    ("host", "origins", "over_tls"),
    [
        pytest.param("demo.example", [TLS], True, id="a proxy that leaves the port out, as nginx does with $host"),
        pytest.param("demo.example:8443", [TLS], True, id="one that passes it on, as nginx does with $http_host"),
        pytest.param("DEMO.example:8443", [TLS], True, id="in capitals"),
        pytest.param("demo.example", ["https://demo.example"], True, id="the usual port"),
        pytest.param("demo.example:443", ["https://demo.example"], True, id="the usual port, named"),
        pytest.param("[2001:db8::1]", ["https://[2001:db8::1]:8443"], True, id="an address"),
        pytest.param("demo.example:8080", [TLS], False, id="the server itself, without the proxy"),
        pytest.param("demo.example", ["http://demo.example"], False, id="http"),
        pytest.param("demo.example", ["http://demo.example:8000"], False, id="http at another port"),
        pytest.param("demo.example", [TLS, "http://demo.example"], False, id="it may be that of http"),
        pytest.param("demo.example", [TLS, "http://demo.example:8000"], False, id="it may be http without its port"),
        pytest.param("demo.example:8000", [TLS, "http://demo.example:8000"], False, id="the port is that of http"),
        pytest.param("demo.example:8443", [TLS, "http://demo.example"], True, id="the port is that of https"),
        pytest.param("demo.example", [TLS, "http://other.example"], True, id="http for another name"),
        pytest.param("other.example", [TLS], False, id="another name"),
        pytest.param("localhost:8080", [], False, id="no origin"),
        pytest.param("[", [TLS], False, id="no host"),
    ],
)
def test_whether_a_host_is_asked_over_tls(host: str, origins: list[str], over_tls: bool) -> None:
    assert asked_over_tls(host, origins) is over_tls


@pytest.mark.parametrize(
    ("origins", "host", "secure"),
    [
        ([TLS], "demo.example", True),
        ([TLS], "demo.example:8443", True),
        (["http://demo.example:8443"], "demo.example", False),
        (["http://demo.example:8443"], "demo.example:8443", False),
        ([TLS, "http://demo.example"], "demo.example", False),
    ],
)
def test_behind_tls_the_cookie_is_for_tls_alone(start: Start, origins: list[str], host: str, secure: bool) -> None:
    told = [option for each in origins for option in ("--allow-origin", each)]
    _, port = serve(start, *told, PSP_TOKEN=TOKEN)
    answer = get(port, f"/?token={TOKEN}", Host=host)
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert ("Secure" in attributes) is secure
    assert get(port, "/status", Host=host, Cookie=cookie).status == 503
