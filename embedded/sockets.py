"""taosAdapter's WebSocket: a handler for each connection, and the actions about the connection itself."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler, WebSocketProtocol13

from embedded import VERSION, errors
from embedded.bounded_socket import BoundedProtocol
from embedded.engine import Result, Session, zone_of
from embedded.errors import TDengineError, unsupported
from embedded.failures import failure_of
from embedded.prepared import Statement
from embedded.protocol import blocks, frames
from embedded.service import Service

log = logging.getLogger("embedded")
T = TypeVar("T")
Reply = dict[str, Any]
Action = Callable[["SocketHandler", Reply], Awaitable[Reply | bytes | None]]
BinaryAction = Callable[["SocketHandler", frames.Frame], Awaitable[Reply]]
_ZONE_OPTION, _KNOWN_OPTIONS = 1, (-1, 0, 1, 2, 3, 4)


class SocketHandler(WebSocketHandler):
    """One connection. Requests are answered in their order, each of them, and an error never closes the socket."""

    service: Service
    actions: dict[str, Action]
    binary_actions: dict[int, tuple[str, BinaryAction]]
    about_statements: frozenset[str]

    def initialize(
        self,
        service: Service,
        actions: dict[str, Action],
        binary_actions: dict[int, tuple[str, BinaryAction]],
        about_statements: frozenset[str],
    ) -> None:
        self.service = service
        self.actions, self.binary_actions, self.about_statements = actions, binary_actions, about_statements
        self.session: Session | None = None
        self.results: dict[int, Result] = {}
        self.blocks: dict[int, bytes] = {}
        self.statements: dict[int, Statement] = {}
        self.statement_ids = itertools.count(1)

    def get_websocket_protocol(self) -> WebSocketProtocol13 | None:
        protocol = super().get_websocket_protocol()
        if protocol is None:
            return None
        assert isinstance(protocol, WebSocketProtocol13)
        return BoundedProtocol(self, protocol.mask_outgoing, protocol.params)

    async def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        assert self.ws_connection is not None
        assert self.ws_connection.stream is not None
        self.ws_connection.stream.set_close_callback(self._gone)

    def _gone(self) -> None:
        """Give up what is being asked: Tornado calls `on_close` only after the answer."""
        if self.session is not None:
            self.session.abandon()

    def on_close(self) -> None:
        for result in self.results.values():
            result.close()
        for statement in self.statements.values():
            statement.close()
        self.results.clear()
        self.blocks.clear()
        self.statements.clear()

    async def on_message(self, message: str | bytes) -> None:
        started = time.monotonic_ns()
        try:
            answer = await (
                self._text(message, started) if isinstance(message, str) else self._binary(message, started)
            )
            if isinstance(answer, dict):
                answer.setdefault("code", 0)
                answer.setdefault("message", "")
                ordered: Reply = {key: answer[key] for key in ("code", "message", "action", "req_id") if key in answer}
                ordered["timing"] = time.monotonic_ns() - started
                await self.write_message(json.dumps(ordered | answer, separators=(",", ":")))
            elif answer is not None:
                await self.write_message(answer, binary=True)
        except (WebSocketClosedError, StreamClosedError):
            log.debug("client went away before its answer")

    def _oversized(self) -> bool:
        """Whether the message that came was too long; asked once for each."""
        protocol = self.ws_connection
        if isinstance(protocol, BoundedProtocol) and protocol.oversized:
            protocol.oversized = False
            return True
        return False

    async def _text(self, message: str, started: int) -> Reply | bytes | None:
        if self._oversized():
            return {"code": errors.ADAPTER, "message": "message is too long", "action": "", "req_id": 0}
        try:
            request = json.loads(message)
            action = request["action"]
            arguments = request.get("args") or {}
            if not isinstance(action, str) or not isinstance(arguments, dict):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            return {"code": errors.ADAPTER, "message": "unmarshal ws request error", "action": "", "req_id": 0}
        request_id = arguments.get("req_id", request.get("req_id", 0))
        head: Reply = {"action": action, "req_id": request_id if isinstance(request_id, int) else 0}
        if action in self.about_statements and isinstance(arguments.get("stmt_id", 0), int):
            head["stmt_id"] = arguments.get("stmt_id", 0)
        rule = self.actions.get(action)
        try:
            if rule is None:
                raise TDengineError(errors.ADAPTER, f"unknown action {action}")
            if self.session is None and action not in ("version", "conn"):
                raise TDengineError(errors.ADAPTER, "server not connected")
            answer = await rule(self, arguments)
        except Exception as error:
            return head | failed(error, action) | ({"is_insert": False} if action == "prepare" else {})
        return head | answer if isinstance(answer, dict) else answer

    async def _binary(self, message: bytes, started: int) -> Reply | bytes:
        oversized = self._oversized()
        try:
            frame = frames.decode(message)
        except frames.FrameError as error:
            name = self.binary_actions[error.action][0] if error.action in self.binary_actions else "unknown"
            head: Reply = {"action": name, "req_id": error.request_id}
            if error.action in (frames.BIND, frames.SET_TAGS, frames.STMT2_BIND):
                head["stmt_id"] = error.target
            return head | (failed(_too_long(), name) if oversized else {"code": errors.ADAPTER, "message": str(error)})
        if frame.action == frames.FETCH:
            return await self._fetch_block_frame(frame, started)
        name, rule = self.binary_actions[frame.action]
        head = {"action": name, "req_id": frame.request_id}
        if frame.action not in (frames.QUERY, frames.VALIDATE):
            head["stmt_id"] = frame.target
        try:
            if oversized:
                raise _too_long()
            if self.session is None:
                raise TDengineError(errors.ADAPTER, "server not connected")
            return head | await rule(self, frame)
        except Exception as error:
            return head | failed(error, name)

    # The connection.

    async def version(self, arguments: Reply) -> Reply:
        return {"req_id": arguments.get("req_id", 0), "version": VERSION}

    async def connect(self, arguments: Reply) -> Reply:
        user, password = str(arguments.get("user", "")), str(arguments.get("password", ""))
        if not self.service.allows(user, password):
            raise TDengineError(errors.AUTHENTICATION, "Authentication failure")
        zone = arguments.get("tz")
        self.session = Session(self.service.storage, arguments.get("db") or None, str(zone) if zone else None)
        return {}

    async def current_database(self, arguments: Reply) -> Reply:
        return {"db": self.connected.database or ""}

    async def server_info(self, arguments: Reply) -> Reply:
        return {"info": VERSION}

    async def server_status(self, arguments: Reply) -> Reply:
        return {"status": 2, "details": ""}

    async def connection_options(self, arguments: Reply) -> Reply:
        """options_connection: option 1 is the zone of the session; the others mean nothing here."""
        for option in argument(arguments, "options", list):
            number = option.get("option") if isinstance(option, dict) else None
            if number not in _KNOWN_OPTIONS:
                raise TDengineError(errors.INVALID_PARAMETER, "Invalid parameters")
            value = option.get("value")
            if number == _ZONE_OPTION:
                self.connected.zone = zone_of(str(value)) if value else None
        return {}

    async def schemaless(self, arguments: Reply) -> Reply:
        raise unsupported("schemaless inserts (line protocols)")

    @property
    def connected(self) -> Session:
        """The session of a connection that has logged in."""
        assert self.session is not None
        return self.session

    # Queries.

    def keep(self, result: Result) -> int:
        """Remember a result until it is fetched or freed; returns its number."""
        result_id = self.service.next_result_id()
        self.results[result_id] = result
        return result_id

    async def _fetch_block_frame(self, frame: frames.Frame, started: int) -> bytes:
        def answer(block: bytes | None, code: int = 0, message: str = "") -> bytes:
            timing = time.monotonic_ns() - started
            return frames.encode_fetch_reply(frame.request_id, frame.target, timing, block, code, message)

        result = self.results.get(frame.target)
        if result is None:
            return answer(None, errors.ADAPTER, "result is nil")
        try:
            block = await self.service.ask(self.connected, next_block, result)
        except Exception as error:
            failure = failure_of(error, "fetch")
            return answer(None, failure.code, failure.message)
        if block is None:
            self.results.pop(frame.target, None)
        return answer(block[1] if block is not None else None)

    def result(self, result_id: int) -> Result:
        """A result that is kept; 0xFFFF if there is none of the number."""
        result = self.results.get(result_id)
        if result is None:
            raise TDengineError(errors.ADAPTER, "result is nil")
        return result


ACTIONS: dict[str, Action] = {
    "version": SocketHandler.version,
    "conn": SocketHandler.connect,
    "get_current_db": SocketHandler.current_database,
    "get_server_info": SocketHandler.server_info,
    "check_server_status": SocketHandler.server_status,
    "options_connection": SocketHandler.connection_options,
    "insert": SocketHandler.schemaless,
}


def argument(arguments: Reply, name: str, kind: type[T]) -> T:
    """An argument of an action; 0xFFFF if it is not there, or of another kind."""
    value = arguments.get(name)
    if not isinstance(value, kind):
        raise TDengineError(errors.ADAPTER, f"invalid argument {name}")
    return value


def failed(error: Exception, action: str) -> Reply:
    """The fields of an error reply."""
    failure = failure_of(error, action)
    return {"code": failure.code, "message": failure.message}


def _too_long() -> TDengineError:
    return TDengineError(errors.STATEMENT_TOO_LONG, "SQL statement too long check maxSQLLength config")


def next_block(result: Result) -> tuple[int, bytes] | None:
    """The rows of the next block and their number."""
    batch = result.next()
    return None if batch is None else (batch.num_rows, blocks.encode(batch, [field.type for field in result.fields]))
