"""What all connections share: the storage, the threads that work on it, the one user, and the numbers of results."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from embedded import errors, limits
from embedded.engine import USER, Session
from embedded.errors import TDengineError
from embedded.storage import Storage

T = TypeVar("T")
_WATCH_SECONDS = 0.25
_FIRST_PASSWORD = "taosdata"
_FIRST_TOKEN = "/KfeAzX/f9na8qdtNZmtONryp201ma04bEl8LcvLUd7a8qdtNZmtONryp201ma04"


class Service:
    """The storage and the threads that work on it; `seconds` is how long one statement may take."""

    def __init__(self, storage: Storage, threads: int = 32, seconds: float = limits.QUERY_SECONDS) -> None:
        self.storage = storage
        self.password = os.environ.get("TAOS_PASSWORD") or _FIRST_PASSWORD
        self.seconds = seconds
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="embedded")
        self._result_ids = itertools.count(1)

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do `work` in a thread, where it does not hold up the other sockets."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def ask(self, session: Session, work: Callable[..., T], *arguments: Any) -> T:
        """Do `work` for a session; what takes too long, or nobody waits for, is interrupted, the former is 0x2504."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds
        late = False
        timer: asyncio.TimerHandle

        def watch() -> None:
            nonlocal late, timer
            late = late or loop.time() >= end
            # Again and again, as work may have been between two queries.
            if late or session.abandoned:
                session.interrupt()
            timer = loop.call_later(_WATCH_SECONDS, watch)

        timer = loop.call_later(min(_WATCH_SECONDS, self.seconds), watch)
        try:
            return await self.run(work, *arguments)
        except TDengineError:
            if late:
                raise TDengineError(errors.TIMEOUT, "Task timeout") from None
            raise
        finally:
            timer.cancel()

    def next_result_id(self) -> int:
        """A result id, unique in the whole server: a client that reconnects must not meet an old one."""
        return next(self._result_ids)

    def allows(self, user: str, password: str) -> bool:
        """Whether that is the one user with its password."""
        return user == USER and hmac.compare_digest(password.encode(), self.password.encode())

    def token(self) -> str:
        """What `GET /rest/login/...` gives and `Authorization: Taosd ...` takes.

        For the password that every installation begins with it is TDengine's own, which clients have written down;
        for others one that does not tell the password.
        """
        if self.password == _FIRST_PASSWORD:
            return _FIRST_TOKEN
        secret = hashlib.sha256(f"embedded {USER}:{self.password}".encode()).digest()
        return base64.b64encode(secret + secret[:16]).decode()

    def allows_token(self, token: str) -> bool:
        """Whether that is the token."""
        return hmac.compare_digest(token.encode(), self.token().encode())

    def close(self) -> None:
        """Take no more work."""
        self._pool.shutdown(wait=False, cancel_futures=True)
