"""The benchmarks' own arithmetic, what becomes of a user's TDengine, and that the docs say what was measured."""

import json
import math
from itertools import count
from pathlib import Path

import pytest
import taosws

from benchmarks import __main__ as benchmarks
from benchmarks import cost, document_way, figures, target
from benchmarks.figures import Figure, Ratio
from benchmarks.processes import PartFailed, running
from parts import free_port, sql
from tdengine.errors import TDengineError
from tdengine.settings import Settings

ROOT = Path(__file__).parent.parent.parent


def test_a_ratio_says_how_many_times_less_or_more() -> None:
    less = Figure("time", "ms", [40.0, 40.0], [4.0, 4.0])
    more = Figure("rate", "rows/s", [100.0, 100.0], [200.0, 200.0], better="more")
    assert less.ratio is not None
    assert more.ratio is not None
    assert less.ratio.value == pytest.approx(10)
    assert more.ratio.value == pytest.approx(2)


def test_the_interval_is_students_over_the_logarithms_of_the_repeats() -> None:
    ratio = Figure("time", "ms", [10.0, 20.0, 40.0], [1.0, 1.0, 1.0]).ratio
    assert ratio is not None
    # The logarithms are log 20 and log 2 to both sides of it, so their deviation is log 2; t of two degrees is 4.303.
    factor = math.exp(4.303 * math.log(2) / math.sqrt(3))
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((20, 20 / factor, 20 * factor))


def test_what_disturbs_both_ways_alike_does_not_widen_the_interval() -> None:
    ratio = Figure("time", "ms", [10.0, 30.0, 20.0], [1.0, 3.0, 2.0]).ratio
    assert ratio is not None
    assert (ratio.low, ratio.high) == pytest.approx((10, 10))


def test_there_is_no_ratio_where_one_way_was_not_measured_or_is_nothing() -> None:
    assert Figure("ours", "ms", [], [1.0]).ratio is None
    assert Figure("none", "%", [0.0], [1.0]).ratio is None


def test_runs_agree_where_their_intervals_meet() -> None:
    assert Ratio(10, 9, 11).agrees(Ratio(12, 11, 13))
    assert Ratio(12, 11, 13).agrees(Ratio(10, 9, 11))
    assert not Ratio(10, 9, 11).agrees(Ratio(13, 12, 14))


def test_two_runs_are_compared_by_the_ratios_that_both_have() -> None:
    before = [Figure("a", "ms", [10.0, 11.0], [1.0, 1.0]), Figure("b", "ms", [10.0, 10.0], [1.0, 1.0])]
    after = [Figure("a", "ms", [10.0, 11.0], [1.0, 1.0]), Figure("c", "ms", [20.0, 20.0], [1.0, 1.0])]
    lines, agree = figures.compared(before, after)
    assert [line.split()[0] for line in lines] == ["a"]
    assert agree
    lines, agree = figures.compared(before, [Figure("b", "ms", [20.0, 20.0], [1.0, 1.0])])
    assert lines[0].endswith("differ")
    assert not agree


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.0456, "0.046"), (1.234, "1.23"), (45.67, "45.7"), (123.4, "123"), (43_210, "43,200")],
)
def test_numbers_are_written_with_three_digits_that_count(value: float, text: str) -> None:
    assert figures.short(value) == text


def test_the_viewers_that_are_served_lie_between_the_last_fresh_and_the_first_stale() -> None:
    assert cost.most([(100, 600.0), (200, 1400.0)]) == pytest.approx(150)
    assert cost.most([(100, 600.0), (400, 900.0)]) == 400


@pytest.fixture
def users_port(taos_port: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """The port of a TDengine that the environment names, with a database of the user's."""
    monkeypatch.setenv("TAOS_HOST", "127.0.0.1")
    monkeypatch.setenv("TAOS_PORT", str(taos_port))
    monkeypatch.setattr(target, "numbers", count(1))
    sql(taos_port, "CREATE DATABASE stocks")
    return taos_port


def databases(port: int) -> set[str]:
    """The names of all databases."""
    return {name for (name,) in sql(port, "SHOW DATABASES") if not name.endswith("_schema")}


def trades(port: int, at: Settings) -> int:
    """The rows of a table of trades."""
    found: int = sql(port, f"SELECT COUNT(*) FROM {at.full_name}")[0][0]
    return found


def test_each_measurement_has_a_database_of_its_own_and_leaves_none(users_port: int) -> None:
    with target.database() as at, target.database(precision="us") as other:
        assert databases(users_port) == {"stocks", at.database, other.database}
        assert (at.port, trades(users_port, at), trades(users_port, other)) == (users_port, 0, 0)
    with pytest.raises(ZeroDivisionError), target.database():
        _ = 1 / 0
    assert databases(users_port) == {"stocks"}


def test_what_was_there_before_is_left_as_it_was(users_port: int) -> None:
    sql(users_port, "CREATE DATABASE perspective_benchmark_1")
    sql(users_port, "CREATE TABLE perspective_benchmark_1.mine (ts TIMESTAMP, v INT)")
    sql(users_port, "INSERT INTO perspective_benchmark_1.mine VALUES (NOW, 1)")
    with pytest.raises(TDengineError, match="perspective_benchmark_1 at 127"), target.database():
        pass
    assert sql(users_port, "SELECT v FROM perspective_benchmark_1.mine") == [[1]]


def test_nothing_is_measured_where_a_database_is_in_the_way(
    users_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sql(users_port, "CREATE DATABASE perspective_benchmark_7")
    monkeypatch.setattr("sys.argv", ["benchmarks", "--only", "stored"])
    assert benchmarks.main() == 1
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert error.startswith("benchmarks/run.sh: database perspective_benchmark_7 at 127.0.0.1:")
    assert databases(users_port) == {"stocks", "perspective_benchmark_7"}


def test_a_part_that_fails_while_it_is_measured_is_noticed() -> None:
    program = "import sys; print('here', flush=True); sys.exit(3)"
    with pytest.raises(PartFailed, match="failed meanwhile"), running("-c", program, ready="here") as part:
        part.wait()


def test_where_no_tdengine_answers_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAOS_HOST", "127.0.0.1")
    monkeypatch.setenv("TAOS_PORT", str(free_port()))
    monkeypatch.setattr("sys.argv", ["benchmarks", "--only", "stored"])
    assert benchmarks.main() == 1
    error = capsys.readouterr().err
    assert error.startswith("benchmarks/run.sh: no TDengine answers at 127.0.0.1:")
    assert error.count("\n") == 1


def test_history_is_so_many_trades_of_the_last_day(users_port: int) -> None:
    with target.database(fill=40_000) as at:
        assert trades(users_port, at) == 40_000
        times = "CAST(FIRST(`timestamp`) AS BIGINT), CAST(LAST(`timestamp`) AS BIGINT)"
        ((first, last),) = sql(users_port, f"SELECT {times} FROM {at.full_name}")
    assert last - first == pytest.approx(target.DAY_MS, rel=0.001)


def test_the_documents_way_writes_where_it_is_told(users_port: int) -> None:
    with target.database() as at:
        document_way.insert_data(document_way.connect(at), document_way.gen_data(3))
        assert 1 <= trades(users_port, at) <= 3


def test_what_passes_by_itself_is_tried_again() -> None:
    answers = iter([taosws.QueryError("[0x03D3] Conflict transaction not completed"), None])

    def work() -> None:
        if error := next(answers):
            raise error

    target.sure(work)
    assert next(answers, "done") == "done"


def test_the_table_of_the_docs_is_what_was_measured_last() -> None:
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    page = (ROOT / "docs/measured.md").read_text()
    assert figures.markdown(figures.read(results)) in page
    assert results["machine"] in " ".join(page.split())
