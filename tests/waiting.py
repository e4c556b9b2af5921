"""Waiting in tests: on a condition, with a bound."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], seconds: float = 15, what: str = "") -> T:
    """Call `condition` until what it returns is true, and return that. Fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what or condition}, last seen: {value!r}"
        time.sleep(0.02)


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """The same while the event loop goes on."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {condition}"
        await asyncio.sleep(0.005)
