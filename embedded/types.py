"""TDengine's data types: how each is called, sent, held in Arrow and stored in DuckDB."""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Kind:
    """One TDengine type without its length.

    `code` is its number on the wire, `size` its bytes there (0: variable), `low` and `high` the range of an integer.
    Timestamps are epoch integers in the precision of their database everywhere, so their DuckDB type is BIGINT.
    """

    code: int
    name: str
    size: int
    arrow: pa.DataType
    duckdb: str
    low: int = 0
    high: int = 0

    def __repr__(self) -> str:
        return self.name

    @property
    def integer(self) -> bool:
        """Whether it is one of the eight integer types."""
        return self.high != 0

    @property
    def unsigned(self) -> bool:
        """Whether it is an integer type without negative values."""
        return self.integer and self.low == 0

    @property
    def number(self) -> bool:
        """Whether it is an integer, FLOAT or DOUBLE, not BOOL and not TIMESTAMP."""
        return self.integer or self in (FLOAT, DOUBLE)

    @property
    def text(self) -> bool:
        """Whether it is VARCHAR or NCHAR."""
        return self in (VARCHAR, NCHAR)

    @property
    def decimal(self) -> bool:
        """Whether it is a DECIMAL, of either size."""
        return self in (DECIMAL, DECIMAL64)

    @property
    def raw(self) -> bool:
        """Whether its values are bytes."""
        return self in (VARBINARY, GEOMETRY)


def _integer(code: int, name: str, bits: int, signed: bool) -> Kind:
    if signed:
        arrow, low, high = getattr(pa, f"int{bits}")(), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    else:
        arrow, low, high = getattr(pa, f"uint{bits}")(), 0, 2**bits - 1
    base = name.removesuffix(" UNSIGNED").replace("INT", "INTEGER") if bits == 32 else name.removesuffix(" UNSIGNED")
    duckdb = base if signed else f"U{base}"
    return Kind(code, name, bits // 8, arrow, duckdb, low, high)


BOOL = Kind(1, "BOOL", 1, pa.bool_(), "BOOLEAN")
TINYINT = _integer(2, "TINYINT", 8, signed=True)
SMALLINT = _integer(3, "SMALLINT", 16, signed=True)
INT = _integer(4, "INT", 32, signed=True)
BIGINT = _integer(5, "BIGINT", 64, signed=True)
FLOAT = Kind(6, "FLOAT", 4, pa.float32(), "FLOAT")
DOUBLE = Kind(7, "DOUBLE", 8, pa.float64(), "DOUBLE")
VARCHAR = Kind(8, "VARCHAR", 0, pa.string(), "VARCHAR")
TIMESTAMP = Kind(9, "TIMESTAMP", 8, pa.int64(), "BIGINT")
NCHAR = Kind(10, "NCHAR", 0, pa.string(), "VARCHAR")
UTINYINT = _integer(11, "TINYINT UNSIGNED", 8, signed=False)
USMALLINT = _integer(12, "SMALLINT UNSIGNED", 16, signed=False)
UINT = _integer(13, "INT UNSIGNED", 32, signed=False)
UBIGINT = _integer(14, "BIGINT UNSIGNED", 64, signed=False)
JSON = Kind(15, "JSON", 0, pa.string(), "VARCHAR")
VARBINARY = Kind(16, "VARBINARY", 0, pa.binary(), "BLOB")
DECIMAL = Kind(17, "DECIMAL", 16, pa.decimal128(38, 0), "DECIMAL(38, 0)")
GEOMETRY = Kind(20, "GEOMETRY", 0, pa.binary(), "BLOB")
DECIMAL64 = Kind(21, "DECIMAL", 8, pa.decimal64(18, 0), "DECIMAL(18, 0)")

KINDS = (
    *(BOOL, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, VARCHAR, TIMESTAMP, NCHAR),
    *(UTINYINT, USMALLINT, UINT, UBIGINT, JSON, VARBINARY, GEOMETRY, DECIMAL64, DECIMAL),
)
BY_CODE = {kind.code: kind for kind in KINDS}
BY_NAME = {kind.name: kind for kind in KINDS} | {"BINARY": VARCHAR, "INTEGER": INT, "INTEGER UNSIGNED": UINT}
JSON_LENGTH = 4095
"""The length of every JSON tag: the characters that its text may have."""


@dataclass(frozen=True)
class Type:
    """A type with its declared length: characters for NCHAR, bytes for VARCHAR, the fixed size otherwise.

    `precision` and `scale` are a DECIMAL's digits, all and those behind the point.
    """

    kind: Kind
    length: int
    precision: int = 0
    scale: int = 0

    @classmethod
    def of(cls, kind: Kind, length: int | None = None) -> "Type":
        """The type of `kind`, of its fixed size unless `length` is given."""
        return cls(kind, kind.size if length is None else length)

    @classmethod
    def decimal(cls, precision: int, scale: int) -> "Type":
        """DECIMAL(precision, scale): of 8 bytes up to 18 digits, else of 16."""
        kind = DECIMAL64 if precision <= 18 else DECIMAL
        return cls(kind, kind.size, precision, scale)

    @property
    def arrow(self) -> pa.DataType:
        """What holds its values in Arrow."""
        if self.kind is DECIMAL64:
            return pa.decimal64(self.precision, self.scale)
        return pa.decimal128(self.precision, self.scale) if self.kind is DECIMAL else self.kind.arrow

    @property
    def duckdb(self) -> str:
        """What it is in DuckDB."""
        return f"DECIMAL({self.precision}, {self.scale})" if self.kind.decimal else self.kind.duckdb

    @property
    def wire_bytes(self) -> int:
        """The size that stmt2 fields state: the two bytes of length included, NCHAR and JSON at four bytes."""
        if self.kind in (NCHAR, JSON):
            return 4 * self.length + 2
        return self.length + 2 if self.kind.size == 0 else self.kind.size

    @property
    def block_bytes(self) -> int:
        """What block headers state: `wire_bytes`, and for a DECIMAL its size, precision and scale in one number."""
        if self.kind.decimal:
            return self.kind.size << 24 | self.precision << 8 | self.scale
        return self.wire_bytes

    def __str__(self) -> str:
        if self.kind.decimal:
            return f"DECIMAL({self.precision}, {self.scale})"
        return f"{self.kind.name}({self.length})" if self.kind.size == 0 and self.kind is not JSON else self.kind.name


NULL_TYPE = Type(VARCHAR, 0)
"""The type that a bare NULL has in a result."""


@dataclass(frozen=True)
class Field:
    """One column of a result."""

    name: str
    type: Type


PRECISIONS = ("ms", "us", "ns")
UNITS_PER_SECOND = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
