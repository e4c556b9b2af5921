"""The connection over which TDengine is asked."""

from collections.abc import Callable, Iterable
from typing import Any

import taosws

from history.errors import HistoryError
from tdengine.connecting import create_tdengine_connection
from tdengine.errors import CLIENT_ERRORS, TDengineError, code, reason
from tdengine.settings import Settings

Query = Callable[[str], list[tuple[Any, ...]]]
"""Puts a statement to TDengine. Returns the rows of the answer, raises HistoryError."""


class Database:
    """TDengine, connected to when there is something to ask, and anew where the connection is lost."""

    def __init__(self, at: Settings, timeout: int) -> None:
        self.at = at
        self.timeout = timeout
        self.connection: taosws.Connection | None = None

    def query(self, sql: str) -> Iterable[tuple[Any, ...]]:
        """The rows of a statement. Raises HistoryError."""
        known = self.connection is not None
        try:
            if self.connection is None:
                self.connection = create_tdengine_connection(self.at, timeout=self.timeout)
            return list(self.connection.query(sql))
        except taosws.Error as error:
            if (code(error) or 0) < CLIENT_ERRORS:
                raise HistoryError(reason(error)) from None
            self.connection = None
            if known:
                return self.query(sql)
            raise HistoryError(f"TDengine cannot be asked: {reason(error)}") from None
        except TDengineError as error:
            raise HistoryError(str(error)) from None
