"""The workers that answer questions about history, with a worker that a test controls in place of TDengine's."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from frames import make_view, request
from heard import Heard
from history import pool as history_pool
from history.pool import HistoryPool, Session
from parts import ROOT
from protocol import children
from protocol.messages import failure
from waiting import eventually, until

ECHO = """
import json, os, sys, time
sys.path.append({root!r})
from protocol.pipe import read_blocking, write_message

while (asked := read_blocking(sys.stdin.buffer)) is not None:
    header, message = asked
    with open({log!r}, "a") as log:
        print(json.dumps([os.getpid(), header["session"], header["gone"], message.hex()]), file=log)
    if b"hang" in message:
        time.sleep(60)
    if b"crash" in message:
        os._exit(1)
    write_message(sys.stdout.buffer, {{}}, message)
"""


class Pool:
    """A pool of two workers that send each message back, hang, or crash, as it says; what they were asked."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.log = folder / "asked"
        (folder / "history").mkdir()
        (folder / "history/__init__.py").touch()
        (folder / "history/worker.py").write_text(ECHO.format(root=str(ROOT), log=str(self.log)))
        patch.setattr(children, "ROOT", folder)
        patch.setattr(history_pool, "GRACE_SECONDS", 0.1)
        self.pool = HistoryPool(2, 1, [])

    def session(self) -> tuple[Session, "asyncio.Queue[bytes]"]:
        """A viewer's session, and the answers to it."""
        viewer = Heard()
        return self.pool.over("all").new_session(viewer), viewer.answers

    def asked(self) -> list[list[Any]]:
        """Process, session, sessions that have gone, and message, of each question so far."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Pool], Awaitable[None]]], None]:
    def run(test: Callable[[Pool], Awaitable[None]]) -> None:
        async def main() -> None:
            pool = Pool(tmp_path, monkeypatch)
            try:
                await asyncio.wait_for(test(pool), 20)
            finally:
                await pool.pool.close()

        asyncio.run(main())

    return run


def test_a_viewers_questions_are_answered_one_after_the_other(run: Any) -> None:
    async def test(pool: Pool) -> None:
        session, answers = pool.session()
        messages = [request(8, b"", f"t{number}") for number in range(20)]
        for message in messages:
            await session.handle_request(message)
        assert [await answers.get() for _ in messages] == messages
        assert len({pid for pid, *_ in pool.asked()}) == 1

    run(test)


def test_a_question_that_takes_too_long_is_given_up_with_a_reason_and_its_worker_ended(run: Any) -> None:
    async def test(pool: Pool) -> None:
        session, answers = pool.session()
        hanging = request(8, b"", "hang")
        await session.handle_request(hanging)
        other, others = pool.session()
        await other.handle_request(request(8, b"", "t"))
        assert await others.get() == request(8, b"", "t")
        reason = "this took longer than 1 s: narrow the time range, or group by fewer columns"
        assert await answers.get() == failure(hanging, reason)
        await session.handle_request(request(8, b"", "t"))
        assert await answers.get() == request(8, b"", "t")

    run(test)


def test_a_worker_that_ends_is_replaced_and_told_of_the_views_that_are_open(run: Any) -> None:
    async def test(pool: Pool) -> None:
        session, answers = pool.session()
        made = make_view("v")
        for message in (made, request(8, b"", "crash"), request(12, b"", "v")):
            await session.handle_request(message)
        assert await answers.get() == made
        assert await answers.get() == failure(request(8, b"", "crash"), "what was to answer has ended: ask again")
        assert await answers.get() == request(12, b"", "v")
        first, *_, again, last = pool.asked()
        assert (again[3], last[3]) == (made.hex(), request(12, b"", "v").hex())
        assert again[0] == last[0] != first[0]

    run(test)


def test_a_worker_that_was_ended_is_replaced_before_anybody_asks_again(run: Any) -> None:
    async def test(pool: Pool) -> None:
        session, _ = pool.session()
        await session.handle_request(request(8, b"", "hang"))
        await asyncio.to_thread(eventually, pool.asked)
        session.close()
        await asyncio.to_thread(eventually, lambda: pool.pool.free)
        (fresh,) = pool.pool.free
        assert fresh.process.pid != pool.asked()[0][0]
        await until(lambda: pool.pool.everyone == {fresh})

    run(test)


def test_a_viewer_that_leaves_gives_its_question_up_and_never_more_workers_than_there_may_be_are_busy(run: Any) -> None:
    async def test(pool: Pool) -> None:
        for _ in range(6):
            session, _ = pool.session()
            await session.handle_request(request(8, b"", "hang"))
            await asyncio.to_thread(eventually, lambda: len(pool.pool.everyone) > 0)
            session.close()
            await until(lambda: len(pool.pool.everyone) <= 4)
        other, answers = pool.session()
        await other.handle_request(request(8, b"", "t"))
        assert await answers.get() == request(8, b"", "t")
        await until(lambda: len(pool.pool.everyone) <= 2)

    run(test)


def test_a_session_that_has_ended_is_forgotten_whatever_it_asked(run: Any) -> None:
    async def test(pool: Pool) -> None:
        numbers = []
        for _ in range(3):
            session, answers = pool.session()
            await session.handle_request(request(3, b"", ""))
            await answers.get()
            session.close()
            numbers.append(session.number)
        assert all(not worker.knows for worker in pool.pool.everyone)
        last, answers = pool.session()
        await last.handle_request(request(3, b"", ""))
        await answers.get()
        assert [number for _, _, gone, _ in pool.asked() for number in gone] == numbers

    run(test)


def test_a_viewer_may_have_so_many_questions_open_and_no_more(run: Any) -> None:
    async def test(pool: Pool) -> None:
        session, answers = pool.session()
        for number in range(history_pool.MAX_QUEUED + 1):
            await session.handle_request(request(8, b"", f"t{number}"))
        assert b"64 questions are waiting already" in await answers.get()

    run(test)


def test_who_has_ended_three_workers_is_turned_away_and_others_are_answered(run: Any) -> None:
    async def test(pool: Pool) -> None:
        killer, told = pool.session()
        for number in range(3):
            await killer.handle_request(request(8, b"", f"crash{number}"))
            assert b"has ended: ask again" in await told.get()
        await killer.handle_request(request(8, b"", "t"))
        assert b"try again in a minute" in await told.get()
        assert isinstance(killer.viewer, Heard)
        assert [code for code, _ in killer.viewer.ends] == [1008]
        honest = Heard("192.0.2.9")
        other = pool.pool.over("all").new_session(honest)
        await other.handle_request(request(8, b"", "t"))
        assert await honest.answers.get() == request(8, b"", "t")

    run(test)


def test_one_who_asks_and_leaves_gives_the_turn_back_at_once(run: Any) -> None:
    async def test(pool: Pool) -> None:
        for _ in range(2):
            leaving, _ = pool.session()
            await leaving.handle_request(request(8, b"", "hang"))
            await until(lambda: len(pool.asked()) > 0)
            leaving.close()
        assert await asyncio.wait_for(until_free(pool), 0.05) == 2

    async def until_free(pool: Pool) -> int:
        await until(lambda: pool.pool.turns.free == 2)
        return pool.pool.turns.free

    run(test)
