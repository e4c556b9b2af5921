"""The page and its files as they go out: compressed, and never asked for again once a browser has them."""

import gzip
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message

from conftest import Start
from parts import free_port


def get(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, Message, bytes]:
    """Status, headers and body of a GET."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_files_are_kept_for_ever_by_their_versions_and_the_page_is_asked_for_anew(start: Start) -> None:
    port = free_port()
    start("perspective_server.py", "--port", str(port), "--taos-port", str(free_port())).says("serving")
    server = f"http://127.0.0.1:{port}"
    status, headers, page = get(server + "/", {"Accept-Encoding": "gzip"})
    assert (status, headers["Content-Encoding"], headers["Cache-Control"]) == (200, "gzip", "no-cache")
    assert get(server + "/", {"If-None-Match": headers["ETag"]})[0] == 304
    text = gzip.decompress(page).decode()
    addresses = re.findall(r'"(/static/[\w.]+\?v=\w+)"', text)
    assert len(addresses) == 5
    assert "/static/perspective.js?v=" in headers["Link"]
    for address in addresses:
        status, headers, body = get(server + address)
        assert (status, "immutable" in headers["Cache-Control"]) == (200, True)
        status, headers, packed = get(server + address, {"Accept-Encoding": "gzip"})
        assert (headers["Content-Encoding"], gzip.decompress(packed)) == ("gzip", body)
        for other in ("", "?v=0"):
            status, headers, again = get(server + address.split("?")[0] + other)
            assert (status, headers["Cache-Control"], again) == (200, "no-cache", body)


def test_nothing_else_can_be_asked_for(start: Start) -> None:
    port = free_port()
    start("perspective_server.py", "--port", str(port), "--taos-port", str(free_port())).says("serving")
    for path in ("/static/", "/static/../assets.py", "/page/views.js", "/assets.py"):
        assert get(f"http://127.0.0.1:{port}{path}")[0] == 404
