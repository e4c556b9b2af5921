"""Rows in DuckDB, without a server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from embedded import storage as storage_module
from embedded.errors import TDengineError
from embedded.schema import Table
from embedded.storage import Storage, Write
from embedded.types import BIGINT, INT, NCHAR, TIMESTAMP, VARCHAR, Type

COLUMNS = [("ts", Type.of(TIMESTAMP), False), ("a", Type.of(INT), False), ("b", Type(NCHAR, 10), False)]


@pytest.fixture
def storage() -> Storage:
    made = Storage()
    made.create_database("d", "ms", {})
    return made


@pytest.fixture
def table(storage: Storage) -> Table:
    return storage.create_table(storage.database("d"), "t", COLUMNS, None)


def write(table: Table, times: list[int], **columns: list[Any]) -> Write:
    """Rows of some columns of a table."""
    given = {"ts": times, **columns}
    named = tuple(column for column in table.columns if column.name in given)
    return Write(table, named, tuple(pa.array(given[column.name], column.type.kind.arrow) for column in named))


def content(storage: Storage, table: Table) -> list[tuple[Any, ...]]:
    schema = pa.schema([("c0", pa.int64()), ("c1", pa.int32()), ("c2", pa.string())])
    rows = storage.query(f"SELECT c0, c1, c2 FROM {table.data} ORDER BY c0", schema)
    found: list[tuple[Any, ...]] = []
    while (batch := rows.next()) is not None:
        found += zip(*(column.to_pylist() for column in batch.columns), strict=True)
    return found


def test_a_row_with_a_known_timestamp_replaces_the_columns_that_it_names(storage: Storage, table: Table) -> None:
    assert storage.write([write(table, [1, 2], a=[1, 2], b=["x", "y"])]) == 2
    assert storage.write([write(table, [2, 3], a=[5, 6])]) == 2
    assert storage.write([write(table, [1], b=[None])]) == 1
    assert content(storage, table) == [(1, 1, None), (2, 5, "y"), (3, 6, None)]


def test_of_rows_with_one_timestamp_in_one_write_the_last_wins(storage: Storage, table: Table) -> None:
    assert storage.write([write(table, [2, 1, 2], a=[1, 2, 3], b=["x", "y", None])]) == 2
    assert content(storage, table) == [(1, 2, "y"), (2, 3, None)]


def test_rows_that_only_append_stay_in_order_and_others_do_not(storage: Storage, table: Table) -> None:
    storage.write([write(table, [1, 2], a=[1, 2])])
    storage.write([write(table, [3], a=[3])])
    assert table.ordered
    storage.write([write(table, [2], a=[9])])
    assert not table.ordered


def test_a_write_to_several_tables_is_all_or_nothing(storage: Storage, table: Table) -> None:
    other = storage.create_table(storage.database("d"), "u", COLUMNS, None)
    broken = Write(other, other.columns[:2], (pa.array([1], pa.int64()), pa.array(["no number"])))
    with pytest.raises(TDengineError):
        storage.write([write(table, [1], a=[1]), broken])
    assert content(storage, table) == []
    assert storage.write([write(table, [1], a=[1])]) == 1


def test_a_batch_is_at_most_4096_rows(storage: Storage, table: Table) -> None:
    storage.write([write(table, list(range(10_000)), a=list(range(10_000)))])
    rows = storage.query(f"SELECT c0 FROM {table.data}", pa.schema([("c0", pa.int64())]))
    sizes = []
    while (batch := rows.next()) is not None:
        sizes.append(batch.num_rows)
    assert sum(sizes) == 10_000
    assert max(sizes) <= 4096
    assert min(sizes) > 0


def test_a_query_reads_on_while_its_table_is_deleted_from_and_dropped(storage: Storage, table: Table) -> None:
    storage.write([write(table, list(range(300_000)), a=[1] * 300_000)])
    rows = storage.query(f"SELECT c0 FROM {table.data}", pa.schema([("c0", pa.int64())]))
    first = rows.next()
    storage.delete(table, "c0 < 200000")
    storage.drop_table(table)
    count = first.num_rows if first else 0
    while (batch := rows.next()) is not None:
        count += batch.num_rows
    assert count == 300_000


def test_a_sweep_takes_rows_by_the_time_they_were_stored(
    storage: Storage, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000_000]
    monkeypatch.setattr(storage_module, "_now_ms", lambda: now[0])
    storage.write([write(table, [10], a=[1])])
    now[0] += 5_000
    storage.write([write(table, [5], a=[2])])
    assert storage.sweep(stored_before=1_000_000) == 0
    assert storage.sweep(stored_before=1_005_000) == 1
    assert content(storage, table) == [(5, 2, None)]


def test_a_sweep_takes_a_bounded_number_of_rows_and_lets_the_others_in_between(
    storage: Storage, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "_SWEEP_ROWS", 100)
    now = [1_000_000]
    monkeypatch.setattr(storage_module, "_now_ms", lambda: now[0])
    storage.write([write(table, list(range(250)), a=[1] * 250)])
    now[0] += 5_000
    assert storage.sweep(stored_before=1_000_001) == 100
    storage.write([write(table, [1_000], a=[2])])
    assert storage.sweep(stored_before=1_000_001) == 100
    assert storage.sweep(stored_before=1_000_001) == 50
    assert storage.sweep(stored_before=1_000_001) == 0
    assert content(storage, table) == [(1_000, 2, None)]


def test_a_row_written_again_is_young_again(storage: Storage, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000]
    monkeypatch.setattr(storage_module, "_now_ms", lambda: now[0])
    storage.write([write(table, [10], a=[1])])
    now[0] += 5_000
    storage.write([write(table, [10], a=[2])])
    assert storage.sweep(stored_before=1_005_000) == 0


def test_memory_stays_level_while_rows_come_and_go(
    storage: Storage, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0]
    monkeypatch.setattr(storage_module, "_now_ms", lambda: now[0])
    sizes = []
    for step in range(60):
        times = list(range(step * 10_000, step * 10_000 + 10_000))
        now[0] = times[-1]
        storage.write([write(table, times, a=[1] * 10_000, b=[f"{time % 9999}" for time in times])])
        storage.sweep(stored_before=now[0] - 100_000)
        if step >= 20:
            sizes.append(storage.memory())
    assert 100_000 <= len(content(storage, table)) <= 120_000
    assert max(sizes[20:]) <= 1.5 * max(sizes[:20])


def test_everything_is_there_again_when_a_file_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "data.duckdb"
    first = Storage(path)
    first.create_database("d", "us", {"keep": "10"})
    table = first.create_table(first.database("d"), "t", COLUMNS, None)
    stable = first.create_table(first.database("d"), "s", COLUMNS, [("g", Type(VARCHAR, 5))])
    child = first.create_child(stable, first.database("d"), "c1", ["x"])
    first.write([write(table, [1, 2], a=[1, 2]), write(child, [1], a=[7])])
    first.close()

    again = Storage(path)
    database = again.database("d")
    assert (database.precision, database.options, set(database.tables)) == ("us", {"keep": "10"}, {"t", "s", "c1"})
    assert content(again, database.tables["t"]) == [(1, 1, None), (2, 2, None)]
    assert database.tables["c1"].tag_values == ("x",)
    again.write([write(database.tables["t"], [2], b=["late"]), write(database.tables["c1"], [1], b=["y"])])
    assert content(again, database.tables["t"]) == [(1, 1, None), (2, 2, "late")]
    assert again.create_table(database, "u", COLUMNS, None).id > database.tables["s"].id
    again.close()


def test_a_dropped_table_can_be_made_again_with_other_columns(storage: Storage, table: Table) -> None:
    storage.drop_table(table)
    made = storage.create_table(
        storage.database("d"), "t", [("ts", Type.of(TIMESTAMP), False), ("z", Type.of(BIGINT), False)], None
    )
    assert storage.write([write(made, [1], z=[5])]) == 1


def test_a_table_that_was_dropped_meanwhile_is_missing(storage: Storage, table: Table) -> None:
    """Another connection may drop a table between its look-up and its use."""
    stable = storage.create_table(storage.database("d"), "s", COLUMNS, [("g", Type.of(INT))])
    child = storage.create_child(stable, storage.database("d"), "c", [1])
    storage.drop_table(child)
    storage.drop_table(stable)
    storage.drop_table(table)
    again = storage.create_table(storage.database("d"), "t", COLUMNS, None)
    uses: list[Callable[[], Any]] = [
        lambda: storage.write([write(again, [1], a=[1]), write(table, [1], a=[1])]),
        lambda: storage.write([write(child, [1], a=[1])]),
        lambda: storage.delete(table, "TRUE"),
        lambda: storage.drop_table(table),
        lambda: storage.alter(table, table.columns[:2], ()),
        lambda: storage.set_tag(child, stable.tags[0], 2),
        lambda: storage.create_child(stable, storage.database("d"), "c2", [1]),
        lambda: storage.query(f"SELECT c0 FROM {table.data}", pa.schema([("c0", pa.int64())])),
    ]
    for use in uses:
        with pytest.raises(TDengineError, match="0x2603"):
            use()
    assert content(storage, again) == []
    database = storage.database("d")
    storage.drop_database("d")
    for use in (lambda: storage.create_table(database, "u", COLUMNS, None), lambda: storage.delete(again, "TRUE")):
        with pytest.raises(TDengineError, match="0x0388"):
            use()
