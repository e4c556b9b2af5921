"""A session of the embedded server in the tests' own process: what a statement answers, and how it fails."""

from typing import Any

import pytest

from embedded.engine import Result, Session
from embedded.errors import TDengineError
from embedded.storage import Storage


def stored(*statements: str) -> Storage:
    """A database server's storage in which these statements are done."""
    storage = Storage()
    session = Session(storage, zone="UTC")
    for sql in statements:
        session.execute(sql)
    return storage


def answer(session: Session, sql: str) -> list[tuple[Any, ...]]:
    result = session.execute(sql)
    assert isinstance(result, Result)
    found: list[tuple[Any, ...]] = []
    while (batch := result.next()) is not None:
        found += zip(*(column.to_pylist() for column in batch.columns), strict=True)
    return found


def error_of(session: Session, sql: str) -> tuple[int, str]:
    with pytest.raises(TDengineError) as caught:
        session.execute(sql)
    return caught.value.code, caught.value.message
