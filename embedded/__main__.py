"""`python -m embedded`: the stand-in server's command line."""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import re
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import duckdb
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from embedded import limits
from embedded.errors import TDengineError
from embedded.fill import explain, fill
from embedded.hosts import Hosts
from embedded.server import Service, make_app
from embedded.storage import Storage

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"embedded: {message} (see --help)\n")


def _keep(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*[smhd]", text):
        raise argparse.ArgumentTypeError(f"'{text}' is no duration such as 30s, 10m, 1h or 2d")
    return text


def _port(text: str) -> int:
    if not text.isdigit() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is no port number")
    return int(text)


def _memory(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*[MG]B", text):
        raise argparse.ArgumentTypeError(f"'{text}' is no amount of memory such as 500MB or 2GB")
    return text


def _address(text: str) -> str:
    found = text.strip().lower()
    found = found[1:-1] if found.startswith("[") and found.endswith("]") else found
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is no address (127.0.0.1 is this machine alone)")
    return found


def _written(address: str) -> str:
    """An address as it is written before a port."""
    return f"[{address}]" if ":" in address else address


def _is_elsewhere(error: OSError) -> bool:
    """Whether an address cannot be listened on because it is none of this machine's."""
    return error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror)


def _rows(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 86_400_000:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of rows that a day has room for (1 to 86400000)")
    return int(text)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options; exits 2 with one line if they are wrong."""
    parser = _Parser(
        prog="python -m embedded",
        description="A stand-in for TDengine: its WebSocket and REST protocol over DuckDB. "
        "It is for trying the demo and for tests, not a database to keep data in.",
        epilog="It refuses, with an error that says so: TMQ subscriptions, schemaless inserts, streams, more users "
        "than root and their rights, user-defined functions, views, BLOB columns, and clusters. A statement has at "
        f"most {limits.MOST_STATEMENT_BYTES >> 20} MiB and {limits.QUERY_SECONDS:.0f} s.",
    )
    parser.add_argument("--address", type=_address, default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=_port, default=6041, help="port to listen on (%(default)s); 0 takes a free one")
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="keep everything in this DuckDB file instead of in memory"
    )
    parser.add_argument(
        "--keep",
        type=_keep,
        help="how long rows are kept after they were stored: 30s, 10m, 1h, 2d (1h; with --fill 1d)",
    )
    parser.add_argument(
        "--fill",
        type=_rows,
        metavar="ROWS",
        help="begin with so many trades of the last day in stocks.stocks_values, 4000000 say",
    )
    parser.add_argument(
        "--memory",
        type=_memory,
        default=limits.MEMORY,
        help="how much DuckDB may hold in memory, beyond which it writes to a temporary file (%(default)s)",
    )
    parser.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"], help="(%(default)s)"
    )
    options = parser.parse_args(arguments)
    options.keep = options.keep or ("1d" if options.fill else "1h")
    return options


async def serve(options: argparse.Namespace, storage: Storage) -> None:
    """Answer until SIGINT or SIGTERM; OSError if the port cannot be had."""
    service = Service(storage)
    server = HTTPServer(make_app(service, Hosts.of(options.address)), max_body_size=limits.MOST_MESSAGE_BYTES)
    # Alone, :: would be the addresses of IPv6 only.
    sockets = bind_sockets(options.port, None if options.address == "::" else options.address)
    server.add_sockets(sockets)
    port = sockets[0].getsockname()[1]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    what = f"data in {options.data}" if options.data else "data in memory"
    where = f"{_written(options.address)}:{port}"
    with suppress(BrokenPipeError):  # Nobody reads it any more.
        print(f"TDengine stand-in (embedded) listening on {where}, {what}, rows kept {options.keep}", flush=True)
    sweeper = asyncio.create_task(_sweep(service, int(options.keep[:-1]) * _SECONDS[options.keep[-1]]))
    await stop.wait()
    # From here on handlers are cancelled wherever they are, which is nothing to report.
    logging.disable()
    sweeper.cancel()
    server.stop()
    service.close()


async def _sweep(service: Service, keep: int) -> None:
    """Delete rows older than `keep` seconds, little by little."""
    pause = min(max(keep / 20, 0.25), 5)
    while True:
        deleted = await service.run(service.storage.sweep, int((time.time() - keep) * 1000))
        await asyncio.sleep(0.05 if deleted else pause)


def main() -> int:
    """Run the server; returns the exit code."""
    options = parse_arguments()
    os.umask(0o077)  # what is kept in files is the user's own
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    try:
        storage = Storage(options.data, options.memory)
    except (duckdb.Error, OSError) as error:
        reason = "another process uses it" if "lock" in str(error).lower() else str(error).splitlines()[0]
        print(f"embedded: cannot open {options.data}: {reason}; choose another file with --data", file=sys.stderr)
        return 1
    try:
        if options.fill:
            fill(storage, options.fill, lambda rows: print(f"filled in {rows:,} rows", file=sys.stderr, flush=True))
        asyncio.run(serve(options, storage))
    except TDengineError as error:
        print(f"embedded: {explain(error)}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f"{_written(options.address)}:{options.port}"
        todo = (
            "name an address of this machine with --address" if _is_elsewhere(error) else "choose another with --port"
        )
        print(f"embedded: cannot listen on {where}: {error.strerror or error}; {todo}", file=sys.stderr)
        return 1
    finally:
        storage.close()
    return 0


if __name__ == "__main__":
    code = main()
    with suppress(BrokenPipeError):
        sys.stdout.flush()
    # A thread may still be in a long query; an ordinary exit would wait for it.
    os._exit(code)
