"""The ready-made views of other people's tables: what is drawn, by what it is grouped, and that it can be drawn."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from schemas import SCHEMAS, Schema

from parts import Part, free_port, sql
from viewers import Watched, chromium

MADE = """async ({ columns, tags, rows }) => {
    const client = await (await document.querySelector("perspective-viewer").getTable()).get_client();
    const table = await client.table(columns);
    await table.update(rows);
    const { factsOf, liveViews } = await import("/page/live.js");
    const facts = await factsOf(table, Object.entries(columns), tags);
    const views = liveViews(Object.entries(columns), tags, facts);
    const counts = {};
    for (const [name, { panels }] of Object.entries(views)) {
        counts[name] = [];
        for (const { plugin, title, columns_config, plugin_config, ...config } of Object.values(panels)) {
            const view = await table.view(config);
            counts[name].push(await view.num_rows());
            await view.delete();
        }
    }
    await table.delete();
    return { facts, views, counts };
}"""


@pytest.fixture(scope="module")
def page(running_taos: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A page of a table of its own, in whose engine others are tried."""
    sql(running_taos, "CREATE DATABASE schemas")
    sql(running_taos, "CREATE TABLE schemas.t (ts TIMESTAMP, v INT)")
    port = free_port()
    options = ["--port", str(port), "--taos-port", str(running_taos), "--database", "schemas", "--table", "t"]
    server = Part(tmp_path_factory.mktemp("schemas") / "server.log", "perspective_server.py", *options)
    server.says("serving")
    with chromium() as browser:
        watched = Watched(browser)
        watched.page.goto(f"http://127.0.0.1:{port}")
        watched.drawn()
        yield watched
    server.kill()


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_table_has_the_views_that_its_columns_allow(page: Watched, name: str) -> None:
    schema = SCHEMAS[name]
    made = page.page.evaluate(MADE, asdict(schema))
    assert list(made["views"]) == schema.views
    for view, counts in made["counts"].items():
        assert all(count >= 1 for count in counts), view
    for panel in panels(made):
        assert not set(panel["columns"]) & set(schema.tags) or not panel.get("group_by"), "tags are not added up"
    if "Map" in made["views"]:
        assert made["views"]["Map"]["panels"]["main"]["plugin"] == "Map Scatter"


def panels(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for view in made["views"].values() for panel in view["panels"].values()]


def view(page: Watched, schema: Schema, name: str) -> dict[str, Any]:
    """The panel of a view."""
    panel: dict[str, Any] = page.page.evaluate(MADE, asdict(schema))["views"][name]["panels"]["main"]
    return panel


def test_tags_group_and_each_child_has_a_line(page: Watched) -> None:
    schema = SCHEMAS["meters"]
    assert view(page, schema, "Grid")["group_by"] == ["location", "groupid"]
    assert view(page, schema, "Lines")["split_by"] == ["tbname"]


def test_a_heat_map_is_of_groups_that_cross_else_of_time_by_child(page: Watched) -> None:
    crossing = view(page, SCHEMAS["trucks"], "Heat map")
    assert (crossing["group_by"], crossing["split_by"]) == (["fleet"], ["driver"])
    alone = view(page, SCHEMAS["air quality"], "Heat map")
    assert (alone["group_by"], alone["split_by"]) == (["time_"], ["tbname"])


def test_colours_span_values_that_are_all_near_to_each_other(page: Watched) -> None:
    (colour,) = view(page, SCHEMAS["meters"], "Treemap")["expressions"].values()
    assert colour == '"voltage" - 222'


def test_names_of_the_views_own_never_collide_with_columns(page: Watched) -> None:
    for name, columns in [("weather", ["time"]), ("energy", ["bucket"]), ("alarms", ["highest"])]:
        for panel in panels(page.page.evaluate(MADE, asdict(SCHEMAS[name]))):
            assert not set(panel.get("expressions", {})) & set(columns)
