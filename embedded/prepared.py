"""A prepared statement between its messages: what was prepared, what is bound, and what an exec then does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from embedded import errors
from embedded.engine import Prepared, Result, Session, Update, parameter
from embedded.errors import TDengineError
from embedded.inserting import COLUMN, TAG, BindError
from embedded.protocol.binds import BoundColumn, BoundTable
from embedded.sql.parser import Insert, parse
from embedded.sql.typed import Typed
from embedded.storage import Write
from embedded.types import Kind

_MOST_NAME_BYTES = 192


class Statement:
    """A stmt2 statement. A bind that fails poisons it until the next prepare, as in TDengine."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.prepared: Prepared | None = None
        self.result: Result | None = None
        self._writes: list[Write] = []
        self._parameters: list[Typed] = []
        self._failure: TDengineError | None = None

    @property
    def is_insert(self) -> bool:
        """Whether an INSERT is prepared."""
        return self.prepared is not None and isinstance(self.prepared.parsed.statement, Insert)

    def prepare(self, sql: str) -> Prepared:
        """Prepare another statement."""
        self.reset()
        try:
            self.prepared = self.session.prepare(sql)
        except TDengineError as error:
            self._failure = error
            raise
        return self.prepared

    def reset(self) -> None:
        """Forget what was prepared and bound."""
        self._writes, self._parameters, self._failure, self.prepared = [], [], None, None

    def bind(self, tables: Sequence[BoundTable]) -> None:
        """Bind rows for an INSERT (further binds add to them) or the values of a query's `?`."""
        prepared = self.ready()
        try:
            if isinstance(prepared.parsed.statement, Insert):
                self._writes += self.session.bound_writes(prepared, tables)
            else:
                self._parameters = [parameter(column) for table in tables for column in table.columns]
        except BindError as error:
            self._failure = TDengineError(error.code, error.exec_message)
            raise
        except TDengineError as error:
            self._failure = error
            raise

    def execute(self) -> int:
        """Write what is bound, or start the query; returns the rows affected (0 for a query)."""
        prepared = self.ready()
        if isinstance(prepared.parsed.statement, Insert):
            writes, self._writes = self._writes, []
            return self.session.storage.write(writes)
        outcome = self.session.run(prepared.parsed, self._parameters)
        if isinstance(outcome, Update):
            return outcome.affected
        self.result = outcome
        return 0

    def take_result(self) -> Result:
        """The result of the query that was executed; 0xFFFF if there is none, or it was taken."""
        result, self.result = self.result, None
        if result is None:
            raise TDengineError(errors.ADAPTER, "stmt has no result")
        return result

    def close(self) -> None:
        """Let go of a result that nobody asked for."""
        if self.result is not None:
            self.result.close()

    def ready(self) -> Prepared:
        """What was prepared; raises what went wrong since, or 0xFFFF if nothing was."""
        if self._failure is not None:
            raise self._failure
        if self.prepared is None:
            raise TDengineError(errors.ADAPTER, "stmt is not prepared")
        return self.prepared


class LegacyStatement(Statement):
    """The older statement: its blocks carry the types that the client chose, and are made to fit the table's."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._name: str | None = None
        self._unnamed: Insert | None = None
        self._tags: list[BoundColumn] = []

    def prepare(self, sql: str) -> Prepared:
        """Prepare another statement; of `INSERT INTO ?` without USING the columns are known once the table is named."""
        self._unnamed = None
        parsed = parse(sql)
        if isinstance(parsed.statement, Insert) and parsed.statement.unnamed:
            self._unnamed = parsed.statement
            self.reset()
            self.prepared = Prepared(parsed, [])
            return self.prepared
        return super().prepare(sql)

    def set_table_name(self, name: str) -> None:
        """The table that following binds are for."""
        self.ready()
        self._name = name.replace("`", "")
        if len(self._name.rpartition(".")[2].encode()) > _MOST_NAME_BYTES:
            raise TDengineError(errors.INVALID_OPERATION, "table name is too long")
        if self._unnamed is not None:
            self.prepared = self.session.prepare_parsed(self._unnamed.named(self._name))

    def set_tags(self, values: Sequence[tuple[Kind | None, list[Any]]]) -> None:
        """The tags of that table, one value each; the kind is None where it came as JSON."""
        prepared = self.ready()
        wanted = [item.column for item in prepared.fields or () if item.bind_type == TAG]
        if len(values) != len(wanted):
            raise TDengineError(errors.ADAPTER, "stmt tags count not match")
        self._tags = [
            _fitted(kind, tags, column.type.kind) for (kind, tags), column in zip(values, wanted, strict=True)
        ]

    def bind_values(self, columns: Sequence[list[Any]]) -> None:
        """Bind columns that came as JSON."""
        prepared = self.ready()
        wanted = [item.column for item in prepared.fields or () if item.bind_type == COLUMN]
        if len(columns) != len(wanted):
            raise TDengineError(errors.ADAPTER, "stmt column count not match")
        fitted = [_fitted(None, values, column.type.kind) for values, column in zip(columns, wanted, strict=True)]
        self.bind([BoundTable(self._name, self._tags, fitted)])

    def bind_block(self, columns: Sequence[tuple[Kind, list[Any]]]) -> None:
        """Bind the columns of a block."""
        prepared = self.ready()
        if prepared.fields is None:
            self.bind([BoundTable(None, [], [BoundColumn(kind, pa.array(v, kind.arrow)) for kind, v in columns])])
            return
        wanted = [item.column for item in prepared.fields if item.bind_type == COLUMN]
        if len(columns) != len(wanted):
            raise TDengineError(errors.ADAPTER, "stmt column count not match")
        fitted = [
            _fitted(kind, values, column.type.kind) for (kind, values), column in zip(columns, wanted, strict=True)
        ]
        self.bind([BoundTable(self._name, self._tags, fitted)])


def _fitted(kind: Kind | None, values: list[Any], wanted: Kind) -> BoundColumn:
    """Values in the table's type; integers of the same width are reinterpreted bit for bit, as by the real adapter."""
    if kind is not None and kind is not wanted and kind.integer and wanted.integer and kind.size == wanted.size:
        size = 2 ** (8 * wanted.size)
        values = [None if value is None else (value - wanted.low) % size + wanted.low for value in values]
    elif kind is not None and kind is not wanted and not (kind.text and wanted.text):
        raise BindError(errors.INVALID_OPERATION, "column type mis-match with buffer type")
    try:
        return BoundColumn(wanted, pa.array(values, wanted.arrow))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        raise BindError(errors.INVALID_OPERATION, "column type mis-match with buffer type") from None
