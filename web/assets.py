"""The page with its files, and the viewer's own out of perspective-python's wheel: no CDN, never another version."""

import asyncio
import base64
import gzip
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from urllib.parse import urljoin

import perspective
import tornado.web
from tornado.iostream import StreamClosedError

from web import access
from web.bundle import unpacked

ROOT = Path(__file__).parent.parent
WIDGET = Path(perspective.__file__).parent / "widget" / "static"

OWN = {
    "/": ROOT / "index.html",
    **{f"/page/{path.name}": path for path in (ROOT / "page").iterdir() if re.fullmatch(r"\w+\.(js|css)", path.name)},
}

BUNDLE = WIDGET / "perspective-anywidget.js"
WHOLE = "/static/perspective.js"
"""The viewer as the wheel has it, for pages of somebody's own."""

VIEWER = "/static/viewer.js"
"""The same for the page, with its WebAssembly beside it."""

FILES = {
    **OWN,
    VIEWER: BUNDLE,
    "/static/viewer.wasm": BUNDLE,
    "/static/engine.wasm": BUNDLE,
    WHOLE: BUNDLE,
    "/static/perspective.css": WIDGET / "perspective-anywidget.css",
}
"""Every file that is served, by its address, and what it is made of: nothing else can be asked for."""

TYPES = {"": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm"}

NAMED = re.compile(rb'"((?:\./)?[\w/]+\.(?:js|css|wasm))"')
"""How the page and its files name others: in quotes. The address of a module that is imported begins with `./`."""

FOR_EVER = "private, max-age=31536000, immutable"
"""How long a browser may keep what it has asked for by an address with the content's own version in it."""

PIECE_BYTES = 2**16
"""So much goes out at a time, and the next when the client has room for it: one that reads less than this in
`READ_SECONDS` is cut off."""

Pieces = tuple[bytes, ...]


@dataclass(frozen=True)
class Asset:
    """A file as it goes out: whole, compressed, and the version by which a browser knows that it has it already.

    It is in pieces that all clients share, so that one that reads slowly holds no copy; of what is compressed from the
    start there are no others. `scripts` are the hashes of the scripts in a page, by which its Content-Security-Policy
    lets just these run.
    """

    body: Pieces
    gzipped: Pieces
    version: str
    scripts: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """All files by their addresses, and a `Link` to each that the page needs, however deep in its modules that is said.

    They are asked for all at once then, the viewer's own first, as those are the largest.
    """

    assets: dict[str, Asset]
    links: list[str]


@cache
def pack(body: bytes, page: bool = False) -> Asset:
    """Compress and name a file's content."""
    scripts = re.findall(rb"<script[^>]*>([^<].*?)</script>", body, re.DOTALL) if page else []
    hashes = tuple(f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts)
    packed = gzip.compress(body, 6, mtime=0)
    return Asset(pieces(body), pieces(packed), hashlib.sha256(body).hexdigest()[:32], hashes)


@cache
def pack_module(packed: bytes) -> Asset:
    """Name a module that is compressed already."""
    return Asset((), pieces(packed), hashlib.sha256(packed).hexdigest()[:32], ())


@lru_cache(maxsize=1)
def _whole(_modified_ns: int) -> Asset:
    return pack(BUNDLE.read_bytes())


async def load_whole() -> Asset:
    """Read and compress the viewer as the wheel has it, when somebody asks for that."""
    return await asyncio.to_thread(_whole, BUNDLE.stat().st_mtime_ns)


def pieces(content: bytes) -> Pieces:
    """The content, cut up for sending."""
    return tuple(content[begin : begin + PIECE_BYTES] for begin in range(0, len(content), PIECE_BYTES))


@lru_cache(maxsize=1)
def _load(_modified_ns: tuple[int, ...]) -> Page:
    assets: dict[str, Asset] = {}
    links: dict[str, None] = {}
    bundle = unpacked(BUNDLE.read_bytes())
    for name, module in bundle.modules.items():
        assets[f"/static/{name}"] = pack_module(module)

    def add(address: str) -> Asset:
        """A file in which the address of each other one has its version, which is part of its own therefore."""

        def versioned(named: re.Match[bytes]) -> bytes:
            other = urljoin(address, named[1].decode())
            if other not in FILES:
                return named[0]
            version = add(other).version
            if other.endswith(".wasm"):
                links[f"<{other[1:]}?v={version}>; rel=preload; as=fetch; crossorigin"] = None
            elif other.endswith(".css"):
                links[f"<{other[1:]}?v={version}>; rel=preload; as=style"] = None
            elif named[1].startswith(b"./"):
                links[f"<{other[1:]}?v={version}>; rel=modulepreload"] = None
            return b'"%b?v=%b"' % (named[1], version.encode())

        if address not in assets:
            body = bundle.script if address == VIEWER else FILES[address].read_bytes()
            names = address in OWN or address == VIEWER
            assets[address] = pack(NAMED.sub(versioned, body) if names else body, page=address == "/")
        return assets[address]

    add("/")
    return Page(assets, sorted(links, key=lambda link: not link.startswith("<static/")))


async def load_page() -> Page:
    """Read and compress the files, once for as long as none of them changes, and not on the event loop."""
    return await asyncio.to_thread(_load, tuple(path.stat().st_mtime_ns for path in FILES.values()))


def page_policy(scripts: Sequence[str], host: str) -> str:
    """The page's Content-Security-Policy: its own files and scripts, the viewer's WebAssembly and workers, no more.

    The viewer makes its modules and workers of blobs; without `blob:` it does not load.
    """
    return (
        f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval' blob: {' '.join(scripts)}; worker-src 'self' blob:;"
        " style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:;"
        f" connect-src 'self' data: blob: ws://{host} wss://{host}; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )


class AssetHandler(access.Guarded):
    """GET of one file. A browser that has it is told so (304); others get it compressed, if they can read that."""

    def initialize(self, address: str) -> None:
        self.address = address

    async def get(self) -> None:
        page = await load_page()
        asset = page.assets.get(self.address) or await self.other(page)
        if self.address == "/":
            self.set_header("Link", ", ".join(page.links))
        known = self.get_query_argument("v", None) == asset.version
        kind = TYPES[Path(self.address).suffix]
        self.set_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
        self.set_header("Cache-Control", FOR_EVER if known else "no-cache")
        self.set_header("Vary", "Accept-Encoding, Origin")
        origin = self.request.headers.get("Origin", "")
        if self.address not in OWN and origin in self.access.origins:  # a page of somebody's own may take the viewer
            self.set_header("Access-Control-Allow-Origin", origin)
        self.set_header("ETag", f'"{asset.version}"')
        if asset.scripts:
            self.set_header("Content-Security-Policy", page_policy(asset.scripts, self.request.host))
        if self.check_etag_header():
            self.set_status(304)
        elif "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            await self.send(asset.gzipped)
        else:
            await self.send(asset.body or pieces(await asyncio.to_thread(gzip.decompress, b"".join(asset.gzipped))))

    head = get

    async def other(self, page: Page) -> Asset:
        """What the page itself does not need."""
        if self.address == WHOLE:
            return await load_whole()
        raise tornado.web.HTTPError(404)

    async def send(self, content: Pieces) -> None:
        """Write the headers, and then each piece when the one before is on its way.

        A piece goes out as it is; what goes out together with headers is copied for it.
        """
        self.set_header("Content-Length", sum(map(len, content)))
        if self.request.method == "HEAD":
            return
        try:
            for piece in (b"", *content):
                self.write(piece)
                written = self.flush()
                if not written.done():
                    await asyncio.wait_for(written, access.READ_SECONDS)
        except (StreamClosedError, TimeoutError):
            self.cut()
        except asyncio.CancelledError:
            self.cut()
            raise

    def compute_etag(self) -> None:
        """Leave the ETag that `get` has set: tornado's own would hash the compressed body at each request."""


ROUTES = [(re.escape(address), AssetHandler, {"address": address}) for address in FILES]
