"""The WebSocket's actions about queries and their results: those in use, and older ones."""

from __future__ import annotations

import logging

from embedded import errors
from embedded.engine import Result, Update
from embedded.errors import TDengineError
from embedded.protocol import frames
from embedded.sockets import Action, BinaryAction, Reply, SocketHandler, argument, next_block
from embedded.sql.parser import parse
from embedded.types import PRECISIONS, VARCHAR, Field

log = logging.getLogger("embedded")


async def _query_text(socket: SocketHandler, arguments: Reply) -> Reply:
    return await _query(socket, argument(arguments, "sql", str))


async def _query_frame(socket: SocketHandler, frame: frames.Frame) -> Reply:
    return await _query(socket, _decoded(frame.body))


async def _query(socket: SocketHandler, sql: str) -> Reply:
    log.debug("query %s", sql[:1000])
    outcome = await socket.service.ask(socket.connected, socket.connected.execute, sql)
    if isinstance(outcome, Update):
        return {
            "id": 0,
            "is_update": True,
            "affected_rows": outcome.affected,
            "fields_count": 0,
            "fields_names": None,
            "fields_types": None,
            "fields_lengths": None,
            "precision": 0,
            "fields_precisions": None,
            "fields_scales": None,
        }
    return {"id": socket.keep(outcome), "is_update": False, "affected_rows": 0, **described(outcome)}


async def _validate(socket: SocketHandler, frame: frames.Frame) -> Reply:
    parse(_decoded(frame.body))
    return {"result_code": 0}


async def _fetch(socket: SocketHandler, arguments: Reply) -> Reply:
    """The older way to fetch: this tells of the next block, `fetch_block` sends it."""
    result_id = argument(arguments, "id", int)
    result = socket.result(result_id)
    block = await socket.service.ask(socket.connected, next_block, result)
    if block is None:
        socket.results.pop(result_id, None)
        socket.blocks.pop(result_id, None)
        return {"id": result_id, "completed": True, "lengths": None, "rows": 0}
    rows, socket.blocks[result_id] = block
    lengths = [field.type.wire_bytes for field in result.fields]
    return {"id": result_id, "completed": False, "lengths": lengths, "rows": rows}


async def _fetch_block(socket: SocketHandler, arguments: Reply) -> bytes:
    """The block that `fetch` told of, after a timing and the result's number."""
    result_id = argument(arguments, "id", int)
    socket.result(result_id)
    block = socket.blocks.get(result_id)
    if block is None:
        raise TDengineError(errors.ADAPTER, "block is nil")
    return frames.encode_older_block(result_id, block)


async def _num_fields(socket: SocketHandler, arguments: Reply) -> Reply:
    return {"num_fields": len(socket.result(argument(arguments, "result_id", int)).fields)}


async def _free_result(socket: SocketHandler, arguments: Reply) -> None:
    result_id = argument(arguments, "id", int)
    socket.blocks.pop(result_id, None)
    result = socket.results.pop(result_id, None)
    if result is not None:
        await socket.service.run(result.close)


def described(result: Result, wire_lengths: bool = False) -> Reply:
    """The fields of a reply to a query. stmt2 states lengths in bytes, a plain query those that were declared."""

    def length(field: Field) -> int:
        if not wire_lengths or field.type.kind.size or field.type.kind is VARCHAR:
            return field.type.length + (2 if wire_lengths and field.type.kind is VARCHAR else 0)
        return field.type.wire_bytes

    fields = result.fields
    return {
        "fields_count": len(fields),
        "fields_names": [field.name for field in fields],
        "fields_types": [field.type.kind.code for field in fields],
        "fields_lengths": [length(field) for field in fields],
        "precision": PRECISIONS.index(result.precision),
        "fields_precisions": [field.type.precision for field in fields],
        "fields_scales": [field.type.scale for field in fields],
    }


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise TDengineError(errors.ADAPTER, "SQL is not UTF-8") from None


ACTIONS: dict[str, Action] = {
    "query": _query_text,
    "fetch": _fetch,
    "fetch_block": _fetch_block,
    "num_fields": _num_fields,
    "free_result": _free_result,
}
BINARY_ACTIONS: dict[int, tuple[str, BinaryAction]] = {
    frames.QUERY: ("binary_query", _query_frame),
    frames.VALIDATE: ("validate_sql", _validate),
}
