"""Tokens of all characters: in the link that the server tells people to open, in headers, and in no other spelling."""

import re
from urllib.parse import quote

import pytest

from asking import get, serve, websocket
from conftest import Start
from viewers import Watched, chromium
from web import tokens

AWKWARD = [
    *(
        "Zm9v+YmF/yYmF6cXV4==",
        "one&two=three&token=4",
        "half#of the token?",
        "100%25 of it, 5%sure",
        "a b c d e f g h i j",
    ),
    *("schlüssel-der-tür", "ключ от этой двери", "++++ at both its ends ++++", "\"quotes\" '<and>' `more` \\\\"),
]


def link(printed: str, token: str) -> str:
    """What a person opens who was told this: the token in it, written as the server says, and in that order."""
    address, _, hint = printed.partition("serving ")[2].partition(" (")
    for character, written in re.findall(r"(\S) (?:is written )?(%\d\d)", hint):
        token = token.replace(character, written)
    return address.replace("$PSP_TOKEN", token)


@pytest.mark.parametrize("token", AWKWARD)
def test_the_link_that_is_printed_works(start: Start, token: str) -> None:
    server, port = serve(start, "--address", "0.0.0.0", PSP_TOKEN=token)
    opened = link(server.says("serving"), token).partition(f":{port}")[2]
    # What browsers do with an address that somebody types.
    sent = quote(opened.partition("#")[0], safe="!$%&'()*+,-./:;=?@[]^_`{|}~\\")
    answer = get(port, sent)
    assert answer.status == 200
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    assert get(port, "/status", Cookie=cookie).status == 503
    assert get(port, f"/?token={quote(token[: len(token) // 2])}").status == 403
    assert token not in server.output


@pytest.mark.parametrize("token", AWKWARD)
def test_a_program_may_show_any_token(start: Start, token: str) -> None:
    _, port = serve(start, PSP_TOKEN=token)
    assert get(port, "/status").status == 403
    assert get(port, f"/status?token={quote(token, safe='')}").status == 503
    websocket(port, f"?token={quote(token, safe='')}")
    raw = token.encode().decode("latin-1")  # http.client sends a header in Latin-1: so the bytes are those of UTF-8
    assert get(port, "/status", Authorization=f"Bearer {raw}").status == 503
    if token.isascii() or "ü" in token:
        assert get(port, "/status", Authorization=f"Bearer {token}").status == 503
    assert get(port, "/status", Authorization=f"Bearer {raw}x").status == 403


def test_a_browser_opens_the_link(start: Start) -> None:
    token = "50% + a/b=c & d#e für alle?"
    server, port = serve(start, "--address", "0.0.0.0", PSP_TOKEN=token)
    with chromium() as browser:
        page = Watched(browser).page
        address = link(server.says("serving"), token).partition(f":{port}")[2]
        answer = page.goto(f"http://127.0.0.1:{port}{address}")
    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize("sent", ["%00", "%ff%fe", "+", "%20", "=", "a&token=b", "%ED%B3%BF", "\xff", "x" * 5000])
def test_what_is_no_token_is_refused_without_an_error(start: Start, sent: str) -> None:
    server, port = serve(start, PSP_TOKEN="schlüssel-der-tür")
    if "\xff" not in sent:
        assert get(port, f"/status?token={sent}").status == 403
    for headers in ({"Authorization": f"Bearer {sent}"}, {"Cookie": f"perspective_127.0.0.1_{port}={sent}"}):
        assert get(port, "/status", **headers).status == 403
    assert all("serving" in line or "waiting for TDengine" in line for line in server.output.splitlines())


@pytest.mark.parametrize("token", ["short", "+++++++++++++++a", "               a", "ü" * 15])
def test_characters_that_get_lost_do_not_make_a_token_longer(start: Start, token: str) -> None:
    server = start("perspective_server.py", env={"PSP_TOKEN": token})
    assert server.wait() == 1
    assert "take 16 or more" in server.output


@pytest.mark.parametrize("token", ["ü" * 16, "a" * 16, "\udcff" * 16])
def test_the_same(token: str) -> None:
    assert tokens.same(token, token.encode(errors="surrogateescape"))
    assert not tokens.same(token, token.encode(errors="surrogateescape")[:-1])
    assert not tokens.same(token, b"")


def test_a_token_of_the_servers_own_is_quoted_in_its_link() -> None:
    assert tokens.in_link("a+b/c=d&e#f%g h\u00fc", own=False) == "a%2Bb%2Fc%3Dd%26e%23f%25g%20h%C3%BC"
    assert tokens.in_link("a+b/c=d", own=True) == "$PSP_TOKEN"
