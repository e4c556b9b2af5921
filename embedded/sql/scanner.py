"""The tokens of TDengine's SQL."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\n\f\r]+ | --[^\n]* | /\*.*?(?:\*/|$))
    | (?P<string>'(?:[^'\\]|\\.|'')*'(?!') | "(?:[^"\\]|\\.|"")*"(?!"))
    | (?P<quoted>`(?:[^`]|``)*`)
    | (?P<duration>[0-9]+[buasmhdnyw](?![0-9a-z_]))
    | (?P<float>[0-9]+\.[0-9]*(?:e[+-]?[0-9]+)? | \.[0-9]+(?:e[+-]?[0-9]+)? | [0-9]+e[+-]?[0-9]+)
    | (?P<integer>0x[0-9a-f]+ | 0b[01]+ | [0-9]+)
    | (?P<word>[a-z_][a-z0-9_]* | [a-z0-9_]*[^\x00-\x7f][a-z0-9_\u0080-\U0010ffff]*)
    | (?P<symbol><= | >= | <> | != | == | << | >> | \|\| | -> | [-+*/%=<>|,&~?().;:])
    """,
    re.VERBOSE | re.DOTALL,
)

STRING, QUOTED, DURATION, FLOAT, INTEGER, WORD, SYMBOL, END, ILLEGAL = (
    *("string", "quoted", "duration", "float", "integer", "word", "symbol"),
    *("end", "illegal"),
)

# Words that are no names unless quoted by backticks (TDengine's keyword table), those of streams and clusters left out.
_KEYWORDS_TEXT = """
    account accounts add aggregate all alter analyze and anti anode anodes anomaly_window apps as asc asof balance
    batch_scan between bigint binary bnode bnodes bool both buffer bufsize by cache cachemodel cachesize case cast
    child client_version cluster column comment comp compact compacts connection connections conns consumer consumers
    contains count count_window create createdb current_user database databases dbs decimal delete desc describe
    distinct distributed dnode dnodes double drop duration else enable encryptions encrypt_algorithm encrypt_key end
    exists explain event_window every file fill fill_history first float flush from for force full function functions
    geometry grant grants logs machines group hash_join having host if ignore import in index indexes inner insert int
    integer interval into is jlimit join json keep key kill language last last_row leader leading left licences like
    limit linear local match maxrows max_delay bwlimit merge meta only minrows minus mnode mnodes modify modules
    normal nchar next near nmatch none not now no_batch_scan null null_f nulls offset on or order outer outputtype
    pages pagesize para_tables_sort partition partition_first pass port position pps primary composite precision prev
    privileges qnode qnodes qtime queries query pi rand range ratio read recursive redistribute rename replace
    replicas replica reset restore retentions revoke right rollup schemaless scores select semi server_status
    server_version session set show single_stable skip_tsma sliding slimit sma smalldata_ts_sort smallint snode snodes
    sort_for_group soffset split stable stables start state state_window storage stream streams strict stt_trigger
    subscribe subscriptions substr substring sysinfo system table tables table_prefix table_suffix tag tags tbname
    then timestamp timezone tinyint to today topic topics trailing transaction transactions trigger trim tsdb_pagesize
    tseries tsma tsmas ttl union unsafe unsigned untreated update use user users using value value_f values varchar
    variables verbose vgroup vgroups view views vnode vnodes wal_fsync_period wal_level wal_retention_period
    wal_retention_size wal_roll_period wal_segment_size watermark when where window window_close window_offset with
    write _c0 _irowts _isfilled _qduration _qend _qstart _rowts _tags _wduration _wend _wstart _flow _fhigh _frowts
    alive varbinary s3_chunkpages s3_keeplocal s3_compact s3migrate keep_time_offset arbgroups is_import disk_info
    auto cols notify regexp assign true_for meta_only true false
"""
KEYWORDS = frozenset(_KEYWORDS_TEXT.split())


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its sort, its text as written, and where it starts in the statement."""

    sort: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where the text ends in the statement."""
        return self.start + len(self.text)

    def is_name(self) -> bool:
        """Whether it can name a database, table or column."""
        return self.sort == QUOTED or (self.sort == WORD and self.text not in KEYWORDS)

    def name(self) -> str:
        """The name it stands for: the text without backticks."""
        return self.text[1:-1].replace("``", "`") if self.sort == QUOTED else self.text


def lower_outside_quotes(sql: str) -> str:
    """What TDengine does to a statement first; its error texts and column names show the result."""
    return _UP_TO_UPPER.sub(lambda m: m[1] + m[2].lower(), sql)


# All up to the next capitals outside quotes, and these: there are few in a long INSERT, however many texts it has.
_UP_TO_UPPER = re.compile(
    r"""((?>(?: [^A-Z'"`]++ | '(?>(?:[^'\\]|\\.)*)(?:'|$) | "(?>(?:[^"\\]|\\.)*)(?:"|$) | `[^`]*+(?:`|$) )*))
    ([A-Z]*+)""",
    re.VERBOSE | re.DOTALL,
)


def scan(sql: str, start: int = 0) -> Iterator[Token]:
    """The tokens of a statement in lower case, from `start` on.

    The last is of sort END (or ILLEGAL, and no more follow).
    """
    at, size = start, len(sql)
    match = _TOKEN.match
    while at < size:
        found = match(sql, at)
        if found is None or found.lastgroup is None:
            yield Token(ILLEGAL, sql[at:], at)
            return
        if found.lastgroup != "space":
            yield Token(found.lastgroup, found[0], at)
        at = found.end()
    yield Token(END, "", size)


_LITERAL = r"(?:[+-]?[0-9]++(?>(?:\.[0-9]*+)?) | '[^'\\]*+' (?!') | \"[^\"\\]*+\" (?!\"))"
_LITERAL_LIST = re.compile(
    rf"[ \n]*+\( (?>(?: [ \n]*+ {_LITERAL} [ \n]*+ , ){{200,}}) [ \n]*+ {_LITERAL} [ \n]*+ \)", re.VERBOSE
)
_LISTED = re.compile(r"'[^']*+'|\"[^\"]*+\"|[^ \n,()]++")


def literal_list(sql: str, start: int) -> tuple[int, int] | None:
    """Where a list of plain literals in parentheses begins and ends, if one comes next that is long.

    A token and a node for each of 200,000 literals would take seconds.
    """
    found = _LITERAL_LIST.match(sql, start)
    return found.span() if found is not None else None


def literals(listed: str) -> list[str | int | float]:
    """The values of such a list."""
    return [
        text[1:-1] if text[0] in "'\"" else float(text) if "." in text else int(text)
        for text in _LISTED.findall(listed)
    ]


_ESCAPE = re.compile(r"""\\(.)|''|\"\"""", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "%": "\\%", "_": "\\_", "x": "\\x"}


def unquote(literal: str) -> str:
    """The value of a string literal: quotes removed, doubled quotes and backslashes resolved.

    A backslash before % and _ stays, for LIKE to see, and before x, for VARBINARY; before any other character it goes.
    """
    quote, inner = literal[0], literal[1:-1]
    if "\\" not in inner and quote not in inner:
        return inner

    def resolve(found: re.Match[str]) -> str:
        if found[1] is not None:
            return _ESCAPED.get(found[1], found[1])
        return quote if found[0] == quote * 2 else found[0]

    return _ESCAPE.sub(resolve, inner)
