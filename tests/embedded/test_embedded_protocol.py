"""The bytes on the wire, without a server."""

import json
import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded.protocol import binds, blocks, frames
from embedded.types import BIGINT, BOOL, BY_CODE, DOUBLE, FLOAT, INT, NCHAR, TIMESTAMP, UBIGINT, VARCHAR, Kind, Type
from embedded_server import RECORDINGS

WIRE = [json.loads(line) for line in (RECORDINGS / "wire.jsonl").read_text(encoding="utf-8").splitlines()]
SENT = [bytes.fromhex(record["hex"]) for record in WIRE if record.get("dir") == "client" and "hex" in record]
FETCHED = [bytes.fromhex(record["hex"]) for record in WIRE if record.get("dir") == "server" and "hex" in record]


def types_of(block: bytes) -> list[Type]:
    """The types that a block's header states."""
    (count,) = struct.unpack_from("<i", block, 12)
    types = []
    for at in range(count):
        code, size = struct.unpack_from("<Bi", block, 28 + 5 * at)
        kind = BY_CODE[code]
        types.append(Type(kind, size if kind.size else (size - 2) // (4 if kind is NCHAR else 1)))
    return types


def batch_of(types: list[Type], columns: list[list[Any]]) -> pa.RecordBatch:
    arrays = [pa.array(values, type_.kind.arrow) for type_, values in zip(types, columns, strict=True)]
    return pa.record_batch(arrays, names=[f"c{at}" for at in range(len(arrays))])


def test_recorded_blocks_are_encoded_byte_for_byte() -> None:
    recorded = [message[55:] for message in FETCHED if not message[50]]
    assert len(recorded) > 5
    for block in recorded:
        types = types_of(block)
        batch = batch_of(types, [values for _, values in blocks.decode(block)])
        assert blocks.encode(batch, types) == block


def test_a_slice_of_a_batch_is_encoded_like_the_rows_alone() -> None:
    types = [Type.of(INT), Type(NCHAR, 10), Type(VARCHAR, 8), Type.of(BOOL), Type.of(DOUBLE)]
    columns: list[list[Any]] = [[1, None], ["汉", None], ["ab", ""], [True, None], [None, 2.5]]
    padded = batch_of(types, [[None, values[0], *values, values[1]] for values in columns])
    assert blocks.encode(padded.slice(2, 2), types) == blocks.encode(batch_of(types, columns), types)


VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    BOOL: st.booleans(),
    INT: st.integers(INT.low, INT.high),
    BIGINT: st.integers(BIGINT.low, BIGINT.high),
    UBIGINT: st.integers(0, UBIGINT.high),
    FLOAT: st.floats(width=32, allow_nan=False),
    DOUBLE: st.floats(allow_nan=False),
    TIMESTAMP: st.integers(BIGINT.low, BIGINT.high),
    VARCHAR: st.text(max_size=5),
    NCHAR: st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_rows_come_back_from_a_block(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=4))
    rows = data.draw(st.integers(1, 20))
    columns = [data.draw(st.lists(st.none() | VALUES[kind], min_size=rows, max_size=rows)) for kind in kinds]
    types = [Type(kind, kind.size or 30) for kind in kinds]
    decoded = blocks.decode(blocks.encode(batch_of(types, columns), types))
    assert decoded == list(zip(kinds, columns, strict=True))


def test_fetch_replies_are_encoded_as_recorded() -> None:
    for message in FETCHED:
        timing, request = struct.unpack_from("<QQ", message, 18)
        (result,) = struct.unpack_from("<Q", message, 42)
        block = None if message[50] else message[55:]
        assert frames.encode_fetch_reply(request, result, timing, block) == message


def test_recorded_queries_and_fetches_are_read() -> None:
    read = [frames.decode(message) for message in SENT]
    assert read[0] == frames.Frame(0, frames.QUERY, 0, b"create database fr")
    assert all(frames.encode_query(f.request_id, f.body.decode()) in SENT for f in read if f.action == frames.QUERY)
    assert all(frames.encode_fetch(f.request_id, f.target) in SENT for f in read if f.action == frames.FETCH)


def test_a_recorded_stmt2_bind_is_read() -> None:
    tables = [binds.decode(f.body) for f in map(frames.decode, SENT) if f.action == frames.STMT2_BIND]
    first = tables[0][0]
    assert first.name is None
    assert [column.values.to_pylist() for column in first.columns] == [
        [1767323047000, 1767323047001],
        ["汉", None],
        [1.5, None],
        [7, None],
        [True, None],
        [5, None],
        [2.5, None],
        ["ab", None],
    ]
    last = tables[-1][0]
    assert (last.name, [tag.values.to_pylist() for tag in last.tags]) == ("m1", [[1], ["here"]])


def test_a_recorded_block_of_the_older_statement_is_read() -> None:
    (frame,) = [f for f in map(frames.decode, SENT) if f.action == frames.BIND]
    assert [values for _, values in blocks.decode(frame.body)][:2] == [[1767323046000, 1767323046001], ["汉", None]]


@pytest.mark.parametrize("message", SENT, ids=range(len(SENT)))
def test_a_message_cut_short_or_altered_raises_nothing_but_frame_errors(message: bytes) -> None:
    for cut in range(0, len(message), 3):
        _read(message[:cut])
    for at in range(0, len(message), 2):
        _read(message[:at] + bytes([message[at] ^ 0xFF]) + message[at + 1 :])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([1, 2, 9]))
def test_any_bytes_raise_nothing_but_frame_errors(body: bytes, action: int) -> None:
    _read(struct.pack("<QQQ", 1, 1, action) + body)


def _read(message: bytes) -> None:
    try:
        frame = frames.decode(message)
        if frame.action == frames.STMT2_BIND:
            binds.decode(frame.body)
        elif frame.action in (frames.BIND, frames.SET_TAGS):
            blocks.decode(frame.body)
    except frames.FrameError:
        pass
