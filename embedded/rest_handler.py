"""`/rest/sql` and `/rest/login`, by Tornado (taosAdapter's controller/rest)."""

from __future__ import annotations

import base64
import time
import zlib
from datetime import tzinfo
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler, stream_request_body

from embedded import errors, limits, rest
from embedded.engine import Result, Session, Update, zone_of
from embedded.errors import TDengineError
from embedded.failures import failure_of
from embedded.service import Service

_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")
_MOST_USER_BYTES = 24


class _BadRequest(TDengineError):
    """What is wrong with the request itself: it goes with an HTTP status of its own."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(code, message)
        self.status = status


class PingHandler(RequestHandler):
    """`GET /-/ping`: 200 without a body."""

    def get(self) -> None:
        self.set_status(200)


class _Handler(RequestHandler):
    service: Service

    def initialize(self, service: Service) -> None:
        self.service = service
        self.started = time.monotonic_ns()

    def fail(self, error: TDengineError) -> None:
        """Answer with an error; those of SQL have status 200."""
        if isinstance(error, _BadRequest):
            self.set_status(error.status)
        self.write(rest.failure(error, self.timing()))

    def timing(self) -> int | None:
        """Nanoseconds since the request came, if they are asked for."""
        return time.monotonic_ns() - self.started if self.get_query_argument("timing", "") == "true" else None


class LoginHandler(_Handler):
    """`GET /rest/login/<user>/<password>`: a token for `Authorization: Taosd`."""

    def get(self, user: str, password: str) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        if len(user) > _MOST_USER_BYTES:
            self.fail(_BadRequest(400, 0x110A, "generate taosd token error"))
        elif not self.service.allows(user, password):
            self.fail(_BadRequest(401, 0x0003, "Authentication failure"))
        else:
            self.write(rest.token(self.service.token()))


@stream_request_body
class RestHandler(_Handler):
    """`POST /rest/sql[/database]`: one statement in, JSON out. Stateless: the database comes from the address.

    The body is read here: whole, Tornado would take it for a form, as curl says that it is one.
    """

    def initialize(self, service: Service) -> None:
        super().initialize(service)
        self.body = bytearray()
        self.session: Session | None = None

    def on_connection_close(self) -> None:
        """Nobody waits for the answer any more."""
        if self.session is not None:
            self.session.abandon()

    def data_received(self, chunk: bytes) -> None:
        self.body += chunk

    async def post(self, database: str | None = None) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        result: Result | None = None
        try:
            allowed = self._allowed()
            session_zone, zone = self._zones()
            with_names = self._with_names()
            sql = self._statement()
            if not allowed:
                raise TDengineError(errors.AUTHENTICATION, "Authentication failure")
            session = self.session = Session(self.service.storage, zone=session_zone)
            # A database that is not there is none: CREATE DATABASE may come this way.
            session.database = database or None
            outcome = await self.service.ask(session, session.execute, sql)
            if isinstance(outcome, Update):
                self.write(rest.update(outcome.affected, with_names, self.timing()))
                return
            result = outcome
            await self._answer(session, result, zone, with_names)
        except StreamClosedError:
            pass  # the client has left
        except Exception as error:
            self.fail(error if isinstance(error, TDengineError) else failure_of(error, "rest"))
        finally:
            if result is not None:
                result.close()

    async def _answer(self, session: Session, result: Result, zone: tzinfo | None, with_names: bool) -> None:
        """A result in pieces."""
        self.write(rest.head(result.fields))
        rows = 0
        while (batch := await self.service.ask(session, result.next)) is not None:
            try:
                text = await self.service.run(rest.rows, batch, result, zone, with_names, rows > 0)
            except ValueError:
                # NaN and infinity: TDengine then answers with an empty body.
                self._write_buffer.clear()
                return
            self.write(text)
            await self.flush()
            rows += batch.num_rows
        self.write(rest.tail(rows, self.timing()))

    def _allowed(self) -> bool:
        """Whether user and password, or the token, are right; raises for a header that is none."""
        header = self.request.headers.get("Authorization", "").strip()
        if not header:
            raise _BadRequest(401, 0x1105, "no auth info input")
        kind, _, coded = header.partition(" ")
        if kind == "Taosd" and coded:
            if not self.service.allows_token(coded.strip()):
                raise _BadRequest(401, 0x1125, "invalid taosd Authorization")
            return True
        if kind != "Basic" or not coded:
            raise _BadRequest(401, 0x1122, "invalid type of Authorization")
        try:
            user, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
        except ValueError:
            user = password = ""
        if not user or not password:
            raise _BadRequest(401, 0x1124, "invalid basic Authorization")
        return self.service.allows(user, password)

    def _zones(self) -> tuple[str | None, tzinfo | None]:
        """The zone of the session (`conn_tz`), and that of the times in the answer (`conn_tz`, or else `tz`)."""
        session_zone = self.get_query_argument("conn_tz", None)
        shown = self.get_query_argument("tz", None) if session_zone is None else session_zone
        try:
            return session_zone, zone_of(shown) if shown else None
        except TDengineError:
            raise _BadRequest(400, errors.ADAPTER, f"unknown time zone {shown}") from None

    def _with_names(self) -> bool:
        text = self.get_query_argument("row_with_meta", "")
        if text and text not in (*_TRUE, *_FALSE):
            message = (
                f'illegal param, row_with_meta must be boolean strconv.ParseBool: parsing "{text}": invalid syntax'
            )
            raise _BadRequest(400, errors.ADAPTER, message)
        return text in _TRUE

    def _statement(self) -> str:
        """The statement in the body, which may be compressed."""
        body = bytes(self.body)
        if self.request.headers.get("Content-Encoding", "").lower() == "gzip":
            body = _decompressed(body)
        if not body:
            raise _BadRequest(400, 0x1106, "request is empty")
        sql = body.decode(errors="replace").strip()
        if not sql:
            raise _BadRequest(400, 0x1107, "no sql input")
        return sql

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """A client that leaves is nothing to report."""
        if not isinstance(value, StreamClosedError):
            super().log_exception(typ, value, tb)


def _decompressed(body: bytes) -> bytes:
    wrong = _BadRequest(400, 0x1121, "invalid content length")
    try:
        stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        text = stream.decompress(body, limits.MOST_STATEMENT_BYTES + 1)
    except zlib.error:
        raise wrong from None
    if not stream.eof and len(text) <= limits.MOST_STATEMENT_BYTES:
        raise wrong
    return text
