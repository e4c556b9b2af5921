"""Who answers questions about history: a few child processes, each of which answers one question at a time.

A viewer's session is a queue of its messages, of which one is answered at a time, by whichever worker is free. A
question that takes too long ends its worker, which is replaced; one that nobody waits for any more does, too.
"""

import asyncio
import json
import logging
import signal
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from history.errors import Unanswered
from history.turns import Turns
from protocol import children
from protocol.messages import failure, parse
from protocol.pipe import encode_message, read_message
from protocol.viewer import Nobody, Offenders, Viewer
from tdengine.errors import TDengineError

log = logging.getLogger("perspective_server")

MAX_QUEUED = 64
"""Questions that one viewer may have open."""

GRACE_SECONDS = 1.0
"""How long a worker may go on with a question that nobody waits for any more."""

NEARLY_SECONDS = 0.1
"""How long such a one is waited for: most are done by then, and to begin another worker takes longer."""

ENDED_BY_OTHERS = {-signal.SIGKILL, -signal.SIGTERM}
"""How a process ends that no question can have ended."""


class Session:
    """One viewer's questions, about one database and time range. Has the methods of Perspective's own sessions."""

    _numbers = count(1)

    def __init__(self, pool: "HistoryPool", period: str, database: str, table: str, viewer: Viewer) -> None:
        self.pool = pool
        self.period = period
        self.database = database
        self.table = table
        self.viewer = viewer
        self.number = next(self._numbers)
        self.views: dict[str, tuple[bytes, float]] = {}
        """The requests that made the views that are open, and when."""
        self.closed = False
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(MAX_QUEUED)
        self.task = asyncio.get_running_loop().create_task(self._answer())

    async def handle_request(self, message: bytes) -> float:
        """Put a question into the queue, or refuse it where there are too many."""
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.viewer.answer(failure(message, f"{MAX_QUEUED} questions are waiting already"))
        return 0.0

    def close(self) -> None:
        """Forget the viewer; what is being asked for it is given up."""
        self.closed = True
        self.task.cancel()
        self.pool.forget(self)

    async def _answer(self) -> None:
        while True:
            message = await self.queue.get()
            request, name = parse(message)
            now = time.time()
            if name == "table_make_view":
                self.views[request.table_make_view.view_id] = message, now
                self.pool.outdate(self, request.table_make_view.view_id)
            answer = await self.pool.ask(self, message, request.entity_id, now)
            if name == "view_delete":
                self.views.pop(request.entity_id, None)
            self.viewer.answer(answer)
            await self.viewer.reads()


@dataclass(frozen=True)
class Over:
    """History of one database over one time range, as a server with the method of Perspective's own."""

    pool: "HistoryPool"
    period: str
    database: str
    table: str

    def new_session(self, viewer: Viewer) -> Session:
        """A viewer's session."""
        return Session(self.pool, self.period, self.database, self.table, viewer)


class Worker:
    """A child process. `knows` are the sessions that it has been asked by, and the views of theirs it was told of."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.knows: dict[int, set[str]] = {}
        self.gone: list[int] = []

    async def ask(self, session: Session, message: bytes, entity: str, now: float) -> bytes:
        """Put a question, after the view that it is about. Raises an error where the process ends."""
        views = self.knows.setdefault(session.number, set())
        if entity in session.views and entity not in views:
            await self._exchange(session, *session.views[entity])
            views.add(entity)
        answer = await self._exchange(session, message, now)
        request, name = parse(message)
        if name == "table_make_view":
            views.add(request.table_make_view.view_id)
        if session.closed:
            self.forget(session.number)
        return answer

    async def _exchange(self, session: Session, message: bytes, now: float) -> bytes:
        header = {"session": session.number, "period": session.period, "now": now, "gone": self.gone}
        return await self._tell({**header, "database": session.database, "table": session.table}, message)

    async def look_up(self, question: dict[str, Any]) -> bytes:
        """Put a question of the server's own. Raises an error where the process ends."""
        return await self._tell({"question": question, "now": time.time(), "gone": self.gone})

    async def _tell(self, header: dict[str, Any], message: bytes = b"") -> bytes:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.gone = []
        self.process.stdin.write(encode_message(header, message))
        await self.process.stdin.drain()
        _, answer = await read_message(self.process.stdout)
        return answer

    def forget(self, session: int) -> None:
        """Tell the process, when it is next asked something, that a session has ended."""
        if self.knows.pop(session, None) is not None:
            self.gone.append(session)

    async def end(self) -> int:
        """End the process. How it has ended, which may have been before."""
        children.kill(self.process)
        return await self.process.wait()


Ask = Callable[[Worker], Awaitable[bytes]]


class HistoryPool:
    """The workers, begun when they are needed, or in place of one that was ended. `options` are worker.py's."""

    def __init__(self, workers: int, timeout: int, options: Sequence[str], offenders: Offenders | None = None) -> None:
        self.workers = workers
        self.timeout = timeout
        self.options = [*options, f"--timeout={timeout}"]
        self.offenders = offenders or Offenders()
        self.turns = Turns(workers)
        self.given_up: list[asyncio.Future[bytes]] = []
        """Questions that nobody waits for any more, which keep their workers a little longer."""
        self.free: list[Worker] = []
        self.everyone: set[Worker] = set()
        self.beginning = 0
        self.closed = False
        self.server = Nobody()
        """Whose turn it is when the server asks for itself."""

    def over(self, period: str, database: str = "", table: str = "") -> "Over":
        """What opens sessions about the tables of a database, this one among them, over a time range.

        Without these names it is the database and table of the options.
        """
        return Over(self, period, database, table)

    async def look_up(self, question: dict[str, Any]) -> Any:
        """What a worker answers to a question of the server's own. Raises TDengineError with the reason for none."""
        await self.turns.take(self.server)
        try:
            found = json.loads(await self._by_worker(None, self.server, lambda worker: worker.look_up(question)))
        except Unanswered as error:
            raise TDengineError(str(error)) from None
        finally:
            self.turns.give_back(self.server)
        if "error" in found:
            raise TDengineError(found["error"])
        return found["answer"]

    async def ask(self, session: Session, message: bytes, entity: str, now: float) -> bytes:
        """The answer to a question, or the error that says why there is none. Waits for its turn."""
        await self.turns.take(session.viewer)
        asking = asyncio.ensure_future(self._ask(session, message, entity, now))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            self._give_up(asking)
            raise
        finally:
            self.turns.give_back(session.viewer)

    def _give_up(self, asking: "asyncio.Future[bytes]") -> None:
        """Nobody waits for this any more: its turn is over, and soon its worker is ended, if it is not done by then."""
        self.given_up.append(asking)
        asking.add_done_callback(self.given_up.remove)
        asyncio.get_running_loop().call_later(GRACE_SECONDS, asking.cancel)
        if len(self.given_up) > self.workers:
            self.given_up[0].cancel()

    async def _ask(self, session: Session, message: bytes, entity: str, now: float) -> bytes:
        if self.offenders.away(session.viewer):
            return failure(message, self.offenders.reason)
        try:
            asking: Ask = lambda worker: worker.ask(session, message, entity, now)  # noqa: E731
            return await self._by_worker(session.number, session.viewer, asking)
        except Unanswered as error:
            return failure(message, str(error))

    async def _by_worker(self, session: int | None, viewer: Viewer, ask: "Ask") -> bytes:
        """What a free worker answers. Raises Unanswered where there is none, or it ends."""
        try:
            worker = await self._worker(session)
        except OSError as error:
            raise Unanswered(f"no process can be begun to answer this ({error.strerror}): ask again") from None
        try:
            answer = await asyncio.wait_for(ask(worker), self.timeout)
        except (asyncio.CancelledError, TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            self.everyone.discard(worker)
            status = await worker.end()
            await self.warm()
            if isinstance(error, asyncio.CancelledError):
                raise
            if status not in ENDED_BY_OTHERS:
                log.warning("a history worker has ended (%d): another takes its place", status)
                self.offenders.note(viewer)
            children.deaths["history.worker"] += 1
            slow = f"this took longer than {self.timeout} s: narrow the time range, or group by fewer columns"
            why = slow if isinstance(error, TimeoutError) else "what was to answer has ended: ask again"
            raise Unanswered(why) from None
        if len(self.free) < self.workers:
            self.free.append(worker)
        else:
            self.everyone.discard(worker)
            await worker.end()
        return answer

    async def _worker(self, session: int | None) -> Worker:
        """A free worker, if there is one then one that knows the session; else a new one."""
        if not self.free and self.given_up:
            await asyncio.wait(self.given_up, timeout=NEARLY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if self.free:
            known = [each for each in self.free if session in each.knows]
            worker = (known or self.free)[-1]
            self.free.remove(worker)
            return worker
        return await self._begin()

    async def warm(self) -> None:
        """Have a free worker, so that the next who asks need not wait for it: it takes as long as an answer may."""
        if self.free or self.closed or self.beginning or len(self.everyone) >= self.workers:
            return
        with suppress(OSError):
            self.free.append(await self._begin())

    async def _begin(self) -> Worker:
        self.beginning += 1
        try:
            process = await children.begin(
                "history.worker", *self.options, stdin=PIPE, stderr=asyncio.subprocess.DEVNULL
            )
        finally:
            self.beginning -= 1
        worker = Worker(process)
        self.everyone.add(worker)
        return worker

    def forget(self, session: Session) -> None:
        """No worker needs to know this session any more, once it has nothing to do for it."""
        self.turns.forget(session.viewer)
        for worker in self.free:
            worker.forget(session.number)

    def outdate(self, session: Session, view: str) -> None:
        """A view is made, or made anew, as of now: what workers know of one of that name is not it any more."""
        for worker in self.everyone:
            worker.knows.get(session.number, set()).discard(view)

    async def close(self) -> None:
        """End all workers."""
        self.closed = True
        for worker in list(self.everyone):
            await worker.end()
