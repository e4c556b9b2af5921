"""What several live tables cost: eight of them in one server, beside one in another."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from benchmarks import cost
from benchmarks.figures import Note
from benchmarks.processes import cpu_shares, running, served, status, taos_options, until
from benchmarks.target import database
from tdengine.settings import Settings
from viewers import Viewer

TABLES = 8


@contextmanager
def followed(at: Settings, port: int, tables: list[str]) -> Iterator[None]:
    """A viewer of each of these tables, who takes its updates as the page does."""
    with ExitStack() as stack:
        for table in tables:
            viewer = Viewer(f"http://127.0.0.1:{port}")
            stack.callback(viewer.close)
            name = f"{at.database}.{table}"
            until(lambda name=name, viewer=viewer: name in viewer.tables())  # type: ignore[misc]
            view = viewer.call(viewer.call(viewer.client.open_table(name)).view())
            viewer.call(view.on_update(lambda *_: None, mode="row"))
        yield


def tables(note: Note, quick: bool) -> None:
    """CPU of a tick of one table, and of eight: 1000 rows a second come to each, and each has a viewer."""
    names = [f"stocks_{number}" for number in range(TABLES)]
    with database() as at, ExitStack() as stack:
        for name in names:
            stack.enter_context(running("producer.py", *taos_options(replace(at, table=name))))
        first = replace(at, table=names[0])
        one, all_ = (stack.enter_context(served(first)) for _ in range(2))
        stack.enter_context(followed(at, one[0], names[:1]))
        stack.enter_context(followed(at, all_[0], names))
        until(lambda: len(status(all_[0])["tables"]) == TABLES)
        pids = [one[1], all_[1]]
        cpu_shares(pids, 1)
        alone, together = cost.ticks(pids, cost.CHECK, 3 if quick else 5)
    note("CPU of one tick of one table", "ms", [], alone)
    note(f"CPU of one tick of {TABLES} tables in one server", "ms", [], together)
    ratios = [all_ / one for one, all_ in zip(alone, together, strict=True)]
    note(f"CPU of {TABLES} tables, times that of one", "times", [], ratios)
