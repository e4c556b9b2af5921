"""The plots of a run, for docs/measured.md."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, short

BLUE, GREY = "#0b5fc4", "#5b6570"


def draw(figures: Sequence[Figure], folder: Path) -> None:
    """Draw how many times better ours is than the document's way, and how the cost of a tick grows."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    ratios = [(each, each.ratio) for each in figures if each.ratio]
    figure, axes = pyplot.subplots(figsize=(10, 0.36 * len(ratios) + 1), layout="constrained")
    for place, (each, ratio) in enumerate(ratios):
        axes.barh(place, ratio.value - 1, 0.62, left=1, color=BLUE)
        axes.plot([ratio.low, ratio.high], [place, place], color=GREY, linewidth=1.6)
        values = [f"{short(median(way))}" for way in (each.document, each.ours)]
        text = f"{short(ratio.value)} x   ({values[0]} → {values[1]} {each.unit})"
        axes.text(max(ratio.value, ratio.high) * 1.08, place, text, va="center", color=GREY, fontsize=9)
    axes.set_yticks(range(len(ratios)), [each.what for each, _ in ratios])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(left=0.5, right=30 * max(ratio.high for _, ratio in ratios))
    ticks = [at for at in (1, 10, 100, 1000) if at <= max(ratio.high for _, ratio in ratios)]
    axes.set_xticks(ticks, [f"{at:,} x" for at in ticks])
    axes.minorticks_off()
    axes.axvline(1, color=GREY, linewidth=0.8)
    axes.set_xlabel("times better than the document's way; the thin line is where the ratio lies at 95 %")
    figure.savefig(folder / "benchmark.png", dpi=110)
    pyplot.close(figure)

    names = list(dict.fromkeys(each.series for each in figures if each.series))
    figure, panels = pyplot.subplots(1, len(names), figsize=(10, 2.6), layout="constrained")
    for name, panel in zip(names, panels, strict=True):
        points = sorted((each.at, median(each.ours)) for each in figures if each.series == name)
        panel.plot(*zip(*points, strict=True), marker="o", markersize=4, color=BLUE)
        panel.set(xscale="log", xlabel={"rows/s sent": "rows a second"}.get(name, name))
        panel.set_ylim(0, 1.15 * max(value for _, value in points))
        panel.grid(axis="y", alpha=0.3)
        panel.minorticks_off()
    panels[0].set_ylabel("CPU of one tick (ms)")
    figure.savefig(folder / "growth.png", dpi=110)
    pyplot.close(figure)
