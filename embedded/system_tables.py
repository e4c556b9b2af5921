"""The tables of information_schema and performance_schema: what a server of one node says in them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from embedded import VERSION, errors
from embedded.catalogue import database_row, table_type, tag_text
from embedded.errors import TDengineError, unsupported
from embedded.schema import INFORMATION_SCHEMA, PERFORMANCE_SCHEMA, Database, Table
from embedded.sql.context import SystemTable
from embedded.system_columns import FIELDS

_SCHEMAS = {INFORMATION_SCHEMA: "ins_", PERFORMANCE_SCHEMA: "perf_"}
_KNOWN_ONLY_TO_TDENGINE = frozenset(
    """ins_disk_usage ins_filesets ins_mounts ins_retention_details ins_retentions ins_rsmas ins_scan_details ins_scans
    ins_ssmigrates ins_stream_recalculates ins_stream_tasks ins_transaction_details ins_virtual_child_columns""".split()
)
Row = tuple[Any, ...]
ENDPOINT = "localhost:6030"
_STARTED = time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Asked:
    """What the rows are about: all databases, and who asks, with the zone of the session."""

    databases: dict[str, Database]
    user: str
    zone: str


def names(schema: str) -> list[str]:
    """The tables of a system database."""
    return [name for name in FIELDS if name.startswith(_SCHEMAS[schema])]


def rows(name: str, asked: Asked) -> list[Row]:
    """The rows of a table; most have none, for a server without users, streams and a cluster."""
    rule = _ROWS.get(name)
    return list(rule(asked)) if rule is not None else []


def system_table(schema: str, name: str, asked: Asked) -> SystemTable:
    """A table of a system database, for a query; 0x2603 if there is none of that name."""
    if name in _KNOWN_ONLY_TO_TDENGINE:
        raise unsupported(f"{schema}.{name}")
    if name not in names(schema):
        raise TDengineError(errors.TABLE_MISSING, "Fail to get table info, error: Table does not exist")
    fields, values = FIELDS[name], rows(name, asked)
    columns = zip(*values, strict=True) if values else ([] for _ in fields)
    arrays = [pa.array(column, field.type.arrow) for column, field in zip(columns, fields, strict=True)]
    return SystemTable(fields, pa.table(arrays, names=[field.name for field in fields]))


# The one node.


def _dnodes(asked: Asked) -> Iterable[Row]:
    vnodes = sum(1 for _ in _vgroups(asked))
    yield (1, ENDPOINT, vnodes, 0, "ready", _STARTED, _STARTED, "")


def _mnodes(asked: Asked) -> Iterable[Row]:
    yield (1, ENDPOINT, "leader", "ready", _STARTED, _STARTED)


def _cluster(asked: Asked) -> Iterable[Row]:
    uptime = time.time_ns() // 10**9 - _STARTED // 1000
    yield (1, "embedded-stand-in", uptime, _STARTED, "community", None)


def _grants(asked: Asked) -> Iterable[Row]:
    yield ("community", "unlimited", "unlimited", "false", "ungranted", "unlimited", "unlimited", "unlimited")


def _users(asked: Asked) -> Iterable[Row]:
    yield (asked.user, 1, 1, 1, 1, _STARTED, "")


def _users_full(asked: Asked) -> Iterable[Row]:
    yield (asked.user, 1, 1, 1, 1, "", "")


def _privileges(asked: Asked) -> Iterable[Row]:
    yield (asked.user, "all", "all", "", "", "")


def _machines(asked: Asked) -> Iterable[Row]:
    yield ("1", 1, "", VERSION)


def _connections(asked: Asked) -> Iterable[Row]:
    yield (1, asked.user, "taosadapter", 0, f"{socket.gethostname()}:0"[:134], _STARTED, _STARTED, "", "127.0.0.1")


def variables(asked: Asked) -> list[Row]:
    """The few settings that there are: name, value, scope, category."""
    return [
        ("firstEp", ENDPOINT, "both", "local"),
        ("fqdn", "localhost", "server", "local"),
        ("serverPort", "6030", "server", "local"),
        ("timezone", asked.zone, "both", "global"),
        ("locale", "en_US.UTF-8", "both", "global"),
        ("charset", "UTF-8", "both", "global"),
        ("version", VERSION, "both", "local"),
    ]


def _configs(asked: Asked) -> Iterable[Row]:
    return [(name, value[:64]) for name, value, _, _ in variables(asked)]


def _dnode_variables(asked: Asked) -> Iterable[Row]:
    return [(1, *row, "") for row in variables(asked)]


# Databases and what is in them.


def _databases(asked: Asked) -> Iterable[Row]:
    for name in _SCHEMAS:
        yield (name, None, None, len(names(name)), *((None,) * 10), "ms", "ready", *((None,) * 18))
    for database in asked.databases.values():
        yield database_row(database)


def _vgroups(asked: Asked) -> Iterable[Row]:
    number = 1
    for database in asked.databases.values():
        count = max(int(database.options.get("vgroups", "2")), 1)
        tables = sum(not table.is_super for table in database.tables.values())
        for at in range(count):
            number += 1
            share = (tables + count - 1 - at) // count
            yield (number, database.name, share, 1, "leader", *((None,) * 6), 0, 0, 0)


def _vnodes(asked: Asked) -> Iterable[Row]:
    for number, name, *_ in _vgroups(asked):
        yield (1, number, name, "leader", _STARTED, _STARTED, True)


def _all_tables(asked: Asked) -> list[Table]:
    return [table for database in asked.databases.values() for table in list(database.tables.values())]


def _tables(asked: Asked) -> Iterable[Row]:
    for schema in _SCHEMAS:
        for name in names(schema):
            yield (name, schema, None, len(FIELDS[name]), *((None,) * 5), "SYSTEM_TABLE")
    for table in _all_tables(asked):
        if not table.is_super:
            stable = table.stable.name if table.stable is not None else None
            uid = table.id or table.child
            yield (
                *(table.name, table.database.name, table.created, len(table.columns), stable, uid, 2, 0, None),
                table_type(table),
            )


def _stables(asked: Asked) -> Iterable[Row]:
    for table in _all_tables(asked):
        if table.is_super:
            yield (
                *(table.name, table.database.name, table.created, len(table.columns), len(table.tags), table.created),
                *(None, "5000a,5000a", "-1a,-1a", ""),
            )


def _columns(asked: Asked) -> Iterable[Row]:
    for table in _all_tables(asked):
        for column in table.columns:
            yield (
                *(table.name, table.database.name, table_type(table), column.name, str(column.type)),
                *(column.type.wire_bytes, None, None, None),
            )


def _tags(asked: Asked) -> Iterable[Row]:
    for table in _all_tables(asked):
        if table.stable is not None:
            for tag, value in zip(table.stable.tags, table.tag_values, strict=True):
                yield (table.name, table.database.name, table.stable.name, tag.name, str(tag.type), tag_text(value))


_ROWS: dict[str, Callable[[Asked], Iterable[Row]]] = {
    "ins_dnodes": _dnodes,
    "ins_mnodes": _mnodes,
    "ins_cluster": _cluster,
    "ins_grants": _grants,
    "ins_users": _users,
    "ins_users_full": _users_full,
    "ins_user_privileges": _privileges,
    "ins_machines": _machines,
    "ins_configs": _configs,
    "ins_dnode_variables": _dnode_variables,
    "ins_databases": _databases,
    "ins_vgroups": _vgroups,
    "ins_vnodes": _vnodes,
    "ins_tables": _tables,
    "ins_stables": _stables,
    "ins_columns": _columns,
    "ins_tags": _tags,
    "perf_connections": _connections,
}
