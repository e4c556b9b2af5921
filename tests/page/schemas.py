"""Ten tables as they are found in the world: their columns, tags, and some rows of each."""

import math
import random
from dataclasses import dataclass
from typing import Any

NOW = 1_700_000_000_000
Rows = dict[str, list[Any]]


@dataclass(frozen=True)
class Schema:
    """A table: its columns with Perspective's types, its tags, its rows as columns, and the views that it has."""

    columns: dict[str, str]
    tags: list[str]
    rows: Rows
    views: list[str]


def series(chance: random.Random, count: int, low: float, high: float) -> list[float]:
    """Numbers that wander between two others."""
    return [low + (high - low) * (0.5 + 0.4 * math.sin(at / 20 + chance.random())) for at in range(count)]


def made(columns: dict[str, Any], tags: dict[str, list[Any]], views: str, count: int = 300, step: int = 1000) -> Schema:
    """A schema whose rows have the values named: of a list a random one, of a pair of numbers one between them.

    A super table's children take turns; each has one value of each tag.
    """
    chance = random.Random(7)
    types = {name: kind for name, (kind, _) in columns.items()}
    rows: Rows = {}
    for name, (kind, values) in columns.items():
        if kind == "datetime":
            rows[name] = [NOW + at * step for at in range(count)]
        elif isinstance(values, tuple):
            rows[name] = series(chance, count, *values)
            if kind == "integer":
                rows[name] = [int(each) for each in rows[name]]
        else:
            rows[name] = [chance.choice(values) for _ in range(count)]
    children = len(next(iter(tags.values()), []))
    for name, values in tags.items():
        types[name] = "integer" if isinstance(values[0], int) else "string"
        rows[name] = [values[at % children] for at in range(count)]
    if tags:
        types["tbname"] = "string"
        rows["tbname"] = [f"d{at % children}" for at in range(count)]
    return Schema(types, list(tags), rows, views.split(", "))


TIME = ("datetime", None)
CITIES = ["San José", "Zürich", "北京", "Lagos", "Lima"]

SCHEMAS = {
    "meters": made(
        {"ts": TIME, "current": ("float", (8, 12)), "voltage": ("integer", (219, 226)), "phase": ("float", (0.2, 0.4))},
        {"location": [CITIES[at % 5] for at in range(50)], "groupid": [at % 10 for at in range(50)]},
        "Dashboard, Grid, Treemap, Heat map, Lines, Average, Rows",
    ),
    "trucks": made(
        {
            "ts": TIME,
            "latitude": ("float", (40, 41)),
            "longitude": ("float", (-74, -73)),
            "elevation": ("integer", (10, 300)),
            "velocity": ("integer", (0, 100)),
            "fuel_state": ("float", (0, 1)),
        },
        {"fleet": ["East", "West", "South"] * 4, "driver": ["Ann", "Bo", "Cy", "Di"] * 3, "model": ["F", "G"] * 6},
        "Dashboard, Grid, Treemap, Heat map, Lines, Average, Map, Rows",
    ),
    "air quality": made(
        {"time": TIME, "pm25": ("float", (3, 60)), "pm10": ("float", (5, 90)), "temperature": ("float", (12, 19))},
        {"station": ["S1", "S2", "S3", "S4"], "city": CITIES[:4]},
        "Dashboard, Grid, Treemap, Heat map, Lines, Average, Rows",
    ),
    "ticks": made(
        {
            "ts": TIME,
            "symbol": ("string", ["EURUSD", "USDJPY"]),
            "bid": ("float", (1.1, 1.2)),
            "ask": ("float", (1.1, 1.2)),
        },
        {},
        "Dashboard, Grid, Treemap, Lines, Average, Rows",
    ),
    "logs": made(
        {
            "ts": TIME,
            "level": ("string", ["INFO", "WARN"]),
            "service": ("string", ["a", "b"]),
            "message": ("string", ["x"]),
        },
        {},
        "Grid, Rows",
    ),
    "positions": made(
        {"ts": TIME, "device": ("string", ["p1", "p2"]), "lat": ("float", (47, 48)), "lon": ("float", (8, 9))},
        {},
        "Dashboard, Grid, Treemap, Lines, Average, Map, Rows",
    ),
    "machine states": made(
        {"ts": TIME, "state": ("string", ["on", "off"]), "running": ("boolean", [True, False])},
        {"machine": ["m1", "m2", "m3"]},
        "Grid, Rows",
    ),
    "weather": made(
        {"ts": TIME, "temperature": ("float", (-5, 30)), "humidity": ("float", (20, 90)), "time": ("float", (0, 1))},
        {},
        "Dashboard, Lines, Average, Rows",
        step=3_600_000,
    ),
    "energy": made(
        {"ts": TIME, "power": ("float", (900, 1100)), "total": ("integer", (1, 900)), "bucket": ("float", (0, 1))},
        {"site": ["north", "south"], "meter": [1, 2]},
        "Dashboard, Grid, Treemap, Heat map, Lines, Average, Rows",
    ),
    "alarms": made(
        {
            "ts": TIME,
            "severity": ("integer", (1, 5)),
            "code": ("string", ["E1", "E2", "E3"]),
            "highest": ("float", (0, 1)),
        },
        {"plant": ["A", "B"], "line": [1, 2]},
        "Dashboard, Grid, Treemap, Heat map, Lines, Average, Rows",
    ),
}
