"""A view that the server computes is the view that a replica of the table computes."""

from collections.abc import Callable
from typing import Any

import perspective
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import Start
from parts import free_port, get_json
from viewers import Viewer, as_ms
from waiting import eventually

TEXTS = ["ticker", "client"]
NUMBERS = ["open", "high", "low", "close", "volume"]
TIMES = ["timestamp", "date"]
EXPRESSIONS = {
    "spread": '"high" - "low"',
    "both": 'concat("ticker", \' \', "client")',
    "second": "bucket(\"timestamp\", '1s')",
    "up": '"close" > "open"',
}
FILTERS: list[list[Any]] = [
    ["ticker", "==", "AAPL.N"],
    ["ticker", "!=", "AAPL.N"],
    ["ticker", "in", ["AAPL.N", "QQQ.N", "none"]],
    ["ticker", "begins with", "A"],
    ["ticker", "contains", "."],
    ["client", "is not null", None],
    ["open", ">", 60],
    ["volume", "<=", 50_000],
    ["spread", ">", 10],
]


@st.composite
def configurations(draw: Callable[[Any], Any]) -> dict[str, Any]:
    """What somebody may ask of a view of trades."""
    expressions = {name: EXPRESSIONS[name] for name in draw(st.sets(st.sampled_from(sorted(EXPRESSIONS)), max_size=2))}
    names = [*TEXTS, *NUMBERS, *TIMES, *expressions]
    columns = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
    groups = [*TEXTS, *({"both", "second", "up"} & expressions.keys())]
    group_by = draw(st.lists(st.sampled_from(sorted(groups)), max_size=2, unique=True))
    split_by = draw(st.lists(st.sampled_from(TEXTS), max_size=1))
    if not group_by:
        split_by = []
    filters = [each for each in draw(st.lists(st.sampled_from(FILTERS), max_size=2)) if each[0] in names]
    order = st.tuples(st.sampled_from(columns), st.sampled_from(["asc", "desc"]))
    aggregates = {
        name: draw(st.sampled_from(["sum", "avg", "min", "max", "count", "median"] if name in NUMBERS else ["count"]))
        for name in columns
        if group_by and name in [*NUMBERS, *TEXTS]
    }
    return {
        "columns": columns,
        "group_by": group_by,
        "split_by": split_by,
        "filter": filters,
        "sort": [list(each) for each in draw(st.lists(order, max_size=1))] if group_by and not split_by else [],
        "aggregates": aggregates,
        "expressions": expressions,
    }


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A quiet table's viewer, and a replica of that table."""
    from parts import Part

    folder, taos, port = tmp_path_factory.mktemp("server-mode"), free_port(), free_port()
    parts = [Part(folder / "embedded.log", "-m", "embedded", "--port", str(taos))]
    parts[0].says("listening")
    parts.append(Part(folder / "producer.log", "producer.py", "--taos-port", str(taos), "--batches", "6"))
    parts[1].wait()
    parts.append(Part(folder / "server.log", "perspective_server.py", "--taos-port", str(taos), "--port", str(port)))
    address = f"http://127.0.0.1:{port}"
    eventually(lambda: get_json(address + "/status")[1].get("rows") == 1000)
    viewer = Viewer(address)

    async def rows() -> bytes:
        view = await (await viewer.client.open_table("stock_values")).view()
        return bytes(await view.to_arrow())

    replica = perspective.Server().new_local_client().table(viewer.call(rows()), name="replica", limit=1000)
    yield viewer, replica
    viewer.close()
    for part in reversed(parts):
        part.kill()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=configurations())
def test_a_view_of_the_servers_is_that_of_a_replica(compared: tuple[Viewer, Any], made: dict[str, Any]) -> None:
    viewer, replica = compared
    view = replica.view(**made)
    expected = {name: [as_ms(value) for value in values] for name, values in view.to_columns().items()}
    view.delete()
    assert repr(viewer.columns(**made)) == repr(expected)


def test_updates_of_a_pivot_are_told_and_show_the_rows(start: Start, taos_port: int) -> None:
    start("producer.py", "--taos-port", str(taos_port), "--batches", "60")
    port = free_port()
    start("perspective_server.py", "--port", str(port), "--taos-port", str(taos_port)).says("serving")
    address = f"http://127.0.0.1:{port}"
    eventually(lambda: get_json(address + "/status")[1].get("rows") == 1000)
    viewers = [Viewer(address), Viewer(address)]
    told = [0, 0]

    async def follow(at: int, viewer: Viewer, group_by: str) -> Any:
        view = await (await viewer.client.open_table("stock_values")).view(group_by=[group_by], columns=["volume"])

        def hear(*_: Any) -> None:
            told[at] += 1

        await view.on_update(hear)
        return view

    views = [
        viewer.call(follow(at, viewer, group_by))
        for at, (viewer, group_by) in enumerate(zip(viewers, ["ticker", "client"], strict=True))
    ]
    eventually(lambda: min(told) >= 4)
    sizes = [viewer.call(view.to_columns())["volume"] for viewer, view in zip(viewers, views, strict=True)]
    assert [len(each) for each in sizes] == [14, 10]
    assert all(each[0] == pytest.approx(sum(each[1:])) for each in sizes)
    for viewer in viewers:
        viewer.close()
