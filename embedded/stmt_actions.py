"""The WebSocket's actions about prepared statements: stmt2's, and those of the older statement."""

from __future__ import annotations

from typing import Any

from embedded import errors
from embedded.engine import Prepared
from embedded.errors import TDengineError
from embedded.inserting import COLUMN, TABLE_NAME, TAG, BindField
from embedded.prepared import LegacyStatement, Statement
from embedded.protocol import binds, blocks, frames
from embedded.query_actions import described
from embedded.sockets import Action, BinaryAction, Reply, SocketHandler, argument
from embedded.types import TIMESTAMP

_TBNAME_BYTES = 271


def _added(socket: SocketHandler, statement: Statement) -> Reply:
    statement_id = next(socket.statement_ids)
    socket.statements[statement_id] = statement
    return {"stmt_id": statement_id}


def _statement(socket: SocketHandler, arguments: Reply) -> Statement:
    statement = socket.statements.get(arguments.get("stmt_id", 0))
    if statement is None:
        raise TDengineError(errors.ADAPTER, "stmt is nil")
    return statement


def _legacy(socket: SocketHandler, arguments: Reply) -> LegacyStatement:
    statement = _statement(socket, arguments)
    if not isinstance(statement, LegacyStatement):
        raise TDengineError(errors.ADAPTER, "stmt is nil")
    return statement


# stmt2.


async def _stmt2_init(socket: SocketHandler, arguments: Reply) -> Reply:
    return _added(socket, Statement(socket.connected))


async def _stmt2_prepare(socket: SocketHandler, arguments: Reply) -> Reply:
    statement = _statement(socket, arguments)
    prepared = await socket.service.run(statement.prepare, argument(arguments, "sql", str))
    listed = None if prepared.fields is None else [_described(item, prepared) for item in prepared.fields]
    count = prepared.parsed.placeholders if listed is None else len(listed)
    return {"is_insert": statement.is_insert, "fields": listed, "fields_count": count}


async def _stmt2_bind(socket: SocketHandler, frame: frames.Frame) -> Reply:
    statement = _statement(socket, {"stmt_id": frame.target})
    await socket.service.run(lambda: statement.bind(binds.decode(frame.body)))
    return {}


async def _exec(socket: SocketHandler, arguments: Reply) -> Reply:
    statement = _statement(socket, arguments)
    return {"affected": await socket.service.ask(socket.connected, statement.execute)}


async def _stmt2_result(socket: SocketHandler, arguments: Reply) -> Reply:
    result = _statement(socket, arguments).take_result()
    return {"id": socket.keep(result), **described(result, wire_lengths=True)}


async def _stmt2_close(socket: SocketHandler, arguments: Reply) -> Reply:
    statement = socket.statements.pop(arguments.get("stmt_id", 0), None)
    if statement is not None:
        statement.close()
    return {}


# The older statement.


async def _init(socket: SocketHandler, arguments: Reply) -> Reply:
    return _added(socket, LegacyStatement(socket.connected))


async def _prepare(socket: SocketHandler, arguments: Reply) -> Reply:
    statement = _statement(socket, arguments)
    await socket.service.run(statement.prepare, argument(arguments, "sql", str))
    return {"is_insert": statement.is_insert}


async def _set_table_name(socket: SocketHandler, arguments: Reply) -> Reply:
    _legacy(socket, arguments).set_table_name(argument(arguments, "name", str))
    return {}


async def _set_tags(socket: SocketHandler, arguments: Reply) -> Reply:
    values = argument(arguments, "tags", list)
    _legacy(socket, arguments).set_tags([(None, [value]) for value in values])
    return {}


async def _set_tags_frame(socket: SocketHandler, frame: frames.Frame) -> Reply:
    _legacy(socket, {"stmt_id": frame.target}).set_tags(list(blocks.decode(frame.body)))
    return {}


async def _bind(socket: SocketHandler, arguments: Reply) -> Reply:
    """Columns as JSON, an array of values for each."""
    columns = argument(arguments, "columns", list)
    if not all(isinstance(column, list) for column in columns):
        raise TDengineError(errors.ADAPTER, "stmt parse column json:columns must be arrays")
    if len({len(column) for column in columns}) > 1:
        raise TDengineError(errors.ADAPTER, "stmt parse column json:wrong row length")
    statement = _legacy(socket, arguments)
    await socket.service.run(statement.bind_values, columns)
    return {}


async def _bind_frame(socket: SocketHandler, frame: frames.Frame) -> Reply:
    statement = _legacy(socket, {"stmt_id": frame.target})
    await socket.service.run(lambda: statement.bind_block(blocks.decode(frame.body)))
    return {}


async def _add_batch(socket: SocketHandler, arguments: Reply) -> Reply:
    _statement(socket, arguments)
    return {}


async def _close(socket: SocketHandler, arguments: Reply) -> None:
    """No answer, as of taosAdapter."""
    await _stmt2_close(socket, arguments)


async def _col_fields(socket: SocketHandler, arguments: Reply) -> Reply:
    return {"fields": _fields(socket, arguments, COLUMN)}


async def _tag_fields(socket: SocketHandler, arguments: Reply) -> Reply:
    fields = _fields(socket, arguments, TAG)
    return {"fields": fields} if fields else {}


def _fields(socket: SocketHandler, arguments: Reply, bind_type: int) -> list[Reply]:
    prepared = _legacy(socket, arguments).ready()
    if prepared.fields is None:
        raise TDengineError(errors.INVALID_OPERATION, "Stmt API usage error")
    listed = [_described(item, prepared) for item in prepared.fields if item.bind_type == bind_type]
    return [{key: value for key, value in field.items() if key != "bind_type"} for field in listed]


async def _use_result(socket: SocketHandler, arguments: Reply) -> Reply:
    result = _statement(socket, arguments).take_result()
    return {"result_id": socket.keep(result), **described(result)}


async def _num_params(socket: SocketHandler, arguments: Reply) -> Reply:
    prepared = _legacy(socket, arguments).ready()
    count = prepared.parsed.placeholders
    if prepared.fields is not None:
        count = sum(item.bind_type == COLUMN for item in prepared.fields)
    return {"num_params": count}


async def _get_param(socket: SocketHandler, arguments: Reply) -> Reply:
    fields = _fields(socket, arguments, COLUMN)
    index = argument(arguments, "index", int)
    if not 0 <= index < len(fields):
        raise TDengineError(errors.INVALID_PARAMETER, f"idx {index} is too big")
    return {"index": index, "data_type": fields[index]["field_type"], "length": fields[index]["bytes"]}


def _described(item: BindField, prepared: Prepared) -> dict[str, Any]:
    column = item.column
    return {
        "name": column.name,
        "field_type": column.type.kind.code,
        "precision": prepared.precision if column.type.kind is TIMESTAMP else column.type.precision,
        "scale": column.type.scale,
        "bytes": _TBNAME_BYTES if item.bind_type == TABLE_NAME else column.type.wire_bytes,
        "bind_type": item.bind_type,
    }


ACTIONS: dict[str, Action] = {
    "stmt2_init": _stmt2_init,
    "stmt2_prepare": _stmt2_prepare,
    "stmt2_exec": _exec,
    "stmt2_result": _stmt2_result,
    "stmt2_close": _stmt2_close,
    "init": _init,
    "prepare": _prepare,
    "set_table_name": _set_table_name,
    "set_tags": _set_tags,
    "bind": _bind,
    "add_batch": _add_batch,
    "exec": _exec,
    "close": _close,
    "get_col_fields": _col_fields,
    "get_tag_fields": _tag_fields,
    "use_result": _use_result,
    "stmt_num_params": _num_params,
    "stmt_get_param": _get_param,
}
ABOUT_STATEMENTS = frozenset(ACTIONS) - {"stmt2_init"}
BINARY_ACTIONS: dict[int, tuple[str, BinaryAction]] = {
    frames.STMT2_BIND: ("stmt2_bind", _stmt2_bind),
    frames.BIND: ("bind", _bind_frame),
    frames.SET_TAGS: ("set_tags", _set_tags_frame),
}
