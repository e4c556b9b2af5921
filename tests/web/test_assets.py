"""The page and its files as they go out: compressed, and never asked for again once a browser has them."""

import gzip
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from urllib.parse import urljoin

from conftest import Start
from parts import ROOT, free_port


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
    addresses = named("/", gzip.decompress(page))
    for address in addresses:
        status, headers, body = get(server + address)
        assert (status, "immutable" in headers["Cache-Control"]) == (200, True)
        addresses += [other for other in named(address, body) if other not in addresses]
        status, headers, packed = get(server + address, {"Accept-Encoding": "gzip"})
        assert (headers["Content-Encoding"], gzip.decompress(packed)) == ("gzip", body)
        for other in ("", "?v=0"):
            status, headers, again = get(server + address.split("?")[0] + other)
            assert (status, headers["Cache-Control"], again) == (200, "no-cache", body)
    own = [f"/page/{path.name}" for path in (ROOT / "page").iterdir()]
    files = [address.split("?")[0] for address in addresses]
    others = ["engine.wasm", "perspective.css", "viewer.js", "viewer.wasm"]
    assert sorted(files) == sorted([*own, *(f"/static/{name}" for name in others)])


def named(address: str, body: bytes) -> list[str]:
    """The addresses that the page or one of its files names with a version."""
    text = address.startswith("/page/") or address == "/" or "viewer.js" in address
    found = re.findall(r'"([\w./]+\?v=\w+)"', body.decode()) if text else []
    return [urljoin(address, other) for other in found]


def test_modules_are_loaded_all_at_once(start: Start) -> None:
    """Those too that only other modules name, and by the address that they will be asked for by."""
    port = free_port()
    start("perspective_server.py", "--port", str(port), "--taos-port", str(free_port())).says("serving")
    server = f"http://127.0.0.1:{port}"
    _, headers, _ = get(server + "/")
    modules = [urljoin("/", address) for address in re.findall(r"<([^>]+)>; rel=modulepreload", headers["Link"])]
    assert modules[0].startswith("/static/viewer.js?v=")
    compiled = [urljoin("/", address) for address in re.findall(r"<([^>]+)>; rel=preload; as=fetch", headers["Link"])]
    assert [address.split("?")[0] for address in compiled] == ["/static/engine.wasm", "/static/viewer.wasm"]
    assert all(address[1:] in get(server + modules[0])[2].decode().replace('"./', '"static/') for address in compiled)
    imported = {
        urljoin(address, other)
        for address in ["/", *modules[1:]]
        for other in re.findall(r'"(\./[\w./]+\?v=\w+)"', get(server + address)[2].decode())
    }
    assert sorted(modules) == sorted(imported)


def test_nothing_else_can_be_asked_for(start: Start) -> None:
    port = free_port()
    start("perspective_server.py", "--port", str(port), "--taos-port", str(free_port())).says("serving")
    for path in ("/static/", "/static/../assets.py", "/page/", "/page/../assets.py", "/page/nothing.js", "/assets.py"):
        assert get(f"http://127.0.0.1:{port}{path}")[0] == 404


def test_a_page_of_an_allowed_origin_may_take_the_viewer_and_nothing_else(start: Start) -> None:
    port, allowed = free_port(), "http://its.address"
    options = ("--port", str(port), "--taos-port", str(free_port()), "--allow-origin", allowed)
    start("perspective_server.py", *options).says("serving")
    for path, origin, told in (
        ("/static/perspective.js", allowed, allowed),
        ("/static/perspective.js", "http://another.address", None),
        ("/static/perspective.js", "null", None),
        ("/", allowed, None),
        ("/status", allowed, None),
    ):
        headers = get(f"http://127.0.0.1:{port}{path}", {"Origin": origin})[1]
        assert headers["Access-Control-Allow-Origin"] == told, (path, origin)
        assert path == "/status" or headers["Vary"] == "Accept-Encoding, Origin"
