"""GET /export: all rows of a table in a time range, streamed as they are read, to whoever may look at history."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from tornado.iostream import StreamClosedError

from protocol import children
from tdengine.errors import TDengineError
from tdengine.offer import NotOffered, Offer
from web.access import READ_SECONDS, Guarded

ROOT = Path(__file__).parent.parent

MAX_EXPORTS = 2
"""Exports at a time: each has a process and a query of its own."""

CHUNK_BYTES = 2**16
TYPES = {"csv": "text/csv; charset=utf-8", "arrow": "application/vnd.apache.arrow.stream"}


class ExportHandler(Guarded):
    """An export: `table`, and as one likes `database`, `range`, `format` (csv or arrow) and `view` (columns, filters,
    sorts)."""

    under_way: ClassVar[set["ExportHandler"]] = set()

    def initialize(self, taos: Sequence[str], offer: Offer) -> None:
        self.taos = taos
        self.offer = offer
        self.process: Process | None = None

    async def get(self) -> None:
        kind = self.get_query_argument("format", "csv")
        table = self.get_query_argument("table", "")
        if kind not in TYPES or not table:
            self.say(400, "an export needs a table, and a format that is csv or arrow")
            return
        database = self.get_query_argument("database", "")
        try:
            if database:
                await self.offer.check(database)
        except TDengineError as error:
            self.say(400 if isinstance(error, NotOffered) else 503, str(error))
            return
        if len(self.under_way) >= MAX_EXPORTS:
            self.set_header("Retry-After", "10")
            self.say(503, f"{MAX_EXPORTS} exports are under way: try again when one has ended")
            return
        asked = {name: self.get_query_argument(name, "") for name in ("range", "view")}
        options = [f"--export={table}", f"--format={kind}"]
        asked["database"] = database
        options += [f"--{name}={value}" for name, value in asked.items() if value]
        self.under_way.add(self)
        try:
            command = [sys.executable, "-m", "history.export", *self.taos, *options]
            self.process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE, stderr=PIPE)
            await self.stream(self.process, table, kind)
        except OSError as error:
            self.say(503, f"no process can be begun for an export ({error.strerror}): try again")
        finally:
            self.under_way.discard(self)
            await self.end()

    async def stream(self, process: Process, table: str, kind: str) -> None:
        """Pass on what the process writes. An export that breaks off ends without its last chunk, so that it shows."""
        assert process.stdout is not None
        assert process.stderr is not None
        chunk = await process.stdout.read(CHUNK_BYTES)
        if not chunk and await process.wait():
            why = (await process.stderr.read(2000)).decode(errors="replace").strip().splitlines()
            self.say(400, re.sub(r"^\S+: ", "", why[-1]) if why else "the export has ended")
            return
        self.set_header("Content-Type", TYPES[kind])
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(table, safe='')}.{kind}")
        self.set_header("Cache-Control", "no-store")
        try:
            while chunk:
                self.write(chunk)
                await asyncio.wait_for(self.flush(), READ_SECONDS)
                chunk = await process.stdout.read(CHUNK_BYTES)
            if await process.wait():
                self.break_off()
        except TimeoutError:
            self.break_off()
        except StreamClosedError:
            return

    def break_off(self) -> None:
        """Cut the connection in the middle of the answer."""
        stream = self.detach()
        stream.close()

    def say(self, status: int, text: str) -> None:
        """Answer in one line."""
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(text + "\n")

    def on_connection_close(self) -> None:
        """Whoever asked has gone: nothing more is read."""
        if self.process is not None:
            children.kill(self.process)

    async def end(self) -> None:
        """End the process, if it has not."""
        if self.process is not None:
            self.on_connection_close()
            await self.process.wait()
