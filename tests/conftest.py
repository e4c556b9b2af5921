"""What the tests share: parts of the demo that are ended with the test."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from parts import Part, free_port, get_json, sql
from waiting import eventually

# In the background of a script SIGINT is ignored, under nohup SIGHUP is, and so they would be by all that starts here.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

pytest_plugins = ["attacked"]

Start = Callable[..., Part]

LONGEST = [
    *("test_page_history.py", "test_history_by_hand.py", "test_page.py", "test_page_states.py"),
    "test_history_filters.py",
    *("test_attacks.py", "test_history.py", "test_exact.py", "test_server_mode_page.py", "test_scripts_install.py"),
    *("test_scripts_run.py", "test_any_table.py", "test_random_writer.py", "test_access.py", "test_embedded_model.py"),
]
"""The files that take longest, which begin first, so that none of them is left over at the end."""
Noted = Callable[..., None]


@pytest.fixture
def noted(record_property: Callable[[str, object], None]) -> Noted:
    """Add a row to the fault matrix: what failed, recovery, rows lost, rows twice, longest stall."""

    def noted(*row: str) -> None:
        record_property("fault", row)

    return noted


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the fault matrix, whichever processes its tests ran in."""
    passed = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", [])
    rows = [value for report in passed for name, value in report.user_properties if name == "fault"]
    if rows:
        terminalreporter.section("faults")
        for row in [("what failed", "recovered in", "rows lost", "rows twice", "longest stall of a viewer"), *rows]:
            terminalreporter.write_line("{:38}{:>14}{:>11}{:>12}{:>27}".format(*row))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a part: `start("producer.py", "--rows", "10", env={...})`."""
    parts: list[Part] = []

    def start(*command: str, env: dict[str, str] | None = None) -> Part:
        name = command[command[0] == "-m"].removesuffix(".py").replace("/", "-")
        part = Part(tmp_path / f"{name}-{len(parts)}.log", *command, env=env)
        parts.append(part)
        return part

    yield start
    for part in reversed(parts):
        part.kill()


@pytest.fixture(scope="session")
def running_taos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an embedded server that all tests share, as it takes a while to start."""
    port = free_port()
    part = Part(tmp_path_factory.mktemp("taos") / "embedded.log", "-m", "embedded", "--port", str(port))
    part.says("listening", 60)
    yield port
    part.kill()


@pytest.fixture
def taos_port(running_taos: int) -> int:
    """The port of an embedded server with nothing in it."""
    for (name,) in sql(running_taos, "SHOW DATABASES"):
        if not name.endswith("_schema"):
            sql(running_taos, f"DROP DATABASE `{name}`")
    return running_taos


@pytest.fixture
def server(start: Start, taos_port: int) -> str:
    """The address of a Perspective server over `taos_port`; it may still be waiting for the table."""
    port = free_port()
    start("perspective_server.py", "--port", str(port), "--taos-port", str(taos_port)).says("serving")
    address = f"http://127.0.0.1:{port}"
    eventually(lambda: get_json(address + "/status")[0])
    return address
