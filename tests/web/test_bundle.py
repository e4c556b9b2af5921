"""The viewer's bundle with its WebAssembly beside it: the same modules, and another bundle is left as it is."""

import base64
import gzip
import zlib

import pytest

from web.assets import BUNDLE
from web.bundle import HELD, gzipped, unpacked

SCRIPT = BUNDLE.read_bytes()


def test_the_wheels_bundle_is_unpacked() -> None:
    bundle = unpacked(SCRIPT)
    assert list(bundle.modules) == ["engine.wasm", "viewer.wasm"]
    assert len(bundle.script) < len(SCRIPT) / 10
    assert HELD.search(bundle.script) is None
    for name in bundle.modules:
        assert b'fetch(new URL("./%b",import.meta.url))' % name.encode() in bundle.script


def test_the_modules_are_what_the_packed_ones_unpack() -> None:
    packed = [base64.b64decode(held[2]) for held in HELD.finditer(SCRIPT)]
    for module, of in zip(unpacked(SCRIPT).modules.values(), packed, strict=True):
        begin = of.index(b"\x0bpsp-runtime") + len(b"\x0bpsp-runtime")
        assert gzip.decompress(module) == zlib.decompressobj().decompress(of[begin:])
        assert gzip.decompress(module).startswith(b"\0asm")


@pytest.mark.parametrize(
    "script",
    [
        b"export {};",
        SCRIPT.replace(b".sole!==void 0)return", b".sole!==void 0)  return"),
        SCRIPT.replace(b"WebAssembly.compile(o)", b"WebAssembly.compile(o,{})"),
        HELD.sub(rb'var \1=Xe("AGFzbQEAAAA=");function \3(){return Promise.resolve(\1.buffer)}', SCRIPT),
    ],
    ids=["none", "an engine used otherwise", "a viewer used otherwise", "modules that pack none"],
)
def test_another_bundle_is_left_as_it_is(script: bytes) -> None:
    bundle = unpacked(script)
    assert (bundle.script is script, bundle.modules) == (True, {})


def test_a_module_that_packs_none_is_told_apart() -> None:
    with pytest.raises(ValueError, match="packs none"):
        gzipped(b"\0asm\1\0\0\0")
