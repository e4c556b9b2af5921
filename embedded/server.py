"""The sockets: taosAdapter's `/ws` and `/rest/ws`, `/rest/sql` and `/-/ping`, by Tornado."""

from __future__ import annotations

import asyncio
import base64
import hmac
import itertools
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from embedded import VERSION, errors, rest
from embedded.engine import USER, Prepared, Result, Session, Update
from embedded.errors import TDengineError, unsupported
from embedded.hosts import GuardedApplication, Hosts
from embedded.inserting import TABLE_NAME, BindField
from embedded.prepared import LegacyStatement, Statement
from embedded.protocol import binds, blocks, frames
from embedded.sql.parser import parse
from embedded.storage import Storage
from embedded.types import PRECISIONS, TIMESTAMP, VARCHAR, Field

log = logging.getLogger("embedded")
T = TypeVar("T")
Reply = dict[str, Any]


class Service:
    """What all sockets share: the storage, the threads that work on it, and the numbers of results."""

    def __init__(self, storage: Storage, threads: int = 32) -> None:
        self.storage = storage
        self.password = os.environ.get("TAOS_PASSWORD") or "taosdata"
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="embedded")
        self._result_ids = itertools.count(1)

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do `work` in a thread, where it does not hold up the other sockets."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def next_result_id(self) -> int:
        """A result id, unique in the whole server: a client that reconnects must not meet an old one."""
        return next(self._result_ids)

    def allows(self, user: str, password: str) -> bool:
        """Whether that is the one user with its password."""
        return user == USER and hmac.compare_digest(password.encode(), self.password.encode())

    def close(self) -> None:
        """Take no more work."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class SocketHandler(WebSocketHandler):
    """One connection. Requests are answered in their order, each of them, and an error never closes the socket."""

    service: Service

    def initialize(self, service: Service) -> None:
        self.service = service
        self.session: Session | None = None
        self.results: dict[int, Result] = {}
        self.statements: dict[int, Statement] = {}
        self._statement_ids = itertools.count(1)

    async def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        assert self.ws_connection is not None
        assert self.ws_connection.stream is not None
        self.ws_connection.stream.set_close_callback(self._gone)

    def _gone(self) -> None:
        """Give up what is being asked: Tornado calls `on_close` only after the answer."""
        if self.session is not None:
            self.session.interrupt()

    def on_close(self) -> None:
        for result in self.results.values():
            result.close()
        for statement in self.statements.values():
            statement.close()
        self.results.clear()
        self.statements.clear()

    async def on_message(self, message: str | bytes) -> None:
        started = time.monotonic_ns()
        try:
            answer = await (self._text(message) if isinstance(message, str) else self._binary(message, started))
            if isinstance(answer, dict):
                answer.setdefault("code", 0)
                answer.setdefault("message", "")
                ordered: Reply = {key: answer[key] for key in ("code", "message", "action", "req_id") if key in answer}
                ordered["timing"] = time.monotonic_ns() - started
                await self.write_message(json.dumps(ordered | answer))
            elif answer is not None:
                await self.write_message(answer, binary=True)
        except WebSocketClosedError:
            log.debug("client went away before its answer")

    async def _text(self, message: str) -> Reply | None:
        try:
            request = json.loads(message)
            action = request["action"]
            arguments = request.get("args") or {}
            if not isinstance(action, str) or not isinstance(arguments, dict):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            return {"code": errors.ADAPTER, "message": "unmarshal ws request error", "action": "", "req_id": 0}
        request_id = arguments.get("req_id", request.get("req_id", 0))
        head: Reply = {"action": action, "req_id": request_id if isinstance(request_id, int) else 0}
        if action in _WITH_STATEMENT and isinstance(arguments.get("stmt_id", 0), int):
            head["stmt_id"] = arguments.get("stmt_id", 0)
        rule = _ACTIONS.get(action)
        try:
            if rule is None:
                raise TDengineError(errors.ADAPTER, f"unknown action {action}")
            if self.session is None and action not in ("version", "conn"):
                raise TDengineError(errors.ADAPTER, "server not connected")
            answer = await rule(self, arguments)
        except Exception as error:
            return head | _failure(error, action) | ({"is_insert": False} if action == "prepare" else {})
        return None if answer is None else head | answer

    async def _binary(self, message: bytes, started: int) -> Reply | bytes:
        try:
            frame = frames.decode(message)
        except frames.FrameError as error:
            head: Reply = {"action": _BINARY_ACTIONS.get(error.action, "unknown"), "req_id": error.request_id}
            if error.action in (frames.BIND, frames.SET_TAGS, frames.STMT2_BIND):
                head["stmt_id"] = error.target
            return head | {"code": errors.ADAPTER, "message": str(error)}
        if frame.action == frames.FETCH:
            return await self._fetch(frame, started)
        head = {"action": _BINARY_ACTIONS[frame.action], "req_id": frame.request_id}
        if frame.action not in (frames.QUERY, frames.VALIDATE):
            head["stmt_id"] = frame.target
        try:
            if self.session is None:
                raise TDengineError(errors.ADAPTER, "server not connected")
            return head | await _BINARY_RULES[frame.action](self, frame)
        except Exception as error:
            return head | _failure(error, head["action"])

    # The connection.

    async def _version(self, arguments: Reply) -> Reply:
        return {"req_id": arguments.get("req_id", 0), "version": VERSION}

    async def _conn(self, arguments: Reply) -> Reply:
        user, password = str(arguments.get("user", "")), str(arguments.get("password", ""))
        if not self.service.allows(user, password):
            raise TDengineError(errors.AUTHENTICATION, "Authentication failure")
        zone = arguments.get("tz")
        self.session = Session(self.service.storage, arguments.get("db") or None, str(zone) if zone else None)
        return {}

    async def _current_database(self, arguments: Reply) -> Reply:
        return {"db": self._session().database or ""}

    async def _server_info(self, arguments: Reply) -> Reply:
        return {"info": VERSION}

    async def _server_status(self, arguments: Reply) -> Reply:
        return {"status": 2, "details": ""}

    async def _options(self, arguments: Reply) -> Reply:
        return {}

    async def _schemaless(self, arguments: Reply) -> Reply:
        raise unsupported("schemaless inserts (line protocols)")

    def _session(self) -> Session:
        assert self.session is not None
        return self.session

    # Queries.

    async def _query_text(self, arguments: Reply) -> Reply:
        return await self._query(_argument(arguments, "sql", str))

    async def _query_frame(self, frame: frames.Frame) -> Reply:
        return await self._query(_decoded(frame.body))

    async def _query(self, sql: str) -> Reply:
        log.debug("query %s", sql)
        outcome = await self.service.run(self._session().execute, sql)
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
        described = _described(outcome)
        return {"id": self._keep(outcome), "is_update": False, "affected_rows": 0, **described}

    async def _validate(self, frame: frames.Frame) -> Reply:
        parse(_decoded(frame.body))
        return {"result_code": 0}

    def _keep(self, result: Result) -> int:
        result_id = self.service.next_result_id()
        self.results[result_id] = result
        return result_id

    async def _fetch(self, frame: frames.Frame, started: int) -> bytes:
        def answer(block: bytes | None, code: int = 0, message: str = "") -> bytes:
            timing = time.monotonic_ns() - started
            return frames.encode_fetch_reply(frame.request_id, frame.target, timing, block, code, message)

        result = self.results.get(frame.target)
        if result is None:
            return answer(None, errors.ADAPTER, "result is nil")
        try:
            block = await self.service.run(_next_block, result)
        except Exception as error:
            failure = _failure(error, "fetch")
            return answer(None, failure["code"], failure["message"])
        if block is None:
            self.results.pop(frame.target, None)
        return answer(block)

    async def _free_result(self, arguments: Reply) -> None:
        result = self.results.pop(_argument(arguments, "id", int), None)
        if result is not None:
            await self.service.run(result.close)

    # stmt2.

    async def _stmt2_init(self, arguments: Reply) -> Reply:
        return self._new_statement(Statement(self._session()))

    async def _stmt2_prepare(self, arguments: Reply) -> Reply:
        statement = self._statement(arguments)
        prepared = await self.service.run(statement.prepare, _argument(arguments, "sql", str))
        listed = _bind_fields(prepared)
        count = prepared.parsed.placeholders if listed is None else len(listed)
        return {"is_insert": statement.is_insert, "fields": listed, "fields_count": count}

    async def _stmt2_bind(self, frame: frames.Frame) -> Reply:
        statement = self._statement({"stmt_id": frame.target})
        await self.service.run(lambda: statement.bind(binds.decode(frame.body)))
        return {}

    async def _exec(self, arguments: Reply) -> Reply:
        return {"affected": await self.service.run(self._statement(arguments).execute)}

    async def _stmt2_result(self, arguments: Reply) -> Reply:
        statement = self._statement(arguments)
        result, statement.result = statement.result, None
        if result is None:
            raise TDengineError(errors.ADAPTER, "stmt has no result")
        described = _described(result, wire_lengths=True)
        return {"id": self._keep(result), **described}

    async def _stmt2_close(self, arguments: Reply) -> Reply:
        statement = self.statements.pop(arguments.get("stmt_id", 0), None)
        if statement is not None:
            statement.close()
        return {}

    def _new_statement(self, statement: Statement) -> Reply:
        statement_id = next(self._statement_ids)
        self.statements[statement_id] = statement
        return {"stmt_id": statement_id}

    def _statement(self, arguments: Reply) -> Statement:
        statement = self.statements.get(arguments.get("stmt_id", 0))
        if statement is None:
            raise TDengineError(errors.ADAPTER, "stmt is nil")
        return statement

    # The older statement.

    async def _init(self, arguments: Reply) -> Reply:
        return self._new_statement(LegacyStatement(self._session()))

    async def _prepare(self, arguments: Reply) -> Reply:
        statement = self._statement(arguments)
        await self.service.run(statement.prepare, _argument(arguments, "sql", str))
        return {"is_insert": statement.is_insert}

    async def _set_table_name(self, arguments: Reply) -> Reply:
        self._legacy(arguments).set_table_name(_argument(arguments, "name", str))
        return {}

    async def _set_tags(self, arguments: Reply) -> Reply:
        values = _argument(arguments, "tags", list)
        self._legacy(arguments).set_tags([(None, [value]) for value in values])
        return {}

    async def _set_tags_block(self, frame: frames.Frame) -> Reply:
        self._legacy({"stmt_id": frame.target}).set_tags(list(blocks.decode(frame.body)))
        return {}

    async def _bind(self, frame: frames.Frame) -> Reply:
        statement = self._legacy({"stmt_id": frame.target})
        await self.service.run(lambda: statement.bind_block(blocks.decode(frame.body)))
        return {}

    async def _add_batch(self, arguments: Reply) -> Reply:
        self._statement(arguments)
        return {}

    def _legacy(self, arguments: Reply) -> LegacyStatement:
        statement = self._statement(arguments)
        if not isinstance(statement, LegacyStatement):
            raise TDengineError(errors.ADAPTER, "stmt is nil")
        return statement


_ACTIONS: dict[str, Callable[[SocketHandler, Reply], Awaitable[Reply | None]]] = {
    "version": SocketHandler._version,
    "conn": SocketHandler._conn,
    "query": SocketHandler._query_text,
    "free_result": SocketHandler._free_result,
    "get_current_db": SocketHandler._current_database,
    "get_server_info": SocketHandler._server_info,
    "check_server_status": SocketHandler._server_status,
    "options_connection": SocketHandler._options,
    "insert": SocketHandler._schemaless,
    "stmt2_init": SocketHandler._stmt2_init,
    "stmt2_prepare": SocketHandler._stmt2_prepare,
    "stmt2_exec": SocketHandler._exec,
    "stmt2_result": SocketHandler._stmt2_result,
    "stmt2_close": SocketHandler._stmt2_close,
    "init": SocketHandler._init,
    "prepare": SocketHandler._prepare,
    "set_table_name": SocketHandler._set_table_name,
    "set_tags": SocketHandler._set_tags,
    "add_batch": SocketHandler._add_batch,
    "exec": SocketHandler._exec,
    "close": SocketHandler._stmt2_close,
}
_WITH_STATEMENT_TEXT = """
    stmt2_prepare stmt2_exec stmt2_result stmt2_close init prepare set_table_name set_tags add_batch exec close
"""
_WITH_STATEMENT = frozenset(_WITH_STATEMENT_TEXT.split())
_BINARY_ACTIONS = {
    frames.QUERY: "binary_query",
    frames.VALIDATE: "validate_sql",
    frames.STMT2_BIND: "stmt2_bind",
    frames.BIND: "bind",
    frames.SET_TAGS: "set_tags",
    frames.FETCH: "fetch",
}
_BINARY_RULES: dict[int, Callable[[SocketHandler, frames.Frame], Awaitable[Reply]]] = {
    frames.QUERY: SocketHandler._query_frame,
    frames.VALIDATE: SocketHandler._validate,
    frames.STMT2_BIND: SocketHandler._stmt2_bind,
    frames.BIND: SocketHandler._bind,
    frames.SET_TAGS: SocketHandler._set_tags_block,
}


def _argument(arguments: Reply, name: str, kind: type[T]) -> T:
    value = arguments.get(name)
    if not isinstance(value, kind):
        raise TDengineError(errors.ADAPTER, f"invalid argument {name}")
    return value


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise TDengineError(errors.ADAPTER, "SQL is not UTF-8") from None


def _failure(error: Exception, action: str) -> Reply:
    """The fields of an error reply; what is no TDengineError is a fault of this server and is logged."""
    if isinstance(error, TDengineError):
        return {"code": error.code, "message": error.message}
    if isinstance(error, frames.FrameError):
        return {"code": errors.ADAPTER, "message": str(error)}
    log.error("%s failed", action, exc_info=error)
    return {"code": errors.ADAPTER, "message": f"embedded server: internal error: {error!r}"}


def _next_block(result: Result) -> bytes | None:
    batch = result.next()
    return None if batch is None else blocks.encode(batch, [field.type for field in result.fields])


def _described(result: Result, wire_lengths: bool = False) -> Reply:
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


_TBNAME_BYTES = 271


def _bind_fields(prepared: Prepared) -> list[Reply] | None:
    if prepared.fields is None:
        return None

    def described(item: BindField) -> Reply:
        column = item.column
        code = column.type.kind.code
        size = _TBNAME_BYTES if item.bind_type == TABLE_NAME else column.type.wire_bytes
        precision = prepared.precision if column.type.kind is TIMESTAMP else column.type.precision
        return {
            "name": column.name,
            "field_type": code,
            "precision": precision,
            "scale": column.type.scale,
            "bytes": size,
            "bind_type": item.bind_type,
        }

    return [described(item) for item in prepared.fields]


class PingHandler(RequestHandler):
    """`GET /-/ping`: 200 without a body."""

    def get(self) -> None:
        self.set_status(200)


class RestHandler(RequestHandler):
    """`POST /rest/sql[/database]`: one statement in, JSON out. Stateless: the database comes from the address."""

    service: Service

    def initialize(self, service: Service) -> None:
        self.service = service

    async def post(self, database: str | None = None) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        try:
            user, password = _credentials(self.request)
        except TDengineError as error:
            self.set_status(401)
            self.write(rest.failure(error))
            return
        sql = self.request.body.decode(errors="replace")
        if not sql.strip():
            self.set_status(400)
            self.write(rest.failure(TDengineError(0x1106, "empty sql")))
            return
        result: Result | None = None
        try:
            if not self.service.allows(user, password):
                raise TDengineError(errors.AUTHENTICATION, "Authentication failure")
            session = Session(self.service.storage, database or None, self.get_query_argument("tz", None))
            outcome = await self.service.run(session.execute, sql)
            if isinstance(outcome, Update):
                self.write(rest.update(outcome.affected))
                return
            result = outcome
            self.write(rest.head(result.fields))
            rows = 0
            with_names = self.get_query_argument("row_with_meta", "") == "true"
            while (batch := await self.service.run(result.next)) is not None:
                try:
                    text = await self.service.run(rest.rows, batch, result, session.zone, with_names, rows > 0)
                except ValueError:
                    # NaN and infinity: TDengine then answers with an empty body.
                    self._write_buffer.clear()
                    return
                self.write(text)
                await self.flush()
                rows += batch.num_rows
            self.write(rest.tail(rows))
        except Exception as error:
            failure = _failure(error, "rest")
            self.write(rest.failure(TDengineError(failure["code"], failure["message"])))
        finally:
            if result is not None:
                result.close()


def _credentials(request: HTTPServerRequest) -> tuple[str, str]:
    header = request.headers.get("Authorization")
    if not header:
        raise TDengineError(0x1105, "no auth info input")
    kind, _, coded = header.partition(" ")
    if kind.lower() != "basic":
        raise TDengineError(0x1122, "invalid auth format")
    try:
        user, separator, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except ValueError:
        raise TDengineError(0x1124, "invalid basic auth") from None
    if not separator:
        raise TDengineError(0x1124, "invalid basic auth")
    return user, password


def make_app(service: Service, hosts: Hosts | None = None) -> Application:
    """The routes of the server; without `hosts`, of one on loopback."""
    shared = {"service": service}
    return GuardedApplication(
        [
            (r"/ws", SocketHandler, shared),
            (r"/rest/ws", SocketHandler, shared),
            (r"/rest/sql/?", RestHandler, shared),
            (r"/rest/sql/([^/]+)", RestHandler, shared),
            (r"/-/ping", PingHandler),
        ],
        hosts or Hosts(),
        websocket_max_message_size=256 * 1024 * 1024,
        log_function=lambda handler: None,
    )
