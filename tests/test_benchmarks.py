"""The benchmarks' own arithmetic, and that the README says what was measured."""

import json
import math
from pathlib import Path

import pytest

from benchmarks import cost, figures
from benchmarks.figures import Figure, Ratio

ROOT = Path(__file__).parent.parent


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


def test_the_table_of_the_readme_is_what_was_measured_last() -> None:
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    readme = (ROOT / "README.md").read_text()
    assert figures.markdown(figures.read(results)) in readme
    assert results["machine"] in " ".join(readme.split())
