"""What columns are called where Perspective takes their names for its own."""

import perspective
import pyarrow as pa
import pytest

from tdengine.arrow import ipc_stream
from tdengine.describing import Column
from tdengine.names import RESERVED, shown_names
from tdengine.settings import Settings
from tdengine.table import Table

TAKEN = ["psp_op", "psp_okey", "psp_pkey", "__INDEX__", "__ID__", "__ROW_PATH__", "__ROW_PATH_0__", "__GROUPING_ID__"]
AT = Settings("localhost", 6041, "root", "d", "s", "secret")


def test_the_names_that_perspective_takes_are_known() -> None:
    assert all(RESERVED.fullmatch(name) for name in TAKEN)
    assert not any(RESERVED.fullmatch(name) for name in ["psp", "psp_opus", "INDEX", "_INDEX_", "PSP_OP", "tbname"])


def test_such_a_column_has_an_underscore_behind_its_name_or_what_is_free() -> None:
    assert shown_names(["ts", "psp_op", "psp_op_", "v"]) == ["ts", "psp_op__", "psp_op_", "v"]
    shown = [f"{name}_" for name in TAKEN]
    shown[5:7] = ["ROW_PATH___", "ROW_PATH_0___"]
    assert shown_names(TAKEN) == shown
    assert shown_names(["Name", "name", "NAME"]) == ["Name", "name", "NAME"]


def test_a_super_tables_own_tbname_makes_way_for_the_name_of_the_child() -> None:
    columns = (Column("ts", "TIMESTAMP", 8, ""), Column("tbname", "INT", 4, ""))
    table = Table(AT, (*columns, Column("g", "INT", 4, "TAG")), "ms")
    assert table.schema.names == ["ts", "tbname_", "g", "tbname"]
    assert table.renamed == {"tbname": "tbname_"}
    assert Table(AT, columns, "ms").renamed == {}


@pytest.mark.parametrize("name", [*shown_names(TAKEN), "Name", "name", "a|b", "tbname", "psp_existed", "__x"])
def test_perspective_keeps_what_is_shown_under_these_names(name: str) -> None:
    def stream(rows: int) -> bytes:
        values = [pa.array([1.0, 2.0, 3.0][:rows], pa.float64()), pa.array(["a", "b", "a"][:rows], pa.string())]
        return ipc_stream(values, pa.schema([("v", pa.float64()), (name, pa.string())]))

    client = perspective.Server().new_local_client()
    table = client.table(stream(0), limit=9)
    table.update(stream(3))
    for each in (table, client.table(table.view().to_arrow(), limit=9)):
        assert each.view().to_columns()[name] == ["a", "b", "a"]
        assert each.view(group_by=[name], columns=["v"]).to_columns()["v"] == [6.0, 4.0, 2.0]
