"""The viewer's bundle, as the wheel has it, with its WebAssembly as files of their own.

The bundle holds two modules in base64, each of which unpacks a third with a decompressor of its own, before the browser
can begin to compile that. As files the browser decompresses, compiles and keeps them while they come.
"""

import base64
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

HELD = re.compile(
    rb"var ([\w$]+)=[\w$]+\(\"(AGFzbQ[\w+/=]+)\"\);function ([\w$]+)\(\)\{return Promise\.resolve\(\1\.buffer\)\}"
)
"""A module that is held as text, and the function that returns it."""

USES = (
    # The viewer's own, compiled for the page.
    (rb"[\w$]+\((\w)\)\.then\(o=>WebAssembly\.compile\(o\)\)", rb"WebAssembly.compileStreaming(\1())"),
    # The engine's, compiled here and passed on to the worker,
    (
        rb"if\((\w)\.sole!==void 0\)return await [\w$]+\(\1\.sole,\1\.disable_stage_0\)",
        rb"if(\1.sole!==void 0)return await WebAssembly.compileStreaming(\1.sole())",
    ),
    # where a module that is compiled already has an instance, and no module besides.
    (
        rb"let (_)=await WebAssembly\.instantiate\(s,a\);return u\(\1\.instance\),\1\.instance\.exports",
        rb"let \1=await WebAssembly.instantiate(s,a);\1=\1.instance??\1;return u(\1),\1.exports",
    ),
)
"""How the bundle (5.6.1) uses them, and how it does where they are files."""


@dataclass(frozen=True)
class Bundle:
    """The script, and the modules that it fetches by their names, each compressed with gzip."""

    script: bytes
    modules: dict[str, bytes]


def unpacked(script: bytes) -> Bundle:
    """The bundle with its modules beside it; as it is where it is another than this knows."""
    modules: dict[str, bytes] = {}

    def fetched(held: re.Match[bytes]) -> bytes:
        name = ("engine.wasm", "viewer.wasm")[len(modules)]
        modules[name] = gzipped(base64.b64decode(held[2]))
        return b'function %b(){return fetch(new URL("./%b",import.meta.url))}' % (held[3], name.encode())

    try:
        found = HELD.sub(fetched, script)
    except (ValueError, IndexError, zlib.error):
        return Bundle(script, {})
    counts = [len(modules)]
    for known, use in USES:
        found, count = re.subn(known, use, found)
        counts.append(count)
    return Bundle(found, modules) if counts == [2, 1, 1, 1] else Bundle(script, {})


def gzipped(module: bytes) -> bytes:
    """What a module unpacks, as gzip: as it is packed already, by deflate. Raises ValueError where it is not."""
    for name, content in sections(module):
        if name == b"psp-runtime":
            whole = zlib.decompress(content)
            return (
                b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
                + content[2:-4]
                + struct.pack("<II", zlib.crc32(whole), len(whole) & 0xFFFFFFFF)
            )
    raise ValueError("a module that packs none")


def sections(module: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The names and contents of a WebAssembly module's custom sections."""
    at = 8
    while at < len(module):
        kind = module[at]
        size, at = leb128(module, at + 1)
        end = at + size
        if kind == 0:
            length, at = leb128(module, at)
            yield module[at : at + length], module[at + length : end]
        at = end


def leb128(module: bytes, at: int) -> tuple[int, int]:
    """A number as WebAssembly has it, and protobuf, and where it ends."""
    number = shift = 0
    while True:
        byte = module[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
