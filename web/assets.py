"""The page, and the viewer's own files out of perspective-python's wheel: no CDN, never another version."""

import asyncio
import base64
import gzip
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import perspective
from tornado.iostream import StreamClosedError

from web import access

ROOT = Path(__file__).parent.parent
WIDGET = Path(perspective.__file__).parent / "widget" / "static"

STATIC = {
    "/static/perspective.js": (WIDGET / "perspective-anywidget.js", "text/javascript; charset=utf-8"),
    "/static/perspective.css": (WIDGET / "perspective-anywidget.css", "text/css; charset=utf-8"),
    "/static/views.js": (ROOT / "page" / "views.js", "text/javascript; charset=utf-8"),
    "/static/offer.js": (ROOT / "page" / "offer.js", "text/javascript; charset=utf-8"),
    "/static/history.js": (ROOT / "page" / "history.js", "text/javascript; charset=utf-8"),
}

PAGE = ROOT / "index.html"

FILES = {"/": (PAGE, "text/html; charset=utf-8"), **STATIC}
"""Every file that is served, by its address: nothing else can be asked for."""

FOR_EVER = "private, max-age=31536000, immutable"
"""How long a browser may keep what it has asked for by an address with the content's own version in it."""

PIECE_BYTES = 2**16
"""So much goes out at a time, and the next when the client has room for it: one that reads less than this in
`READ_SECONDS` is cut off."""

Pieces = tuple[bytes, ...]


@dataclass(frozen=True)
class Asset:
    """A file as it goes out: whole, compressed, and the version by which a browser knows that it has it already.

    It is in pieces that all clients share, so that one that reads slowly holds no copy. `scripts` are the hashes of the
    scripts in a page, by which its Content-Security-Policy lets just these run.
    """

    body: Pieces
    gzipped: Pieces
    version: str
    scripts: tuple[str, ...]


def pack(body: bytes, page: bool = False) -> Asset:
    """Compress and name a file's content."""
    scripts = re.findall(rb"<script[^>]*>(.+?)</script>", body, re.DOTALL) if page else []
    hashes = tuple(f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts)
    packed = gzip.compress(body, 6, mtime=0)
    return Asset(pieces(body), pieces(packed), hashlib.sha256(body).hexdigest()[:32], hashes)


def pieces(content: bytes) -> Pieces:
    """The content, cut up for sending."""
    return tuple(content[begin : begin + PIECE_BYTES] for begin in range(0, len(content), PIECE_BYTES))


@cache
def _load(path: Path, _modified_ns: int) -> Asset:
    return pack(path.read_bytes())


@cache
def _versioned(page: Asset, addresses: tuple[tuple[str, str], ...]) -> Asset:
    body = b"".join(page.body)
    for address, versioned in addresses:
        body = body.replace(f'"{address}"'.encode(), f'"{versioned}"'.encode())
    return pack(body, page=True)


async def load(path: Path) -> Asset:
    """Read and compress a file, once for as long as it does not change, and not on the event loop."""
    return await asyncio.to_thread(_load, path, path.stat().st_mtime_ns)


async def versions() -> dict[str, str]:
    """The address of each file that the page needs, and the same with its version, by which it may be kept for ever."""
    return {address: f"{address}?v={(await load(path)).version}" for address, (path, _) in STATIC.items()}


async def load_page() -> Asset:
    """The page, in which the address of each file has its version."""
    return _versioned(await load(PAGE), tuple((await versions()).items()))


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

    def initialize(self, path: Path, content_type: str) -> None:
        self.path = path
        self.content_type = content_type

    async def get(self) -> None:
        asset = await (load_page() if self.path == PAGE else load(self.path))
        if self.path == PAGE:
            scripts = [address for address in (await versions()).values() if ".js?" in address]
            self.set_header("Link", ", ".join(f"<{address}>; rel=modulepreload" for address in scripts))
        known = self.get_query_argument("v", None) == asset.version
        self.set_header("Content-Type", self.content_type)
        self.set_header("Cache-Control", FOR_EVER if known else "no-cache")
        self.set_header("Vary", "Accept-Encoding")
        self.set_header("ETag", f'"{asset.version}"')
        if asset.scripts:
            self.set_header("Content-Security-Policy", page_policy(asset.scripts, self.request.host))
        if self.check_etag_header():
            self.set_status(304)
        elif "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            await self.send(asset.gzipped)
        else:
            await self.send(asset.body)

    head = get

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


ROUTES = [
    (address, AssetHandler, {"path": path, "content_type": content_type})
    for address, (path, content_type) in FILES.items()
]
