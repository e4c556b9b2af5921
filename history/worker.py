"""Answer viewers' questions about history: what pool.py runs as child processes, by `python -m history.worker`.

taosws holds the GIL in every call, and a question may take seconds: here it holds up nobody but those who wait for
this worker. Any worker can answer any viewer, as each question comes with the views that it needs.
"""

import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import perspective

from history import limits
from history.cache import Cache
from history.database import Database
from history.errors import HistoryError
from history.handler import TDengineVirtualServerHandler
from history.looking_up import looked_up
from protocol.messages import failure, parse
from protocol.pipe import answers, read_blocking, write_message
from tdengine.command_line import Parser, positive
from tdengine.settings import Settings, add_options, add_text_option, settings


class Reported:
    """A handler whose errors are kept, because Perspective would show the viewer all of their traceback."""

    def __init__(self, handler: TDengineVirtualServerHandler) -> None:
        self.handler = handler
        self.error: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.handler, name)

        def call(*arguments: Any) -> Any:
            try:
                return method(*arguments)
            except Exception as error:
                self.error = error
                raise

        return call


class Session:
    """One viewer: its handler, whose clock stands where it stood when the viewer asked."""

    def __init__(self, database: Database, at: Settings, period: str, cache: Cache) -> None:
        self.now = 0.0
        self.reported = Reported(TDengineVirtualServerHandler(database, at, period, cache, lambda: self.now))
        self.server = perspective.VirtualServer(self.reported)

    def answer(self, message: bytes, now: float) -> bytes:
        """The answer to a viewer's message: Perspective's, or the error that says why there is none."""
        self.now, self.reported.error = now, None
        request, name = parse(message)
        if name.startswith("view_") and request.entity_id not in self.reported.handler.views:
            return failure(message, "this view is not open any more")  # Perspective's own answer would be a panic.
        if name.startswith("view_to_") and (refusal := self._bound(request, getattr(request, name).viewport)):
            return failure(message, refusal)
        message = request.SerializeToString()
        answer = bytes(self.server.handle_request(message))
        if len(answer) > limits.MAX_ANSWER_BYTES:
            return failure(message, "that is more than one answer may have: ask for fewer rows or columns at a time")
        error = self.reported.error
        if error is None:
            return answer
        return failure(message, str(error) if isinstance(error, HistoryError) else f"history failed: {error!r:.200}")

    def _bound(self, request: Any, viewport: Any) -> str | None:
        """Say which rows are read where a viewer does not, or why they are not: Perspective's own server would end."""
        if viewport.HasField("end_row"):
            return None
        try:
            rows = self.reported.handler.view_size(request.entity_id)
        except HistoryError as error:
            return str(error)
        if rows > limits.MAX_ROWS:
            return f"{rows:,} rows are more than an answer has: export them, or say which"
        viewport.end_row = rows
        return None


class Worker:
    """The sessions that this process knows, over one connection to TDengine."""

    def __init__(self, at: Settings, timeout: int) -> None:
        self.at = at
        self.database = Database(at, timeout)
        self.cache = Cache(time.monotonic)
        self.sessions: dict[int, Session] = {}

    def answer(self, header: dict[str, Any], message: bytes) -> bytes:
        """The answer to a message of the session that the header names, once it has forgotten those that have gone."""
        for gone in header["gone"]:
            if gone in self.sessions:
                self.sessions.pop(gone).server.close()
        if "question" in header:
            return self._look_up(header["question"], header["now"])
        number = header["session"]
        if number not in self.sessions:
            own = self.at
            at = replace(own, database=header["database"] or own.database, table=header["table"] or own.table)
            self.sessions[number] = Session(self.database, at, header["period"], self.cache)
        return self.sessions[number].answer(message, header["now"])

    def _look_up(self, question: dict[str, Any], now: float) -> bytes:
        try:
            return json.dumps({"answer": looked_up(self.database, self.at, self.cache, question, now)}).encode()
        except HistoryError as error:
            return json.dumps({"error": str(error)}).encode()


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer until nobody asks any more."""
    parser = Parser(description=__doc__)
    parser.add_argument("--timeout", type=positive, default=10, help="seconds that a query may take")
    add_options(parser)
    add_text_option(parser)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server, which has it from the same Ctrl-C, ends this process
    worker = Worker(settings(options), options.timeout)
    with answers() as stream:
        while (asked := read_blocking(sys.stdin.buffer)) is not None:
            write_message(stream, {}, worker.answer(*asked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
