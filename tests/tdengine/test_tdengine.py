"""Settings, identifiers, errors, and how a table of any types becomes Arrow."""

import argparse
from itertools import islice
from typing import Any

import perspective
import pyarrow as pa
import pytest
import taosws

from tdengine.arrow import ARROW_TYPES, LETTERS, array
from tdengine.connecting import pauses
from tdengine.describing import Column
from tdengine.errors import NO_TABLE, TDengineError, code, reason
from tdengine.settings import Settings, add_options, identifier, settings
from tdengine.table import Table
from viewers import as_ms

AT = Settings("localhost", 6041, "root", "my db", "my table", "s3cret")

EXTREMES: dict[str, tuple[Any, Any]] = {
    "BOOL": (True, True),
    "TINYINT": (-128, -128),
    "SMALLINT": (-32_768, -32_768),
    "INT": (-(2**31), -(2**31)),
    "BIGINT": (-(2**63) + 1, -(2**63) + 1),
    "TINYINT UNSIGNED": (255, 255),
    "SMALLINT UNSIGNED": (65_535, 65_535),
    "INT UNSIGNED": (2**32 - 1, 2**32 - 1),
    "BIGINT UNSIGNED": (2**64 - 1, 2**64 - 1),
    "FLOAT": (0.10000000149011612, 0.10000000149011612),
    "DOUBLE": (0.1, 0.1),
    "TIMESTAMP": (1_767_323_045_678, 1_767_323_045_678),
    "VARCHAR": ("汉字", "汉字"),
    "BINARY": ("", ""),
    "NCHAR": ("Zürich", "Zürich"),
    "JSON": ('{"a": 1}', '{"a": 1}'),
    "VARBINARY": (b"\x01\xff", "01ff"),
    "GEOMETRY": (b"\x00", "00"),
    "BLOB": (b"", ""),
    "DECIMAL": ("1.25", 1.25),
}
"""A value of each type as taosws returns it, and as Perspective has to show it."""


def parsed(monkeypatch: pytest.MonkeyPatch, *arguments: str, **environment: str) -> Settings:
    for name in ("HOST", "PORT", "USER", "PASSWORD", "DATABASE", "TABLE"):
        monkeypatch.delenv(f"TAOS_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    parser = argparse.ArgumentParser()
    add_options(parser)
    return settings(parser.parse_args(arguments))


def test_settings_default_to_the_demos(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parsed(monkeypatch) == Settings("localhost", 6041, "root", "stocks", "stocks_values", "taosdata")


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    found = parsed(monkeypatch, "--taos-port", "7", TAOS_PORT="8", TAOS_HOST="db", TAOS_PASSWORD="p")
    assert (found.host, found.port, found.password) == ("db", 7, "p")


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"TAOS_{name}" for name in ("HOST", "PORT", "USER", "PASSWORD", "DATABASE", "TABLE")]
    assert parsed(monkeypatch, **dict.fromkeys(names, "")) == parsed(monkeypatch)


def test_a_password_is_never_printed() -> None:
    assert "s3cret" not in f"{AT} {AT!r}"


def test_names_are_quoted_whatever_they_hold() -> None:
    assert AT.full_name == "`my db`.`my table`"


@pytest.mark.parametrize("name", ["", "a`b", "a\nb", "x" * 193])
def test_names_that_cannot_be_quoted_are_refused(name: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        identifier(name)


def test_pauses_grow_to_four_seconds() -> None:
    assert list(islice(pauses(), 7)) == [0.25, 0.5, 1, 2, 4, 4, 4]


def test_errors_are_told_in_one_line_without_their_wrapping() -> None:
    error = taosws.QueryError("[0x2603] Internal error: `Fail to get table info, error: Table does not exist`")
    assert code(error) == NO_TABLE
    assert reason(error) == "[0x2603] Fail to get table info, error: Table does not exist"
    assert code(taosws.QueryError("Internal error: `x`")) is None
    assert "\n" not in reason(taosws.QueryError("two\nlines"))


def test_every_type_has_an_example() -> None:
    assert set(EXTREMES) == set(ARROW_TYPES)


@pytest.mark.parametrize("type_", EXTREMES)
def test_every_type_reaches_perspective_whole_and_null_as_null(type_: str) -> None:
    value, expected = EXTREMES[type_]
    table = Table(AT, (Column("ts", "TIMESTAMP", 8, ""), Column("select", type_, 8, "")), "ms")
    shown = perspective.Server().new_local_client().table(table.to_arrow([]), limit=10)
    shown.update(table.to_arrow([(1, value), (2, None)]))
    (first, second) = pa.ipc.open_stream(shown.view().to_arrow()).read_all().column("select").to_pylist()
    assert second is None
    assert as_ms(first) == expected


@pytest.mark.parametrize("of", LETTERS, ids=str)
def test_numbers_with_and_without_null_become_what_arrow_makes_of_them(of: pa.DataType) -> None:
    for values in ([], [0, 1, 127], [1, None, 3], [None]):
        assert array(values, of).equals(pa.array(values, of))


def test_numbers_that_are_none_or_too_large_become_what_arrow_makes_of_them() -> None:
    single, nan = array([1e39, -1e39], pa.float32()), array([float("nan"), 0.5], pa.float64())
    assert single.to_pylist() == [float("inf"), float("-inf")]
    assert [str(value) for value in nan.to_pylist()] == ["nan", "0.5"]
    with pytest.raises(pa.ArrowInvalid):
        array([128], pa.int8())


@pytest.mark.parametrize(("precision", "ticks"), [("ms", 1), ("us", 1000), ("ns", 1_000_000)])
def test_times_of_every_precision_are_shown_to_the_millisecond(precision: str, ticks: int) -> None:
    table = Table(AT, (Column("ts", "TIMESTAMP", 8, ""),), precision)
    stored = 1_767_323_045_678 * ticks + ticks // 2
    rows = pa.ipc.open_stream(table.to_arrow([(stored,)])).read_all().column("ts")
    assert rows.cast(pa.int64()).to_pylist() == [1_767_323_045_678]
    assert table.milliseconds(stored) == 1_767_323_045_678
    assert table.second == 1000 * ticks


def test_a_super_table_is_read_with_its_tags_and_the_names_of_its_children() -> None:
    table = Table(AT, (Column("ts", "TIMESTAMP", 8, ""), Column("g", "INT", 4, "TAG")), "ms")
    assert table.select == "SELECT CAST(`ts` AS BIGINT), `g`, tbname FROM `my db`.`my table`"
    assert table.key((1, 7, "d1")) == (1, "d1")


def test_a_composite_key_is_part_of_the_key() -> None:
    table = Table(AT, (Column("ts", "TIMESTAMP", 8, ""), Column("k", "INT", 4, "COMPOSITE KEY")), "ms")
    assert table.key((1, 7)) == (1, 7)


def test_a_type_that_is_not_known_is_named() -> None:
    with pytest.raises(TDengineError, match="column 'x' has type MEDIUMBLOB"):
        _ = Table(AT, (Column("x", "MEDIUMBLOB", 8, ""),), "ms").schema
