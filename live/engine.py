"""A copy of the live table in a process of its own, for all that viewers want of it besides the whole.

viewers_engine.py runs this (`python -m live.engine`) as a child process: what a viewer sends may end or swell
Perspective's engine, and then it ends this process and no other.

Of a message from the server, `kind` says what to do: "table" (make the table, with the stream's schema), "append" rows
or "replace" all of them, "request" (a viewer's; "quiet" where nobody wants its answer) or "close" a `session`. Each is
answered by a message "done", behind the answers for viewers ("answer").
"""

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import perspective

from protocol.messages import encoded, failure, parse, response
from protocol.pipe import answers, read_blocking, write_message
from tdengine.command_line import Parser, positive

MAX_ANSWER_BYTES = 2**24
"""How long one answer may be: what the server has to hold for a viewer until it is sent."""


class Table:
    """The copy, and the sessions of those who have views of it."""

    def __init__(self, name: str, limit: int, tell: Callable[[dict[str, Any], bytes], None]) -> None:
        # Several threads gain nothing here, and 5.6.1 may crash where they update many views of an empty table.
        perspective.set_num_cpus(1)
        self.name = name
        self.limit = limit
        self.tell = tell
        self.server = perspective.Server()
        self.client = self.server.new_local_client()
        self.table: perspective.Table = None
        self.sessions: dict[int, Any] = {}
        self.shapes: dict[str, tuple[int, bool]] = {}
        """Of each view: by how many columns it is grouped, and whether it is split."""
        self.heard: list[bytes] = []
        self.own = self.server.new_session(self.heard.append)
        self.quiet = False

    def handle(self, header: dict[str, Any], payload: bytes) -> None:
        """Do what a message of the server's says."""
        kind = header["kind"]
        if kind == "table":
            self.table = self.client.table(payload, name=self.name, limit=self.limit)
        elif kind == "append":
            self.table.update(payload)
        elif kind == "replace":
            self.table.update(payload) if header["rows"] == self.limit else self.table.replace(payload)
        elif kind == "close":
            self.sessions.pop(header["session"]).close()
        else:
            self.request(header["session"], payload, header["quiet"])

    def request(self, number: int, message: bytes, quiet: bool) -> None:
        """Answer a viewer's request, whose form the server has checked, if its numbers are within what there is."""
        if number not in self.sessions:
            self.sessions[number] = self.server.new_session(lambda answer: self.answer(number, answer))
        request, name = parse(message)
        if refusal := self.bound(request, name):
            self.answer(number, failure(message, refusal))
            return
        if name == "table_make_view":
            config = request.table_make_view.config
            self.shapes[request.table_make_view.view_id] = len(config.group_by), bool(config.split_by)
        elif name == "view_delete":
            self.shapes.pop(request.entity_id, None)
        self.quiet = quiet
        try:
            self.sessions[number].handle_request(request.SerializeToString())
        except perspective.PerspectiveError as error:
            self.answer(number, failure(message, str(error)))
        finally:
            self.quiet = False

    def answer(self, number: int, message: bytes) -> None:
        """Pass on what a session is told."""
        if len(message) > MAX_ANSWER_BYTES:
            told = response(message)
            reason = f"an answer may have {MAX_ANSWER_BYTES:,} bytes: ask for fewer rows and columns at a time"
            message = failure(encoded(msg_id=told.msg_id, entity_id=told.entity_id), reason)
        if not self.quiet:
            self.tell({"kind": "answer", "session": number}, message)

    def bound(self, request: Any, name: str) -> str | None:
        """Cut the numbers of a request about a view to what there is; or why it is refused. 5.6.1 checks none of them.

        A column beyond the last one ends the process, or fills its memory. So do rows in updates of a split view.
        """
        body, view = getattr(request, name), request.entity_id
        shape = self.shapes.get(view, (0, False))
        if name in ("view_collapse", "view_expand"):
            rows = self.size(view)[0] if shape[0] else 0
            return None if body.row_index < rows else "the view has no such group"
        if name == "view_set_depth":
            return None if body.depth <= shape[0] else "the view has no such depth"
        if name == "view_on_update" and body.HasField("mode") and shape[1]:
            return "the updates of a view that is split do not tell their rows"
        if name != "view_column_paths" and not name.startswith("view_to_"):
            return None
        window = body if name == "view_column_paths" else body.viewport
        for axis, count in zip(("row", "col"), self.size(view), strict=True):
            if f"start_{axis}" not in window.DESCRIPTOR.fields_by_name:
                continue
            if getattr(window, f"start_{axis}") > count:
                return f"the view has only {count} {axis}s"
            if getattr(window, f"end_{axis}") > count:
                setattr(window, f"end_{axis}", count)
        return None

    def size(self, view: str) -> tuple[int, int]:
        """How many rows and columns a view has; none where there is no such view."""
        self.heard.clear()
        self.own.handle_request(encoded(msg_id=1, entity_id=view, view_dimensions={}))
        found = response(self.heard[-1]).view_dimensions
        return found.num_view_rows, found.num_view_columns


def bound_memory(bytes_more: int) -> None:
    """Let this process take so much memory more than it has: asking for more fails, or ends it."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    most = pages * resource.getpagesize() + bytes_more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Do as the server says until it has gone."""
    parser = Parser(description=__doc__)
    parser.add_argument("--name", required=True, help="what viewers call the table")
    parser.add_argument("--limit", type=positive, required=True, help="how many rows it has at most")
    parser.add_argument("--memory", type=positive, required=True, help="MiB that viewers' questions may take")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server, which has it from the same Ctrl-C, ends this process
    with answers() as stream:
        table = Table(options.name, options.limit, lambda header, payload: write_message(stream, header, payload))
        bound_memory(options.memory * 2**20)
        while (told := read_blocking(sys.stdin.buffer)) is not None:
            began = time.perf_counter()
            table.handle(*told)
            write_message(stream, {"kind": "done", "seconds": time.perf_counter() - began})
    os._exit(0)  # the engine's own end may take long, and has nothing to keep


if __name__ == "__main__":
    sys.exit(main())
