"""Write all rows of a view, however many, to standard output: CSV, or an Arrow IPC stream.

The server runs this (`python -m history.export`) as a child process for each export: rows are read from TDengine and
written block by block, as fast as who asked for them takes them, so that neither side holds more than a block. What
cannot be exported is one line on standard error, and exit code 1.
"""

import argparse
import csv
import io
import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
import taosws

from history.answer import converted
from history.cache import Cache
from history.errors import HistoryError
from history.fields import Field, Source
from history.handler import TDengineVirtualServerHandler
from history.range import Range
from history.rows import ordered
from history.view import View
from tdengine.command_line import Parser, explained, positive
from tdengine.connecting import create_tdengine_connection
from tdengine.errors import TDengineError, reason
from tdengine.settings import add_options, add_text_option, settings

BLOCK = 5000
"""Rows that are held at a time."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def blocks(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """The rows, so many at a time."""
    source = iter(rows)
    while block := list(islice(source, BLOCK)):
        yield block


def write_csv(view: View, rows: Iterable[tuple[Any, ...]], stream: BinaryIO) -> None:
    """Rows as CSV with a header; times in UTC (ISO 8601) with all their digits, NULL as nothing."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow([each.name for each in view.columns])
    digits = {10**3: 3, 10**6: 6, 10**9: 9}[view.source.table.second]
    for block in blocks(rows):
        written = io.StringIO()
        csv.writer(written).writerows(
            [told(of, value, view.source.table.second, digits) for of, value in zip(view.columns, row, strict=True)]
            for row in block
        )
        text.write(written.getvalue())
        text.flush()
    text.detach()


def told(of: Field, value: Any, second: int, digits: int) -> Any:
    """A value as CSV has it: whole, unlike in a browser."""
    if value is None:
        return ""
    if of.is_time:
        moment = EPOCH + timedelta(seconds=value // second)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{value % second:0{digits}}Z"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.hex() if isinstance(value, bytes) else value


def write_arrow(view: View, rows: Iterable[tuple[Any, ...]], stream: BinaryIO) -> None:
    """Rows as an Arrow IPC stream, times in the precision of their database."""
    unit = {10**3: "ms", 10**6: "us", 10**9: "ns"}[view.source.table.second]
    types = [pa.timestamp(unit, "UTC") if each.is_time else each.arrow for each in view.columns]
    schema = pa.schema(zip([each.name for each in view.columns], types, strict=True))
    with pa.ipc.new_stream(stream, schema) as writer:
        for block in blocks(rows):
            columns = zip(*block, strict=True)
            arrays = [
                pa.array([value if of.is_time else converted(of, value) for value in column], type_)
                for of, type_, column in zip(view.columns, types, columns, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            stream.flush()


def main(options: argparse.Namespace) -> int:
    """Export. Raises TDengineError for what cannot be."""
    at = settings(options)
    try:
        config = json.loads(options.view)
        connection = create_tdengine_connection(at, at.database, options.timeout)
        handler = TDengineVirtualServerHandler(connection, at, options.range, Cache(time.monotonic))
        source = Source(handler.table(options.export))  # a file has room for all digits
        view = View(source, config, Range.parse(options.range, int(time.time() * 1000)))
        view.check()
        if view.is_pivot:
            raise HistoryError("an export has rows, not groups")
        listed = ", ".join(each.select(each.sql) for each in view.columns)
        sql = f"SELECT {listed} FROM {view.source.table.at.full_name}{view.where} ORDER BY {ordered(view)}"
        rows = connection.query(sql)
        write = write_csv if options.format == "csv" else write_arrow
        write(view, rows, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except (HistoryError, ValueError, AttributeError) as error:
        raise TDengineError(str(error)) from None
    except taosws.Error as error:
        raise TDengineError(reason(error)) from None
    except BrokenPipeError:
        return 1
    return 0


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, which the server makes."""
    parser = Parser(description=__doc__)
    parser.add_argument("--export", required=True, metavar="TABLE", help="the table")
    parser.add_argument("--range", default="all", help="the time range, as history takes it")
    parser.add_argument("--view", default="{}", help="columns, filters and sorts, as a view's configuration in JSON")
    parser.add_argument("--format", choices=["csv", "arrow"], default="csv", help="what to write")
    parser.add_argument("--timeout", type=positive, default=60, help="seconds until TDengine has to answer")
    add_options(parser)
    add_text_option(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server, which has it from the same Ctrl-C, ends this process
    options = parse_options()
    sys.exit(explained(lambda: main(options)))
