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

from access import Guarded

WIDGET = Path(perspective.__file__).parent / "widget" / "static"

FILES = {
    "/": (Path(__file__).with_name("index.html"), "text/html; charset=utf-8"),
    "/static/perspective.js": (WIDGET / "perspective-anywidget.js", "text/javascript; charset=utf-8"),
    "/static/perspective.css": (WIDGET / "perspective-anywidget.css", "text/css; charset=utf-8"),
}
"""Every file that is served, by its address: nothing else can be asked for."""


@dataclass(frozen=True)
class Asset:
    """A file as it goes out: whole, compressed, and the ETag by which a browser knows that it has it already.

    `scripts` are the hashes of the scripts in a page, by which its Content-Security-Policy lets just these run.
    """

    body: bytes
    gzipped: bytes
    etag: str
    scripts: tuple[str, ...]


@cache
def _load(path: Path, _modified_ns: int) -> Asset:
    body = path.read_bytes()
    scripts = re.findall(rb"<script[^>]*>(.+?)</script>", body, re.DOTALL) if path.suffix == ".html" else []
    hashes = tuple(f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts)
    return Asset(body, gzip.compress(body, 6, mtime=0), f'"{hashlib.sha256(body).hexdigest()[:32]}"', hashes)


async def load(path: Path) -> Asset:
    """Read and compress a file, once for as long as it does not change, and not on the event loop."""
    return await asyncio.to_thread(_load, path, path.stat().st_mtime_ns)


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


class AssetHandler(Guarded):
    """GET of one file. A browser that has it is told so (304); others get it compressed, if they can read that."""

    def initialize(self, path: Path, content_type: str) -> None:
        self.path = path
        self.content_type = content_type

    async def get(self) -> None:
        asset = await load(self.path)
        self.set_header("Content-Type", self.content_type)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Vary", "Accept-Encoding")
        self.set_header("ETag", asset.etag)
        if asset.scripts:
            self.set_header("Content-Security-Policy", page_policy(asset.scripts, self.request.host))
        if self.check_etag_header():
            self.set_status(304)
        elif "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            self.write(asset.gzipped)
        else:
            self.write(asset.body)

    head = get

    def compute_etag(self) -> None:
        """Leave the ETag that `get` has set: tornado's own would hash the compressed body at each request."""


ROUTES = [
    (address, AssetHandler, {"path": path, "content_type": content_type})
    for address, (path, content_type) in FILES.items()
]
