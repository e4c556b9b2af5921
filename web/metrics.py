"""GET /metrics: how the server is, in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/ says how that is written: a line a figure.
"""

import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from protocol import children
from web.access import Guarded
from web.viewers import HistoryViewer, Viewer

Figure = tuple[dict[str, str], float]
"""Labels, and what they have."""

Metrics = list[tuple[str, str, str, list[Figure]]]
"""Name, type, what it is, and the figures."""


def text(metrics: Metrics) -> str:
    """Metrics as Prometheus reads them."""
    lines = []
    for name, kind, what, figures in metrics:
        lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{_labels(labels)} {value:.15g}" for labels, value in figures]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escaped = {
        name: value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"


def resident_bytes(process: int) -> int | None:
    """The memory that a process has; None where that is not told, as on a Mac."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return None


def _memory() -> Iterator[Figure]:
    for module, process in (("perspective_server", os.getpid()), *children.alive()):
        found = resident_bytes(process)
        if found is not None:
            yield {"process": module, "pid": str(process)}, found


def metrics(tables: Mapping[str, Mapping[str, Any]], viewers: Mapping[str, int], now: float) -> Metrics:
    """What is told: of each table by its status, of viewers by what they look at, and of the server's processes."""

    def of_tables(value: Callable[[Mapping[str, Any]], float | None]) -> list[Figure]:
        found = [({"table": name}, value(status)) for name, status in tables.items()]
        return [(labels, number) for labels, number in found if number is not None]

    def age(status: Mapping[str, Any]) -> float | None:
        return None if status["newest"] is None else now - status["newest"] / 1000

    return [
        (
            "perspective_table_live",
            "gauge",
            "Whether the last poll succeeded.",
            of_tables(lambda it: it["state"] == "live"),
        ),
        ("perspective_polls_total", "counter", "Polls that succeeded.", of_tables(lambda it: it["polls"])),
        ("perspective_rows_read_total", "counter", "Rows that polls have read.", of_tables(lambda it: it["rows_read"])),
        ("perspective_rows_per_second", "gauge", "New rows a second.", of_tables(lambda it: it["rows_per_second"])),
        ("perspective_rows", "gauge", "Rows that are shown.", of_tables(lambda it: it["rows"])),
        ("perspective_newest_row_age_seconds", "gauge", "Age of the newest row.", of_tables(age)),
        ("perspective_table_viewers", "gauge", "Viewers of a live table.", of_tables(lambda it: it["viewers"])),
        ("perspective_viewers", "gauge", "Websockets.", [({"of": of}, count) for of, count in viewers.items()]),
        (
            "perspective_child_deaths_total",
            "counter",
            "Child processes that have ended, or had to be ended, by themselves.",
            [({"process": module}, children.deaths[module]) for module in children.MODULES],
        ),
        ("perspective_resident_memory_bytes", "gauge", "Memory of each process.", list(_memory())),
    ]


class MetricsHandler(Guarded):
    """GET of the metrics. `tables` tells the status of each."""

    def initialize(self, tables: Callable[[], Mapping[str, Mapping[str, Any]]]) -> None:
        self.tables = tables

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        viewers = {"live": len(Viewer.everyone), "history": len(HistoryViewer.everyone)}
        self.finish(text(metrics(self.tables(), viewers, time.time())))
