"""Where the table is: the options and environment variables that say so."""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tdengine.command_line import port_number
from tdengine.hosts import bracketed, hosts
from tdengine.sql import quote

DATABASE = "stocks"
"""The demo's database."""


@dataclass(frozen=True)
class Settings:
    """Where the table is. Made from the command line by `settings`, which falls back on the environment.

    `host` may be several, with commas between them.
    """

    host: str
    port: int
    user: str
    database: str
    table: str
    password: str = field(repr=False)
    text: frozenset[str] = frozenset()
    """The columns whose numbers are shown as text."""

    def __str__(self) -> str:
        return f"{','.join(map(bracketed, self.host.split(',')))}:{self.port}"

    @property
    def full_name(self) -> str:
        """`database`.`table`, quoted for SQL."""
        return f"{quote(self.database)}.{quote(self.table)}"


def identifier(text: str) -> str:
    """Check the name of a database or table given on the command line. Raises argparse.ArgumentTypeError."""
    if not text or "`" in text or not text.isprintable() or len(text.encode()) > 192:
        raise argparse.ArgumentTypeError(f"{text!r} is no name that TDengine knows (1 to 192 bytes, no backtick)")
    return text


def database_or_all(text: str) -> str:
    """Check what is given as one of several databases: a name, or `*`. Raises argparse.ArgumentTypeError."""
    return text if text == "*" else identifier(text)


def add_options(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Add the options that say where the table is. Each defaults to its environment variable, then to the demo's.

    Where `several` databases may be named, they are a list, empty where there is none but the default.
    """
    group = parser.add_argument_group("TDengine", "the password is read from TAOS_PASSWORD alone (taosdata)")

    def add(name: str, type_: Callable[[str], Any], default: str, what: str) -> None:
        variable = f"TAOS_{name.removeprefix('taos-').upper()}"
        default, otherwise = os.environ.get(variable) or default, default
        group.add_argument(f"--{name}", type=type_, default=default, help=f"{what} ({variable}, else {otherwise})")

    add("taos-host", hosts, "localhost", "host, or several of a cluster's, with commas between them")
    add("taos-port", port_number, "6041", "port of taosAdapter, which speaks WebSocket")
    add("taos-user", str, "root", "user")
    if several:
        group.add_argument(
            "--database",
            type=database_or_all,
            action="append",
            default=[],
            metavar="NAME",
            help="database, may be given several times: the first is --table's, '*' is all that the account may read"
            " (TAOS_DATABASE, else stocks)",
        )
    else:
        add("database", identifier, DATABASE, "database")
    add("table", identifier, "stocks_values", "table or super table")


def add_text_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the columns whose numbers are shown as text."""
    parser.add_argument(
        "--text",
        type=identifier,
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column whose numbers are shown as text, as they have too many digits for a browser",
    )


def several_databases(options: argparse.Namespace) -> None:
    """Have parsed options say in `databases` which are offered, and in `database` which one the table is in."""
    own = os.environ.get("TAOS_DATABASE") or DATABASE
    options.databases = options.database or [own]
    options.database = next((each for each in options.databases if each != "*"), own)


def settings(options: argparse.Namespace) -> Settings:
    """The settings among parsed options, and the password, which no process list shows in the environment."""
    return Settings(
        host=options.taos_host,
        port=options.taos_port,
        user=options.taos_user,
        database=options.database,
        table=options.table,
        password=os.environ.get("TAOS_PASSWORD") or "taosdata",
        text=frozenset(getattr(options, "text", ())),
    )
