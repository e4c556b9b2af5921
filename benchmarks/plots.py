"""The plots of a run, for the README."""

from statistics import median
from typing import Any

from benchmarks.processes import ROOT


def draw(results: dict[str, Any]) -> None:
    """Draw what the seed's way and ours cost, and how the cost grows."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figures = {each["what"]: each for each in results["figures"]}
    both = [each for each in results["figures"] if each["seed"] and each["ours"] and each["unit"] == "ms"]
    figure, axes = pyplot.subplots(figsize=(9, 0.5 * len(both) + 1.2))
    places = range(len(both))
    for name, shift, colour in (("seed", -0.2, "#b9c0c8"), ("ours", 0.2, "#0b5fc4")):
        axes.barh([at + shift for at in places], [median(each[name]) for each in both], 0.38, label=name, color=colour)
    axes.set_xscale("log")
    axes.set_yticks(list(places), [each["what"] for each in both])
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds (logarithmic); less is better")
    axes.legend()
    figure.tight_layout()
    figure.savefig(ROOT / "imgs" / "benchmark.png", dpi=110)

    growing = [
        ("rows stored", "rows stored"),
        ("rows/s", "rows a second"),
        ("columns", "columns"),
        ("rows shown", "rows shown"),
    ]
    figure, panels = pyplot.subplots(1, len(growing), figsize=(11, 2.8), sharey=True)
    for panel, (suffix, label) in zip(panels, growing, strict=True):
        points = [
            (float(what.split(", ")[1].split()[0].replace(",", "")), median(each["ours"]))
            for what, each in figures.items()
            if what.startswith("CPU of one tick, ") and what.endswith(suffix)
        ]
        panel.plot(*zip(*sorted(points), strict=True), marker="o", color="#0b5fc4")
        panel.set(xscale="log", xlabel=label)
        panel.set_ylim(bottom=0)
    panels[0].set_ylabel("CPU of one tick (ms)")
    figure.tight_layout()
    figure.savefig(ROOT / "imgs" / "growth.png", dpi=110)
