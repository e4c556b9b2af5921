"""TDengine, as the producer and the feed both need it: settings, connecting, describing a table and reading its rows.

Everything goes through taosws, the official WebSocket client. It holds the GIL during each of its calls, so a
process that must answer others (perspective_server.py) may not call anything in here that talks to TDengine.
"""

import argparse
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Any

import pyarrow as pa
import taosws

TICKS_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}
"""What one second is worth in a timestamp of each precision that a database can have."""

TIMEOUT_SECONDS = 4
"""How long one call may take: with a pause and a new attempt it makes less than the five seconds in which rows have to
flow again. The client's own default is 300 s, in which it would hold the whole process."""

WRONG_PASSWORD = 0x0357
NO_TABLE = 0x2603
CLIENT_ERRORS = 0xE000
"""Codes from here on are the client's own: a connection that is lost, an answer that does not come."""

Row = tuple[Any, ...]
"""One row as taosws returns it, with timestamps as integers of the database's precision."""


class TDengineError(Exception):
    """Something that only the user can mend. Its text is one line for them: what happened and what to do."""


@dataclass(frozen=True)
class Settings:
    """Where the table is. Made from the command line by `settings`, which falls back on the environment."""

    host: str
    port: int
    user: str
    database: str
    table: str
    password: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def full_name(self) -> str:
        """`database`.`table`, quoted for SQL."""
        return f"{quote(self.database)}.{quote(self.table)}"


def identifier(text: str) -> str:
    """Check the name of a database or table given on the command line. Raises argparse.ArgumentTypeError."""
    if not text or "`" in text or not text.isprintable() or len(text.encode()) > 192:
        raise argparse.ArgumentTypeError(f"{text!r} is no name that TDengine knows (1 to 192 bytes, no backtick)")
    return text


def port_number(text: str) -> int:
    """Check a TCP port given on the command line. Raises argparse.ArgumentTypeError."""
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port (1 to 65535)")
    return int(text)


def positive(text: str) -> int:
    """Check a count given on the command line. Raises argparse.ArgumentTypeError."""
    if not (text.isdecimal() and 1 <= int(text) <= 10**9):
        raise argparse.ArgumentTypeError(f"{text!r} is no positive whole number")
    return int(text)


class Parser(argparse.ArgumentParser):
    """argparse, with one line for a wrong option instead of the whole usage before it."""

    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the table is. Each defaults to its environment variable, then to the demo's."""
    group = parser.add_argument_group("TDengine", "the password is read from TAOS_PASSWORD alone (taosdata)")

    def add(name: str, type_: Callable[[str], Any], default: str, what: str) -> None:
        variable = f"TAOS_{name.removeprefix('taos-').upper()}"
        default, otherwise = os.environ.get(variable, default), default
        group.add_argument(f"--{name}", type=type_, default=default, help=f"{what} ({variable}, else {otherwise})")

    add("taos-host", str, "localhost", "host")
    add("taos-port", port_number, "6041", "port of taosAdapter, which speaks WebSocket")
    add("taos-user", str, "root", "user")
    add("database", identifier, "stocks", "database")
    add("table", identifier, "stocks_values", "table or super table")


def settings(options: argparse.Namespace) -> Settings:
    """The settings among parsed options, and the password, which no process list shows in the environment."""
    return Settings(
        host=options.taos_host,
        port=options.taos_port,
        user=options.taos_user,
        database=options.database,
        table=options.table,
        password=os.environ.get("TAOS_PASSWORD", "taosdata"),
    )


def quote(name: str) -> str:
    """A name as SQL takes it whatever it holds: `timestamp` unquoted is a syntax error in TDengine."""
    return f"`{name}`"


def create_tdengine_connection(
    at: Settings, database: str | None = None, timeout: int = TIMEOUT_SECONDS
) -> taosws.Connection:
    """Connect once, without retries: who calls decides how long to wait between attempts (`pauses`).

    `database` becomes the current one, also after a reconnect of the client's own. A call may take `timeout` seconds.
    Raises TDengineError for a wrong user or password, taosws.Error for all that may pass by itself. Arguments beyond
    the first five must be strings.
    """
    try:
        return taosws.connect(
            host=at.host,
            port=at.port,
            user=at.user,
            password=at.password,
            **({"database": database} if database else {}),
            read_timeout=str(timeout),
            conn_timeout=str(TIMEOUT_SECONDS),
            conn_retries="0",
        )
    except taosws.Error as error:
        if code(error) == WRONG_PASSWORD:
            raise TDengineError(
                f"TDengine at {at} refuses user {at.user!r} with this password: set TAOS_USER and TAOS_PASSWORD"
            ) from None
        raise


def explained(main: Callable[[], int]) -> int:
    """Call `main` and return its exit code; for what only the user can mend that is 1, after one line on stderr."""
    try:
        return main()
    except TDengineError as error:
        print(f"{os.path.basename(sys.argv[0])}: {error}", file=sys.stderr)
        return 1


def pauses() -> Iterator[float]:
    """Seconds to wait between attempts: growing from a quarter of a second to four."""
    seconds = 0.25
    while True:
        yield seconds
        seconds = min(seconds * 2, 4.0)


def code(error: BaseException) -> int | None:
    """TDengine's error code, which taosws puts at the start of an error's text (`[0x2603] ...`), if it is there."""
    match = re.match(r"\[0x([0-9A-Fa-f]{4})\]", str(error))
    return int(match[1], 16) if match else None


def reason(error: BaseException) -> str:
    """An error of taosws in one line without its wrapping: `[0x2603] Table does not exist`."""
    text = re.sub(r"Internal error: `(.*)`$", r"\1", " ".join(str(error).split()))
    return text if len(text) <= 300 else text[:297] + "..."


@dataclass(frozen=True)
class Column:
    """A column as DESCRIBE tells it: `type` in TDengine's words, `length` in characters or bytes, `note` TAG or KEY."""

    name: str
    type: str
    length: int
    note: str

    @property
    def declaration(self) -> str:
        """The type as CREATE TABLE takes it: `FLOAT`, `NCHAR(10)`."""
        return f"{self.type}({self.length})" if self.type in ("NCHAR", "VARCHAR", "BINARY", "VARBINARY") else self.type


def describe(connection: taosws.Connection, at: Settings) -> list[Column]:
    """The columns of the table, its tags last. Raises taosws.QueryError (NO_DATABASE, NO_TABLE among others)."""
    rows = list(connection.query(f"DESCRIBE {at.full_name}"))
    return [Column(name, type_, length, note) for name, type_, length, note, *_ in rows]


def precision(connection: taosws.Connection, database: str) -> str | None:
    """The precision of a database's timestamps, ms, us or ns, or None if there is no such database."""
    text = database.replace("\\", "\\\\").replace("'", "\\'")
    rows = list(connection.query(f"SELECT `precision` FROM information_schema.ins_databases WHERE name = '{text}'"))
    return str(rows[0][0]) if rows else None


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


ARROW_TYPES: dict[str, tuple[pa.DataType, Callable[[Any], Any] | None]] = {
    "BOOL": (pa.bool_(), None),
    "TINYINT": (pa.int8(), None),
    "SMALLINT": (pa.int16(), None),
    "INT": (pa.int32(), None),
    "BIGINT": (pa.int64(), None),
    "TINYINT UNSIGNED": (pa.uint8(), None),
    "SMALLINT UNSIGNED": (pa.uint16(), None),
    "INT UNSIGNED": (pa.uint32(), None),
    "BIGINT UNSIGNED": (pa.uint64(), None),
    "FLOAT": (pa.float32(), None),
    "DOUBLE": (pa.float64(), None),
    "TIMESTAMP": (pa.timestamp("ms"), None),
    "VARCHAR": (pa.string(), None),
    "BINARY": (pa.string(), None),
    "NCHAR": (pa.string(), None),
    "JSON": (pa.string(), _text),
    "VARBINARY": (pa.string(), _hex),
    "GEOMETRY": (pa.string(), _hex),
    "BLOB": (pa.string(), _hex),
    "DECIMAL": (pa.float64(), float),
}
"""TDengine's types: the Arrow type that holds each one whole, and how a value of taosws becomes one of it."""


@dataclass(frozen=True)
class Table:
    """A described table: what to select from it, which columns are its key, and how its rows become Arrow."""

    at: Settings
    columns: tuple[Column, ...]
    precision: str

    @cached_property
    def has_tags(self) -> bool:
        """Whether it is a super table (or a child of one): its rows come from many tables, told apart by `tbname`."""
        return any(column.note == "TAG" for column in self.columns)

    @cached_property
    def second(self) -> int:
        """One second in the timestamps of this table."""
        return TICKS_PER_SECOND[self.precision]

    @cached_property
    def time(self) -> str:
        """The quoted name of the timestamp column, which is always the first and always (part of) the key."""
        return quote(self.columns[0].name)

    @cached_property
    def select(self) -> str:
        """`SELECT ... FROM ...`: times as integers, which need no parsing and no zone; `tbname` last with tags."""
        expressions = [
            f"CAST({quote(column.name)} AS BIGINT)" if column.type == "TIMESTAMP" else quote(column.name)
            for column in self.columns
        ]
        if self.has_tags:
            expressions.append("tbname")
        return f"SELECT {', '.join(expressions)} FROM {self.at.full_name}"

    @cached_property
    def order(self) -> str:
        """The quoted names of the key's columns besides the timestamp, or nothing: no two rows share a timestamp."""
        names = [quote(column.name) for column in self.columns[1:] if "KEY" in column.note]
        return ", ".join([*names, "tbname"] if self.has_tags else names)

    @cached_property
    def key(self) -> Callable[[Row], Any]:
        """What tells two rows apart: the timestamp, with a composite key that too, in a super table `tbname` too."""
        places = [place for place, column in enumerate(self.columns) if place == 0 or "KEY" in column.note]
        if self.has_tags:
            places.append(len(self.columns))
        return itemgetter(*places)

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the rows: no type of TDengine's loses anything in it but a time's digits below 1 ms."""
        fields = [pa.field(column.name, arrow_type(column)[0]) for column in self.columns]
        if self.has_tags:
            fields.append(pa.field("tbname", pa.string()))
        return pa.schema(fields)

    def to_arrow(self, rows: Sequence[Row]) -> bytes:
        """Rows as one Arrow IPC stream, the form in which a Perspective table takes them fastest and without loss."""
        arrays = []
        for place, (field_, values) in enumerate(zip(self.schema, _transpose(rows, len(self.schema)), strict=True)):
            convert = arrow_type(self.columns[place])[1] if place < len(self.columns) else None
            if pa.types.is_timestamp(field_.type):
                ticks_per_ms = self.second // 1000
                values = [None if value is None else value // ticks_per_ms for value in values]
            elif convert:
                values = [None if value is None else convert(value) for value in values]
            arrays.append(pa.array(values, field_.type))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.schema) as stream:
            stream.write_batch(pa.record_batch(arrays, schema=self.schema))
        return bytes(sink.getvalue())

    def milliseconds(self, timestamp: int) -> int:
        """A timestamp of this table as epoch milliseconds."""
        return timestamp // (self.second // 1000)


def open_table(connection: taosws.Connection, at: Settings) -> Table:
    """Describe the table. Raises taosws.QueryError, and TDengineError for a column type that is not known here."""
    table = Table(at, tuple(describe(connection, at)), precision(connection, at.database) or "ms")
    for column in table.columns:
        arrow_type(column)
    return table


def same(one: Row, other: Row) -> bool:
    """Whether two rows hold the same values; unlike `==` it takes NaN to be the same as NaN."""
    return one == other or all(
        a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))
        for a, b in zip(one, other, strict=True)
    )


def arrow_type(column: Column) -> tuple[pa.DataType, Callable[[Any], Any] | None]:
    """The Arrow type of a column, and how its values become one of it. Raises TDengineError for an unknown type."""
    try:
        return ARROW_TYPES[column.type.partition("(")[0].strip()]
    except KeyError:
        raise TDengineError(f"column {column.name!r} has type {column.type}, which this program cannot show") from None


def _transpose(rows: Sequence[Row], width: int) -> Sequence[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width
