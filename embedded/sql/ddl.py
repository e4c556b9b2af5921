"""The rules of everything that is neither SELECT nor INSERT."""

import re

from embedded.errors import COLUMN_LENGTH, DATABASE_OPTION, IDENTIFIER, TDengineError, unsupported
from embedded.sql import scanner
from embedded.sql.dialect import Reader
from embedded.sql.statements import (
    AlterDatabase,
    AlterTable,
    ChildTable,
    ColumnDefinition,
    CreateChildTables,
    CreateDatabase,
    CreateTable,
    Delete,
    Describe,
    DropDatabase,
    DropTables,
    Maintain,
    SetTags,
    Show,
    Statement,
    TableName,
    UseDatabase,
    Value,
)
from embedded.sql.times import Duration
from embedded.types import PRECISIONS

# Options of CREATE DATABASE; all are accepted, of which only PRECISION and KEEP mean something here.
_DATABASE_OPTIONS_TEXT = """
    buffer cachemodel cachesize comp duration encrypt_algorithm keep keep_time_offset maxrows minrows pages pagesize
    precision replica replicas retentions schemaless single_stable stt_trigger table_prefix table_suffix tsdb_pagesize
    vgroups wal_fsync_period wal_level wal_retention_period wal_retention_size wal_roll_period wal_segment_size
    s3_chunkpages s3_keeplocal s3_compact compact_interval compact_time_offset compact_time_range
"""
_DATABASE_OPTIONS = frozenset(_DATABASE_OPTIONS_TEXT.split())
_ALTERABLE = frozenset(
    """buffer cachemodel cachesize keep keep_time_offset minrows pages replica stt_trigger wal_fsync_period wal_level
    wal_retention_period wal_retention_size s3_compact s3_keeplocal compact_interval compact_time_offset
    compact_time_range""".split()
)
_TABLE_OPTIONS_TEXT = """
    comment ttl sma max_delay watermark rollup delete_mark keep
"""
_TABLE_OPTIONS = frozenset(_TABLE_OPTIONS_TEXT.split())


_NEVER_CREATED = frozenset(
    "stream topic index sma user view function dnode mnode qnode snode anode tsma rsma encrypt_key token role".split()
)


def create(reader: Reader) -> Statement:
    """CREATE DATABASE, TABLE, STABLE, and child tables."""
    reader.expect("create")
    if reader.accept("database"):
        return _create_database(reader)
    if reader.accept("stable"):
        return _create_table(reader, must_be_super=True)
    if reader.accept("table"):
        return _create_table(reader, must_be_super=False)
    if reader.peek() in _NEVER_CREATED:
        raise unsupported(f"CREATE {reader.peek().upper()}")
    raise reader.error()


def _if_not_exists(reader: Reader) -> bool:
    if not reader.accept("if"):
        return False
    reader.expect("not", "exists")
    return True


def _if_exists(reader: Reader) -> bool:
    if not reader.accept("if"):
        return False
    reader.expect("exists")
    return True


def _checked_name(name: str, longest: int) -> str:
    if len(name.encode()) > longest:
        raise TDengineError(IDENTIFIER, f"Invalid identifier name: {name}")
    return name


def _create_database(reader: Reader) -> CreateDatabase:
    if_not_exists = _if_not_exists(reader)
    name = _checked_name(reader.name(), 64)
    options = _database_options(reader)
    precision = options.pop("precision", "ms")
    if precision not in PRECISIONS:
        raise TDengineError(DATABASE_OPTION, f"Invalid option precision: {precision}")
    return CreateDatabase(name, if_not_exists, precision, options)


def _database_options(reader: Reader, known: frozenset[str] = _DATABASE_OPTIONS) -> dict[str, str]:
    options = {}
    while (word := reader.one_of(known)) is not None:
        options[word] = ",".join(reader.listed(lambda: _option_value(reader)))
    if "keep" in options:
        _check_keep(options["keep"])
    return options


def _check_keep(text: str) -> None:
    parts = text.split(",")
    if len(parts) > 3:
        raise TDengineError(DATABASE_OPTION, "Invalid number of keep options")
    if not all(re.fullmatch("-?[0-9]+[mhd]?", part) for part in parts):
        raise TDengineError(DATABASE_OPTION, f"Invalid option keep unit: {text[-1]}, only m, h, d allowed")
    minutes = [int(part.rstrip("mhd")) * _MINUTES.get(part[-1], 1440) for part in parts]
    if min(minutes) < 1440 or max(minutes) > 365000 * 1440:
        raise TDengineError(DATABASE_OPTION, f"Invalid option keep: {text} valid range: [1d, 365000d]")
    if minutes != sorted(minutes):
        raise TDengineError(DATABASE_OPTION, "Invalid keep value, should be keep0 <= keep1 <= keep2")


_MINUTES = {"m": 1, "h": 60}


def _option_value(reader: Reader) -> str:
    sign = "-" if reader.accept("-") else ""
    if not reader._curr or reader.peek() in ("(", ")", ",", ";"):
        raise reader.error()
    reader._advance()
    return sign + reader._prev.text


def _create_table(reader: Reader, must_be_super: bool) -> Statement:
    if_not_exists = _if_not_exists(reader)
    table = reader.table_name()
    _checked_name(table.name, 192)
    if reader.peek() == "using" and not must_be_super:
        return _create_children(reader, table, if_not_exists)
    columns = tuple(reader.parenthesised(lambda: _column(reader)))
    tags = None
    if reader.accept("tags"):
        tags = tuple(reader.parenthesised(lambda: _column(reader)))
    elif must_be_super:
        raise reader.error()
    while reader.one_of(_TABLE_OPTIONS) is not None:
        reader.listed(lambda: _option_value(reader))
    return CreateTable(table, columns, tags, if_not_exists)


def _column(reader: Reader) -> ColumnDefinition:
    name = _checked_name(reader.name(), 64)
    type_ = reader.type()
    if type_.kind.size == 0 and type_.length < 1:
        raise TDengineError(COLUMN_LENGTH, "Invalid column length for var length type")
    key = False
    while True:
        if reader.clause("primary", "key") or reader.clause("composite", "key"):
            key = True
        elif reader.peek() in ("encode", "compress", "level", "comment"):
            reader._advance()
            reader.string()
        else:
            return ColumnDefinition(name, type_, key)


def _create_children(reader: Reader, table: TableName, if_not_exists: bool) -> CreateChildTables:
    children = []
    while True:
        children.append(using_clause(reader, table, if_not_exists))
        if not (reader.at_name() or reader.peek() == "if"):
            return CreateChildTables(tuple(children))
        if_not_exists = _if_not_exists(reader)
        table = reader.table_name()


def using_clause(reader: Reader, table: TableName, if_not_exists: bool) -> ChildTable:
    """USING super table [(tag names)] TAGS (values)."""
    reader.expect("using")
    stable = reader.table_name()
    names = tuple(reader.parenthesised(reader.name)) if reader.peek() == "(" else None
    reader.expect("tags")
    values = tuple(reader.parenthesised(lambda: tag_value(reader)))
    while reader.one_of(_TABLE_OPTIONS) is not None:
        reader.listed(lambda: _option_value(reader))
    return ChildTable(table, stable, names, values, if_not_exists)


def tag_value(reader: Reader) -> Value:
    """A literal for a tag, the current token (a sign may stand before a number)."""
    start = reader.position()
    sign = reader.one_of(("-", "+")) or ""
    tokens = scanner.scan(reader.sql, reader.position())
    token = next(tokens)
    signed = bool(sign) and token.sort not in (scanner.INTEGER, scanner.FLOAT)
    if (token.sort not in _LITERALS or signed) and token.text not in _LITERAL_WORDS:
        raise reader.error()
    reader._advance()
    if token.text in ("now", "today"):
        if reader.accept("("):
            reader.expect(")")
        shift = None
        direction = reader.one_of(("+", "-"))
        if direction:
            shift = (1 if direction == "+" else -1, Duration.parse(reader.duration()))
        return Value(token.sort, token.text, start, shift)
    text = scanner.unquote(token.text) if token.sort == scanner.STRING else sign + token.text
    return Value(token.sort, text, start)


_LITERAL_WORDS = ("null", "true", "false", "now", "today", "?")
_LITERALS = (scanner.STRING, scanner.INTEGER, scanner.FLOAT)


def drop(reader: Reader) -> Statement:
    """DROP DATABASE, TABLE, STABLE, and of what is never there with IF EXISTS."""
    reader.expect("drop")
    if reader.accept("database"):
        return DropDatabase(if_exists=_if_exists(reader), name=reader.name())
    if reader.accept("stable"):
        exists = _if_exists(reader)
        return DropTables(((reader.table_name(), exists),), super_only=True)
    if reader.accept("table"):
        return DropTables(tuple(reader.listed(lambda: _drop_item(reader))))
    what = reader.one_of(_DROPPED_IF_THERE)
    if what is not None:
        return _drop_nothing(reader, what)
    raise reader.error()


_DROPPED_IF_THERE = ("topic", "stream", "view", "function", "tsma")


def _drop_nothing(reader: Reader, what: str) -> Statement:
    """DROP ... IF EXISTS of what this server never has."""
    if not _if_exists(reader):
        raise unsupported(f"DROP {what.upper()}")
    reader.accept("force")
    reader.table_name()
    return Maintain(None)


def _drop_item(reader: Reader) -> tuple[TableName, bool]:
    exists = _if_exists(reader)
    return reader.table_name(), exists


def use(reader: Reader) -> Statement:
    """USE database."""
    reader.expect("use")
    return UseDatabase(reader.name())


def describe(reader: Reader) -> Statement:
    """DESCRIBE or DESC table."""
    reader._advance()
    return Describe(reader.table_name())


def alter(reader: Reader) -> Statement:
    """ALTER TABLE, STABLE and DATABASE."""
    reader.expect("alter")
    if reader.accept("database"):
        return AlterDatabase(reader.name(), _database_options(reader, _ALTERABLE))
    if reader.peek() in ("user", "dnode", "all", "local", "cluster"):
        raise unsupported(f"ALTER {reader.peek().upper()}")
    if not (reader.accept("table") or reader.accept("stable")):
        raise reader.error()
    table = reader.table_name()
    if reader.accept("set", "tag"):
        return SetTags(table, tuple(reader.listed(lambda: _set_tag(reader))))
    if reader.one_of(_TABLE_OPTIONS) is not None:
        raise unsupported("ALTER TABLE of a table's options")
    verb = reader.one_of(("add", "drop", "modify", "rename"))
    part = reader.one_of(("column", "tag"))
    if verb is None or part is None:
        raise reader.error()
    name = reader.name()
    action = f"{verb}_{part}"
    if verb == "drop":
        return AlterTable(table, action, name)
    if verb == "rename":
        return AlterTable(table, action, name, new_name=reader.name())
    return AlterTable(table, action, name, reader.type())


def _set_tag(reader: Reader) -> tuple[str, Value]:
    name = reader.name()
    reader.expect("=")
    return name, tag_value(reader)


def maintain(reader: Reader) -> Statement:
    """FLUSH and TRIM DATABASE, RESET QUERY CACHE: there is nothing for them to do here."""
    if reader.accept("reset"):
        reader.expect("query", "cache")
        return Maintain(None)
    reader._advance()
    reader.expect("database")
    return Maintain(reader.name())


def refuse(reader: Reader) -> Statement:
    """Statements of TDengine that are about what this server does not have: clusters, users, streams."""
    raise unsupported(reader.peek().upper())


def show(reader: Reader) -> Statement:
    """SHOW of databases, tables, stables, CREATE ..., and the little that clients ask besides."""
    reader.expect("show")
    if reader.accept("create"):
        what = reader.one_of(("table", "stable", "database"))
        if what is None:
            raise reader.error()
        if what == "database":
            return Show("create_database", database=reader.name())
        return Show(f"create_{what}", table=reader.table_name())
    if reader.accept("tags"):
        return Show("tags", table=_from_table(reader))
    if reader.accept("table", "tags"):
        names = None if reader.peek() == "from" else tuple(reader.listed(lambda: _tag_name(reader)))
        return Show("table_tags", table=_from_table(reader), tags=names)
    for words, what in _SYSTEM_SHOWS.items():
        if reader.accept(*words):
            return _system_show(reader, what)
    if reader.peek() in _UNSUPPORTED_SHOWS:
        raise unsupported(f"SHOW {reader.peek().upper()}")
    only = reader.one_of(("normal", "child", "system", "user"))
    database = None
    if reader.at_name():
        unknown = reader.error()
        database = reader.name()
        if not reader.accept("."):
            raise unknown
        what = _DATABASE_SHOWS.get(reader.peek())
        if what is not None and only is None:
            reader._advance()
            return Show(what, database, like=_like(reader) if what == "ins_views" else None)
    if database is None and only in (None, "user", "system") and reader.accept("databases"):
        return Show("databases", only=only)
    what = reader.one_of(("tables", "stables"))
    if what is None or only in ("user", "system"):
        raise reader.error()
    if database is None and reader.accept("from"):
        database = reader.name()
    return Show(what, database, like=_like(reader), only=only)


def _like(reader: Reader) -> str | None:
    return reader.string() if reader.accept("like") else None


def _system_show(reader: Reader, what: str) -> Show:
    """SHOW of what a table of the system databases says; a few take LIKE, or name where from."""
    if what == "ins_indexes":
        table = _from_table(reader)
        return Show(what, table.database)
    if what == "ins_dnode_variables":
        reader.integer()
        reader.expect("variables")
    if what == "ins_vnodes" and reader.accept("on"):
        reader.expect("dnode")
        reader.integer()
    if what in _DATABASE_SHOWS.values() and reader.accept("from"):
        return Show(what, reader.name())
    return Show(what, like=_like(reader) if what in _WITH_LIKE else None)


# The longer ones first: SHOW CLUSTER is one, too.
_SYSTEM_SHOWS: dict[tuple[str, ...], str] = {
    ("cluster", "alive"): "alive",
    ("cluster", "machines"): "ins_machines",
    ("cluster", "variables"): "ins_configs",
    ("cluster",): "ins_cluster",
    ("local", "variables"): "local_variables",
    ("variables",): "ins_configs",
    ("dnode",): "ins_dnode_variables",
    ("dnodes",): "ins_dnodes",
    ("mnodes",): "ins_mnodes",
    ("qnodes",): "ins_qnodes",
    ("snodes",): "ins_snodes",
    ("bnodes",): "ins_bnodes",
    ("anodes", "full"): "ins_anodes_full",
    ("anodes",): "ins_anodes",
    ("arbgroups",): "ins_arbgroups",
    ("users", "full"): "ins_users_full",
    ("users",): "ins_users",
    ("user", "privileges"): "ins_user_privileges",
    ("grants", "full"): "ins_grants_full",
    ("grants", "logs"): "ins_grants_logs",
    ("grants",): "ins_grants",
    ("licences",): "ins_grants",
    ("functions",): "ins_functions",
    ("indexes",): "ins_indexes",
    ("streams",): "ins_streams",
    ("topics",): "ins_topics",
    ("subscriptions",): "ins_subscriptions",
    ("consumers",): "perf_consumers",
    ("connections",): "perf_connections",
    ("queries",): "perf_queries",
    ("apps",): "perf_apps",
    ("transactions",): "perf_trans",
    ("encryptions",): "ins_encryptions",
    ("compacts",): "ins_compacts",
    ("vnodes",): "ins_vnodes",
    ("vgroups",): "ins_vgroups",
    ("views",): "ins_views",
    ("tsmas",): "ins_tsmas",
}
_DATABASE_SHOWS = {
    "vgroups": "ins_vgroups",
    "views": "ins_views",
    "tsmas": "ins_tsmas",
    "alive": "alive",
    "streams": "ins_streams",
}
_WITH_LIKE = frozenset(["ins_views", "local_variables", "ins_configs", "ins_dnode_variables"])
_UNSUPPORTED_SHOWS = frozenset(["accounts", "compact", "transaction", "table", "scores", "usage"])


def _tag_name(reader: Reader) -> str:
    return "tbname" if reader.accept("tbname") else reader.name()


def _from_table(reader: Reader) -> TableName:
    reader.expect("from")
    table = reader.table_name()
    if table.database is None and reader.accept("from"):
        table = TableName(reader.name(), table.name)
    return table


def delete(reader: Reader) -> Statement:
    """DELETE FROM table [WHERE time range]."""
    reader.expect("delete", "from")
    table = reader.table_name()
    return Delete(table, reader.expression_node() if reader.accept("where") else None)
