"""The rules of INSERT, which TDengine reads with a parser of its own.

Values are literals only, errors have code 0x0216 and quote at most 63 bytes, and commas between rows may be left out.
"""

import re
from collections.abc import Sequence
from typing import overload

from embedded.errors import COLUMN_COUNT, INSERT_SYNTAX, INVALID_OPERATION, TDengineError, insert_error, unsupported
from embedded.sql import bulk, scanner
from embedded.sql.scanner import Token
from embedded.sql.statements import ChildTable, InsertClause, Row, TableName, Value
from embedded.sql.times import Duration

_PLAIN = re.compile(r"\s*(?:'([^'\\]*)'|(-?[0-9]+)|(-?[0-9]+\.[0-9]+)|(null|true|false))\s*(?=[,)])")
_PLAIN_STRING = 1
_PLAIN_SORTS = ("", scanner.STRING, scanner.INTEGER, scanner.FLOAT, scanner.WORD)
_NUMBERS = (scanner.INTEGER, scanner.FLOAT)
_WORDS = ("null", "true", "false", "now", "today")


class PlainRows(Sequence[Row]):
    """Many rows of plain literals: their text for `bulk`, and as a sequence the rows that tokens make of it."""

    def __init__(self, text: str, sql: str, start: int) -> None:
        self.text = text
        self._sql = sql
        self._start = start
        self._rows: list[Row] | None = None

    def __len__(self) -> int:
        return len(self._read())

    @overload
    def __getitem__(self, at: int) -> Row: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Row]: ...

    def __getitem__(self, at: int | slice) -> Row | Sequence[Row]:
        return self._read()[at]

    def _read(self) -> list[Row]:
        if self._rows is None:
            self._rows = InsertReader(self._sql, self._start).rows()
        return self._rows


class InsertReader:
    """Reads one INSERT (in lower case outside quotes); `clauses()` gives one clause a table named.

    `query_start` then is where the query of an INSERT ... SELECT starts, None if there is none.
    """

    def __init__(self, lowered: str, start: int = 0) -> None:
        self.sql = lowered
        self._tokens = scanner.scan(lowered, start)
        self._current = next(self._tokens)
        self.placeholders = 0
        self.query_start: int | None = None

    def clauses(self) -> list[InsertClause]:
        """The whole statement. Its literals are not checked against types yet: that takes the tables."""
        self._keyword(("insert", "import"), "keyword INSERT is expected")
        self._keyword(("into",), "keyword INTO is expected")
        clauses = []
        while not self._at_end() and self.query_start is None:
            clauses.append(self._clause())
            if self._current.text == ",":
                self._next()
        if not clauses:
            raise TDengineError(INVALID_OPERATION, "no data in sql")
        return clauses

    def _clause(self) -> InsertClause:
        table = self._table_name()
        after = self._last_end
        columns = self._column_names()
        using = None
        if self._current.text == "using":
            using = self._using(table)
            if columns is None:
                columns = self._column_names()
        if self._current.text == "select" and using is None:
            self.query_start = self._current.start
            return InsertClause(table, after, None, columns, ())
        if self._current.text == "file":
            raise unsupported("INSERT of a FILE")
        self._keyword(("values",), "keyword VALUES or FILE is expected")
        start = self._current.start
        plain = bulk.find(self.sql, start)
        if plain is not None:
            self._continue(start + len(plain))
            if self._current.text not in ("(", ","):
                return InsertClause(table, after, using, columns, PlainRows(plain, self.sql, start))
            self._continue(start)
        rows = self.rows()
        if not rows:
            raise TDengineError(INSERT_SYNTAX, "syntax error near 'no any data points'")
        return InsertClause(table, after, using, columns, rows)

    def rows(self) -> list[Row]:
        """The rows that follow, with commas between them or not."""
        rows: list[Row] = []
        while self._current.text == "(" or (self._current.text == "," and rows):
            if self._current.text == ",":
                self._next()
                if self._current.text != "(":
                    break
            rows.append(self._row())
        return rows

    def _table_name(self) -> TableName | None:
        if self._current.text == "?":
            self._next()
            self.placeholders += 1
            return None
        first = self._name("table name expected")
        if self._current.text != ".":
            return TableName(None, first)
        self._next()
        if self._current.text == "?":
            self._next()
            self.placeholders += 1
            return None
        return TableName(first, self._name("table name expected"))

    def _column_names(self) -> tuple[str, ...] | None:
        if self._current.text != "(":
            return None
        self._next()
        names = []
        while self._current.text != ")":
            if self._current.text == "tbname":
                self._next()
                names.append("tbname")
            else:
                names.append(self._name("invalid column name"))
            if self._current.text == ",":
                self._next()
            elif self._current.text != ")":
                raise self._error(") expected")
        self._next()
        return tuple(names)

    def _using(self, table: TableName | None) -> ChildTable:
        self._next()
        stable = self._table_name()
        names = self._column_names()
        self._keyword(("tags",), "TAGS is expected")
        if self._current.text != "(":
            raise self._error("( is expected")
        values, end = self._row()
        if stable is None:
            raise self._error("table name expected")
        return ChildTable(table or TableName(None, ""), stable, names, values, end=end)

    def _row(self) -> Row:
        """A row, of which the current token is the opening parenthesis.

        Plain literals are read by one match each; from the first other one on it is tokens.
        """
        values: list[Value] = []
        at = self._current.end
        while found := _PLAIN.match(self.sql, at):
            group = found.lastindex or 1
            start = found.start(group) - (group == _PLAIN_STRING)
            values.append(Value(_PLAIN_SORTS[group], found[group], start))
            at = found.end() + 1
            if self.sql[at - 1] == ")":
                self._continue(at)
                return Row(tuple(values), at - 1)
        self._continue(at)
        while True:
            values.append(self._value())
            text, end = self._current.text, self._current.start
            if text == ",":
                self._next()
            elif text == ")":
                self._next()
                return Row(tuple(values), end)
            else:
                raise self._error(", expected")

    def _value(self) -> Value:
        token = self._current
        start, sort, text = token.start, token.sort, token.text
        if sort == scanner.STRING:
            self._next()
            return Value(sort, scanner.unquote(text), start)
        if sort in _NUMBERS:
            self._next()
            return (
                self._shifted(Value(sort, text, start))
                if self._current.text in ("+", "-")
                else Value(sort, text, start)
            )
        if text in ("-", "+"):
            number = self._next()
            if number.sort not in _NUMBERS or number.start != token.end:
                raise insert_error(self.sql[start:], "invalid data or symbol")
            self._next()
            return Value(number.sort, (text if text == "-" else "") + number.text, start)
        if text in _WORDS:
            self._next()
            if text not in ("now", "today"):
                return Value(sort, text, start)
            if self._current.text == "(":
                self._next()
                if self._current.text != ")":
                    raise self._error(") expected")
                self._next()
            return self._shifted(Value(sort, text, start))
        if text == "?":
            self._next()
            self.placeholders += 1
            return Value("placeholder", text, start)
        if text == ")":
            raise TDengineError(COLUMN_COUNT, "Illegal number of columns")
        raise self._error("invalid data or symbol")

    def _shifted(self, value: Value) -> Value:
        """A time with `+ 1s` or `- 1s` behind it."""
        sign = self._current.text
        if sign not in ("+", "-"):
            return value
        duration = self._next()
        if duration.sort != scanner.DURATION:
            raise insert_error(self.sql[value.start :], "value expected in timestamp")
        self._next()
        return Value(value.sort, value.text, value.start, (1 if sign == "+" else -1, Duration.parse(duration.text)))

    _last_end = 0

    def _continue(self, at: int) -> None:
        """Go on with the token at that position."""
        self._tokens = scanner.scan(self.sql, at)
        self._current = next(self._tokens)

    def _next(self) -> Token:
        self._last_end = self._current.end
        if self._current.sort != scanner.END:
            self._current = next(self._tokens)
        return self._current

    def _at_end(self) -> bool:
        return self._current.sort == scanner.END or self._current.text == ";"

    def _keyword(self, words: tuple[str, ...], message: str) -> None:
        if self._current.text not in words:
            raise self._error(message)
        self._next()

    def _name(self, message: str) -> str:
        token = self._current
        if not token.is_name() and token.sort != scanner.STRING:
            raise self._error(message)
        self._next()
        return scanner.unquote(token.text) if token.sort == scanner.STRING else token.name()

    def _error(self, reason: str) -> TDengineError:
        return insert_error(self.sql[self._current.start :], reason)
