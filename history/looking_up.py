"""What the server asks a worker for itself: which tables there are, and how they are doing."""

from dataclasses import asdict, replace
from functools import partial
from typing import Any

from history.cache import Cache
from history.database import Database
from history.errors import HistoryError
from tdengine import catalogue
from tdengine.catalogue import Listed
from tdengine.describing import describe
from tdengine.settings import Settings

KEPT_SECONDS = 60.0
"""How long it is known what a table's timestamp column is called, and of which precision it is."""


def looked_up(database: Database, at: Settings, cache: Cache, question: dict[str, Any], now: float) -> Any:
    """The answer to a question, as JSON has it: {"tables", "like"}, {"find"} or {"figures"}. Raises HistoryError."""
    if "find" in question:
        found = catalogue.find(database.query, *question["find"])
        return None if found is None else asdict(found)
    if "figures" in question:
        tables = [Listed(*each) for each in question["figures"][: catalogue.MOST_FIGURES]]
        return _figures(database, at, cache, tables, now)
    known = catalogue.precisions(database.query)
    wanted = [name for name in question["tables"] if name in known] if "*" not in question["tables"] else sorted(known)
    listed = [each for name in wanted for each in catalogue.tables(database.query, name, question["like"])]
    return {"databases": wanted, "tables": [asdict(each) for each in listed]}


def _figures(database: Database, at: Settings, cache: Cache, tables: list[Listed], now: float) -> list[dict[str, Any]]:
    precisions = cache.get(("precisions",), lambda: catalogue.precisions(database.query), KEPT_SECONDS)

    def column(table: Listed) -> str | None:
        """The timestamp column of a table; None of one that cannot be read, or is gone."""
        one = replace(at, database=table.database, table=table.table)
        try:
            return describe(database, one)[0].name
        except HistoryError:
            return None

    named = []
    for table in tables:
        name = cache.get(("time", table), partial(column, table), KEPT_SECONDS)
        if name is not None:
            named.append((table, name, precisions.get(table.database, "ms")))
    found = catalogue.figures(database.query, named, now)
    return [{"database": name, "table": table, **each} for (name, table), each in found.items()]
