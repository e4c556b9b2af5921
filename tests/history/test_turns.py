"""Turns at history's workers are taken by address and by viewer."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from heard import Heard
from history.turns import LITTLE_SECONDS, Turns


class Hall:
    """Turns by a clock that the test controls, and in which order they were given."""

    def __init__(self, workers: int) -> None:
        self.now = 0.0
        self.turns = Turns(workers, lambda: self.now)
        self.given: list[str] = []

    async def ask(self, name: str, viewer: Heard) -> "asyncio.Task[None]":
        """Let a viewer wait for a turn, which is noted under the name."""

        async def take() -> None:
            await self.turns.take(viewer)
            self.given.append(name)

        task = asyncio.ensure_future(take())
        await self.rest()
        return task

    async def rest(self) -> None:
        """Let everybody who has a turn know."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def spend(self, viewer: Heard, seconds: float) -> None:
        """Let a viewer have a worker for so long."""
        await self.turns.take(viewer)
        self.now += seconds
        self.turns.give_back(viewer)


@pytest.fixture
def run() -> Callable[[Callable[[], Awaitable[None]]], None]:
    def run(test: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            await asyncio.wait_for(test(), 10)

        asyncio.run(main())

    return run


def test_who_has_had_least_is_next_whoever_asked_first(run: Callable[..., None]) -> None:
    async def test() -> None:
        hall = Hall(1)
        greedy, modest = Heard("192.0.2.1"), Heard("192.0.2.2")
        await hall.spend(greedy, 5)
        await hall.spend(modest, 1)
        busy = Heard("192.0.2.3")
        await hall.turns.take(busy)
        await hall.ask("greedy", greedy)
        await hall.ask("modest", modest)
        hall.turns.give_back(busy)
        await hall.rest()
        assert hall.given == ["modest"]
        hall.turns.give_back(modest)
        await hall.rest()
        assert hall.given == ["modest", "greedy"]

    run(test)


def test_of_one_address_the_viewer_who_has_had_least_is_next(run: Callable[..., None]) -> None:
    async def test() -> None:
        hall = Hall(1)
        greedy, modest, busy = Heard(), Heard(), Heard()
        await hall.spend(greedy, 5)
        await hall.turns.take(busy)
        await hall.ask("greedy", greedy)
        await hall.ask("modest", modest)
        hall.turns.give_back(busy)
        await hall.rest()
        assert hall.given == ["modest"]

    run(test)


def test_the_last_free_worker_is_for_those_who_have_had_little(run: Callable[..., None]) -> None:
    async def test() -> None:
        hall = Hall(2)
        greedy = [Heard("192.0.2.1") for _ in range(10)]
        await hall.spend(greedy[0], LITTLE_SECONDS + 1)
        for viewer in greedy:
            await hall.ask("greedy", viewer)
        assert hall.given == ["greedy"]
        honest = Heard("192.0.2.2")
        await hall.ask("honest", honest)
        assert hall.given == ["greedy", "honest"]
        hall.turns.give_back(honest)
        await hall.rest()
        assert hall.given == ["greedy", "honest"]

    run(test)


def test_time_that_was_had_long_ago_is_forgotten(run: Callable[..., None]) -> None:
    async def test() -> None:
        hall = Hall(2)
        viewers = [Heard(), Heard()]
        await hall.spend(viewers[0], 10)
        hall.now += 200
        for viewer in viewers:
            await hall.ask("again", viewer)
        assert hall.given == ["again", "again"]

    run(test)


def test_who_gives_up_waiting_takes_no_turn(run: Callable[..., None]) -> None:
    async def test() -> None:
        hall = Hall(1)
        busy, leaving, staying = Heard("192.0.2.1"), Heard("192.0.2.2"), Heard("192.0.2.3")
        await hall.turns.take(busy)
        waiting = await hall.ask("leaving", leaving)
        await hall.ask("staying", staying)
        waiting.cancel()
        await hall.rest()
        hall.turns.give_back(busy)
        await hall.rest()
        assert hall.given == ["staying"]
        hall.turns.give_back(staying)
        assert hall.turns.free == 1

    run(test)


def test_a_turn_that_becomes_free_as_who_waited_gives_up_goes_to_the_next(run: Callable[..., None]) -> None:
    async def test() -> None:
        hall = Hall(1)
        busy, leaving, staying = Heard("192.0.2.1"), Heard("192.0.2.2"), Heard("192.0.2.3")
        await hall.turns.take(busy)
        waiting = await hall.ask("leaving", leaving)
        await hall.ask("staying", staying)
        waiting.cancel()
        hall.turns.give_back(busy)
        await hall.rest()
        assert (hall.given, hall.turns.free) == (["staying"], 0)

    run(test)


def test_a_viewer_who_has_gone_is_forgotten_once_nothing_is_being_answered(run: Callable[..., None]) -> None:
    async def test() -> None:
        hall = Hall(1)
        viewer = Heard()
        await hall.turns.take(viewer)
        hall.turns.forget(viewer)
        hall.turns.give_back(viewer)
        await hall.spend(viewer, 1)
        hall.turns.forget(viewer)
        assert not hall.turns._viewers

    run(test)


def test_a_turn_that_comes_as_its_viewer_leaves_is_given_back(run: Callable[..., None]) -> None:
    async def test() -> None:
        hall = Hall(1)
        busy, leaving = Heard("192.0.2.1"), Heard("192.0.2.2")
        await hall.turns.take(busy)
        waiting = await hall.ask("leaving", leaving)
        hall.turns.give_back(busy)
        waiting.cancel()
        await hall.rest()
        assert (hall.given, hall.turns.free) == ([], 1)

    run(test)
