"""The viewers' engine as the server has it: a process that may end at any time, and nobody notices but its users.

It is begun when a viewer first needs it, filled from the table as it is, told what the table is told, and ended a while
after its last user has gone. What it is told it does in turn, so that a viewer who hears of an update and asks for rows
is answered with that update.
"""

import asyncio
import logging
import signal
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from protocol import children
from protocol.messages import failure
from protocol.pipe import encode_message, read_message
from protocol.viewer import Offenders, Viewer

log = logging.getLogger("perspective_server")

IDLE_SECONDS = 60.0
"""How long the process is kept when nobody uses it any more."""

MAX_UPDATES = 4
"""Updates that may wait in the process: where it is slower than they come, the table is sent whole when it is done."""

OURS = {signal.SIGKILL, signal.SIGTERM}
"""What ends the process that no request can have done; the time that a request may take is looked at apart."""


class User(Protocol):
    """A viewer's session."""

    viewer: Viewer


@dataclass(frozen=True)
class Contents:
    """The table as it is: its Arrow schema, and its rows."""

    schema: bytes
    rows: bytes
    count: int


@dataclass
class Told:
    """Something that the process was told and has not done yet: a user's request, or an update."""

    user: User | None
    done: "asyncio.Future[float]"


class ViewersEngine:
    """The process, and who uses it. `contents` tells the table as it is, or None where there is none yet.

    It may take `memory` MiB more than it has when it begins, and `seconds` for one request.
    """

    def __init__(
        self,
        name: str,
        limit: int,
        contents: Callable[[], Contents | None],
        offenders: Offenders,
        memory: int,
        seconds: float,
    ) -> None:
        self.options = [f"--name={name}", f"--limit={limit}", f"--memory={memory}"]
        self.contents = contents
        self.offenders = offenders
        self.seconds = seconds
        self.process: Process | None = None
        self._numbers = count(1)
        self._users: dict[User, int] = {}
        self._by_number: dict[int, User] = {}
        self._told: deque[Told] = deque()
        self._begun: asyncio.Task[None] | None = None
        self._listening: set[asyncio.Task[None]] = set()
        """To the process, and to former ones that are ending."""
        self._watch: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._behind = False
        self._missing = False
        """Whether it could not be begun when it was last needed."""
        self._newest: User | None = None
        """Who has made a view last: an update that ends the process is laid to them."""

    async def ask(self, user: User, message: bytes, quiet: bool = False) -> float:
        """Have a request answered, unless it is `quiet`; the seconds that it took. The user hears of all else."""
        if self.offenders.away(user.viewer):
            user.viewer.answer(failure(message, self.offenders.reason))
            return 0.0
        await self._running()
        if self.process is None:
            user.viewer.answer(failure(message, "no process can be begun to compute this: ask again"))
            return 0.0
        if user not in self._users:
            self._users[user] = next(self._numbers)
            self._by_number[self._users[user]] = user
        self._newest = user
        header = {"kind": "request", "session": self._users[user], "quiet": quiet}
        return await self._tell(header, message, user)

    def follow(self, kind: str, rows: bytes, shown: int) -> None:
        """Pass on what the table was told: "table", "append" or "replace", after which it has so many rows."""
        if self.process is None:
            return
        if kind == "table":
            self._end("the table has other columns now")
        elif sum(told.user is None for told in self._told) >= MAX_UPDATES:
            self._behind = True
        else:
            self._tell({"kind": kind, "rows": shown}, rows)

    def forget(self, user: User) -> None:
        """A user has gone. After the last one the process is kept for a while."""
        number = self._users.pop(user, 0)
        self._by_number.pop(number, None)
        if self._newest is user:
            self._newest = None
        if number and self.process is not None:
            self._tell({"kind": "close", "session": number})
        if not self._users and self.process is not None and self._idle is None:
            self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end, "nobody needs it")

    async def close(self) -> None:
        """End the process with the server."""
        self._end("the server stops")
        await asyncio.gather(*self._listening)

    async def _running(self) -> None:
        """Wait until the process is there and has the table."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self.process is None:
            if self._begun is None:
                self._begun = asyncio.get_running_loop().create_task(self._begin())
            await asyncio.shield(self._begun)

    async def _begin(self) -> None:
        try:
            process = await children.begin("live.engine", *self.options, stdin=PIPE)
        except OSError as error:
            if not self._missing:
                log.warning("the viewers' engine cannot be begun: %s", error.strerror)
            self._missing = True
            return
        finally:
            self._begun = None
        self.process = process
        self._behind = self._missing = False
        contents = self.contents()
        if contents is not None:
            self._tell({"kind": "table"}, contents.schema)
            self._tell({"kind": "replace", "rows": contents.count}, contents.rows)
        listening = asyncio.get_running_loop().create_task(self._listen(process))
        self._listening.add(listening)
        listening.add_done_callback(self._listening.discard)

    def _tell(self, header: dict[str, Any], payload: bytes = b"", user: User | None = None) -> "asyncio.Future[float]":
        """Tell the process something. What comes of it is told when it is done."""
        assert self.process is not None
        assert self.process.stdin is not None
        done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        with suppress(ConnectionError):
            self.process.stdin.write(encode_message(header, payload))
        self._told.append(Told(user, done))
        if len(self._told) == 1:
            self._wait()
        return done

    def _wait(self) -> None:
        """Give the process its time for what it has to do next."""
        if self._watch is not None:
            self._watch.cancel()
        loop = asyncio.get_running_loop()
        self._watch = loop.call_later(self.seconds, self._overrun) if self._told else None

    async def _listen(self, process: Process) -> None:
        """Pass on what the process says, until it ends."""
        assert process.stdout is not None
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                header, payload = await read_message(process.stdout)
                if self.process is not process:
                    continue
                if header["kind"] == "answer":
                    user = self._by_number.get(header["session"])
                    if user is not None:
                        user.viewer.answer(payload)
                else:
                    self._done(header["seconds"])
        status = await process.wait()
        if self.process is process:
            children.deaths["live.engine"] += 1
            guilty = self._suspect() if -status not in OURS else None
            log.warning("the viewers' engine has ended (%d): its viewers connect again", status)
            self._end("what computes your views has ended: connect again", guilty)

    def _done(self, seconds: float) -> None:
        told = self._told.popleft()
        if not told.done.done():
            told.done.set_result(seconds)
        self._wait()
        if self._behind and all(each.user is not None for each in self._told):
            self._behind = False
            contents = self.contents()
            if contents is not None:
                self._tell({"kind": "replace", "rows": contents.count}, contents.rows)

    def _suspect(self) -> User | None:
        """Whose request the process was at when it ended; of an update, whoever has made a view last."""
        return (self._told[0].user or self._newest) if self._told else None

    def _overrun(self) -> None:
        log.warning("the viewers' engine took longer than %g s: it is ended", self.seconds)
        children.deaths["live.engine"] += 1
        self._end("what computes your views took too long: connect again", self._suspect())

    def _end(self, reason: str, guilty: User | None = None) -> None:
        """End the process. Its users' websockets are closed, and whoever has ended it is noted."""
        process, self.process = self.process, None
        for handle in (self._watch, self._idle):
            if handle is not None:
                handle.cancel()
        self._watch = self._idle = None
        if process is None:
            return
        children.kill(process)
        users, told = list(self._users), list(self._told)
        self._users.clear()
        self._by_number.clear()
        self._told.clear()
        self._newest = None
        for each in told:
            if not each.done.done():
                each.done.set_result(self.seconds if each.user is guilty else 0.0)
        if guilty is not None:
            self.offenders.note(guilty.viewer)
        for user in users:
            user.viewer.end(1012, reason)
