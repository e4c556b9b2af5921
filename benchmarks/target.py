"""What is measured over: an embedded server for each measurement, or the TDengine that TAOS_HOST names.

In that TDengine every measurement has a database of its own, which it makes and drops. One that is there before it is
somebody's: nothing is measured then.
"""

import itertools
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import taosws

import producer
from benchmarks.processes import connect, embedded, until
from producing.ticks import midnight
from tdengine.command_line import Parser
from tdengine.describing import precision_of
from tdengine.errors import TDengineError, code, reason
from tdengine.settings import Settings, add_options, settings
from tdengine.sql import quote

NAME = "perspective_benchmark"
"""What the names of the databases that are made begin with."""

DATABASE_EXISTS = 0x0381

PASSING = {0x0334, 0x0386, 0x0396, 0x03D3}
"""What passes by itself: TDengine has only just started, makes or drops a database, is not done with another change."""

DAY_MS = 86_400_000

numbers = itertools.count(1)


def named() -> Settings | None:
    """The TDengine that TAOS_HOST names, and the demo's other variables with it, if it names one.

    Exits with 2 and one line where a variable is wrong.
    """
    if not os.environ.get("TAOS_HOST"):
        return None
    parser = Parser(prog="benchmarks/run.sh")
    add_options(parser)
    return replace(settings(parser.parse_args([])), table="stocks_values")


def check() -> str:
    """Which TDengine it is, once it answers and nothing is in the way there. Raises TDengineError."""
    at = named()
    if at is None:
        return "the embedded server"
    try:
        connection = connect(at)
        for (name,) in list(connection.query("SELECT name FROM information_schema.ins_databases")):
            if re.fullmatch(rf"{NAME}_\d+", name):
                raise in_the_way(replace(at, database=name))
        ((version,),) = list(connection.query("SELECT SERVER_VERSION()"))
    except taosws.Error as error:
        why = reason(error)
        raise TDengineError(f"no TDengine answers at {at} ({why}): start it, or unset TAOS_HOST") from None
    return f"TDengine {version}"


def in_the_way(at: Settings) -> TDengineError:
    """The error where a database has a name that is needed."""
    return TDengineError(
        f"database {at.database} at {at} is in the way: drop it if it is left over from a run that was cut short"
    )


@contextmanager
def database(precision: str = "ms", fill: int = 0) -> Iterator[Settings]:
    """A new database of this precision, in it the table of trades, in that so many of the last day (if any, in ms).

    Raises TDengineError where it cannot be made, or is there already.
    """
    there = named()
    if there is None:
        with embedded(*(["--fill", str(fill)] if fill else [])) as at:
            if not fill:
                create_database(at, precision)
                producer.create_table(connect(at), at)
            yield at
        return
    at = replace(there, database=f"{NAME}_{next(numbers)}")
    create_database(at, precision)
    try:
        sure(lambda: producer.create_table(connect(at), at))
        if fill:
            insert_history(at, fill)
        yield at
    finally:
        drop_database(at)


def create_database(at: Settings, precision: str) -> None:
    """Create it: without IF NOT EXISTS, so that what is dropped later was made here. Raises TDengineError."""
    connection = connect(at)
    try:
        sure(lambda: connection.execute(f"CREATE DATABASE {quote(at.database)} PRECISION '{precision}'"))
    except taosws.Error as error:
        if code(error) == DATABASE_EXISTS:
            raise in_the_way(at) from None
        raise TDengineError(f"database {at.database} cannot be made at {at} ({reason(error)})") from error


def drop_database(at: Settings) -> None:
    """Drop it, and wait until it is gone. Raises TDengineError."""
    try:
        connection = connect(at)
        sure(lambda: connection.execute(f"DROP DATABASE IF EXISTS {quote(at.database)}"))
        until(lambda: precision_of(connection, at.database) is None, 60)
    except (taosws.Error, TimeoutError) as error:
        why = reason(error) or "it does not go"
        raise TDengineError(f"database {at.database} at {at} is left over ({why}): drop it") from error


def sure(work: Callable[[], object], seconds: float = 60) -> None:
    """Do it again as long as TDengine refuses for a reason that passes. Raises taosws.Error."""
    end = time.monotonic() + seconds
    while True:
        try:
            work()
            return
        except taosws.Error as error:
            if code(error) not in PASSING or time.monotonic() > end:
                raise
        time.sleep(0.2)


def insert_history(at: Settings, rows: int) -> None:
    """Insert so many trades, spread over the last day, as `python -m embedded --fill` does."""
    statement = producer.prepare(at)
    begin = time.time_ns() // 10**6 - DAY_MS
    for first in range(0, rows, producer.MAX_ROWS):
        times = [begin + row * DAY_MS // rows for row in range(first, min(first + producer.MAX_ROWS, rows))]
        producer.insert_data(statement, producer.gen_data(times, midnight(times[0], "ms")), "ms")
