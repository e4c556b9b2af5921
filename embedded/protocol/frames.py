"""The binary messages of a `/ws` socket: what a client sends with actions 1 to 10, and the answer to a fetch."""

import struct
from dataclasses import dataclass

SET_TAGS = 1
BIND = 2
QUERY = 6
FETCH = 7
STMT2_BIND = 9
VALIDATE = 10

_HEADER = struct.Struct("<QQQ")
_QUERY = struct.Struct("<HI")
_STMT2_BIND = struct.Struct("<Hi")
_FETCH_REPLY = struct.Struct("<QQHQQII")
_MAX_U64 = 0xFFFFFFFFFFFFFFFF


class FrameError(ValueError):
    """A message that does not follow the layout; `request_id` and `action` say how to answer, where known."""

    def __init__(self, message: str, request_id: int = 0, action: int = 0, target: int = 0) -> None:
        super().__init__(message)
        self.request_id = request_id
        self.action = action
        self.target = target


@dataclass(frozen=True)
class Frame:
    """A client's binary message.

    `target` is what it is about: the result id of a fetch, the statement id of a bind, 0 for a query. `body` is the SQL
    text in bytes, the bind's data, or empty; `column` is the column that a stmt2 bind is for, -1 for all.
    """

    request_id: int
    action: int
    target: int
    body: bytes = b""
    column: int = -1


def decode(message: bytes) -> Frame:
    """Read a client's binary message; FrameError if it is too short, of an unknown action, or of a wrong length."""
    if len(message) < _HEADER.size:
        raise FrameError(f"binary message of {len(message)} bytes, at least {_HEADER.size} expected")
    request_id, target, action = _HEADER.unpack_from(message)
    rest = message[_HEADER.size :]

    def fail(text: str) -> FrameError:
        return FrameError(text, request_id, action, target)

    if action in (QUERY, VALIDATE):
        if len(rest) < _QUERY.size:
            raise fail("truncated query message")
        _version, length = _QUERY.unpack_from(rest)
        sql = rest[_QUERY.size :]
        if length > len(sql):
            raise fail(f"query message states {length} bytes of SQL and carries {len(sql)}")
        return Frame(request_id, action, target, sql[:length])
    if action == FETCH:
        return Frame(request_id, action, target)
    if action == STMT2_BIND:
        if len(rest) < _STMT2_BIND.size:
            raise fail("truncated stmt2 bind message")
        _version, column = _STMT2_BIND.unpack_from(rest)
        return Frame(request_id, action, target, rest[_STMT2_BIND.size :], column)
    if action in (BIND, SET_TAGS):
        return Frame(request_id, action, target, rest)
    raise fail(f"unknown action {action}")


def encode_query(request_id: int, sql: str) -> bytes:
    """A query message as the client makes it; for tests."""
    text = sql.encode()
    return _HEADER.pack(request_id, 0, QUERY) + _QUERY.pack(1, len(text)) + text


def encode_fetch(request_id: int, result_id: int) -> bytes:
    """A fetch message as the client makes it; for tests."""
    return _HEADER.pack(request_id, result_id, FETCH) + struct.pack("<H", 1)


def encode_older_block(result_id: int, block: bytes) -> bytes:
    """The answer to the older action `fetch_block`: a timing, the result's number, the block."""
    return struct.pack("<QQ", 0, result_id) + block


def encode_fetch_reply(
    request_id: int, result_id: int, timing: int, block: bytes | None, code: int = 0, message: str = ""
) -> bytes:
    """The answer to a fetch: a block, or `None` for the end of the result or an error (`code` other than 0)."""
    text = message.encode()
    head = _FETCH_REPLY.pack(_MAX_U64, FETCH, 1, timing, request_id, code, len(text)) + text
    head += struct.pack("<QB", result_id, block is None)
    return head if block is None else head + struct.pack("<I", len(block)) + block
