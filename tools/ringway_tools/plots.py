"""Plots by matplotlib, in one style: labelled axes with units, and an SVG that is the same for the same figures.

The text of a plot stays text. Without matplotlib (Debian's python3-matplotlib) nothing is drawn, which `warn` says in a
line; the tables beside the plots do not need it.
"""

import statistics
import sys

try:
    import matplotlib
    from matplotlib import pyplot, ticker

    matplotlib.use("svg")
except ImportError:
    pyplot = None

STYLE = {
    # Identifiers inside the file follow from the drawing alone.
    "svg.hashsalt": "ringway",
    "svg.fonttype": "none",
    "font.family": ["sans-serif"],
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "savefig.facecolor": "white",
}

# Kinds of the sides of a comparison, and their names in the legend.
KINDS = {
    "ours": ("#1a7f5a", "Ringway"), "user": ("#4f7fc0", "others in user space"), "kernel": ("#8c959f", "kernel only"),
}
LINES = ["#0b6e99", "#d9730d", "#ad1a72", "#1a7f5a"]
MARKERS = "os^D"

WIDTH = 8.6
BAR = 0.24


def available():
    return pyplot is not None


def warn(program):
    print(f"{program}: no plot is drawn: matplotlib is missing (package python3-matplotlib)", file=sys.stderr)


def save(figure, path):
    """Without a date, so that the file changes with the figures alone."""
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def bars(path, title, panels):
    """Horizontal bars, a panel for each (title, axis, rows); a row is (label, kind, samples, text).

    A bar is as long as the median of the samples, its whisker goes from the lowest to the highest. `text` stands at
    its end; the axis starts at zero.
    """
    heights = [0.9 + BAR * len(rows) for _, _, rows in panels]
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(
            len(panels), 1, figsize=(WIDTH, sum(heights) + 0.7), height_ratios=heights, squeeze=False,
            layout="constrained")
        figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
        for (heading, axis, rows), place in zip(panels, axes[:, 0]):
            panel(place, heading, axis, rows)
        kinds = [kind for kind in KINDS if any(row[1] == kind for _, _, rows in panels for row in rows)]
        handles = [pyplot.Rectangle((0, 0), 1, 1, color=KINDS[kind][0]) for kind in kinds]
        figure.legend(handles, [KINDS[kind][1] for kind in kinds], loc="upper right", ncols=len(kinds), fontsize=9)
        save(figure, path)


def panel(place, heading, axis, rows):
    middles = [statistics.median(samples) for *_, samples, _ in rows]
    below = [middle - min(samples) for middle, (*_, samples, _) in zip(middles, rows)]
    above = [max(samples) - middle for middle, (*_, samples, _) in zip(middles, rows)]
    places = range(len(rows))
    place.barh(places, middles, height=0.62, color=[KINDS[kind][0] for _, kind, _, _ in rows], xerr=[below, above],
               error_kw={"ecolor": "#1f2328", "elinewidth": 1, "capsize": 2.5})
    for number, (*_, samples, text) in enumerate(rows):
        place.annotate(text, (max(samples), number), (5, 0), textcoords="offset points", va="center", fontsize=9)
    place.set_yticks(places, [label for label, *_ in rows], fontsize=9)
    place.tick_params(axis="y", length=0)
    place.invert_yaxis()
    place.margins(x=0.16)
    place.set_xlim(left=0)
    place.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
    place.grid(axis="x")
    place.set_title(heading)
    place.set_xlabel(axis, fontsize=9)


def lines(path, title, panels):
    """Panels side by side, each (title, axis across, axis up, logarithmic, lines); a line is (name, points, dashed)."""
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(
            1, len(panels), figsize=(WIDTH, 4.2), squeeze=False, layout="constrained")
        figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
        for (heading, across, up, logarithmic, drawn), place in zip(panels, axes[0]):
            for number, (name, points, dashed) in enumerate(drawn):
                xs, ys = zip(*points)
                place.plot(xs, ys, color=LINES[number], label=name, linestyle="--" if dashed else "-",
                           marker="" if dashed else MARKERS[number], markersize=4)
            place.set_xscale("log", base=2)
            if logarithmic:
                place.set_yscale("log", base=2)
            else:
                place.set_ylim(bottom=0)
            places = sorted({x for _, points, _ in drawn for x, _ in points})
            place.set_xticks(places, [f"{x:g}" for x in places])
            place.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
            place.minorticks_off()
            place.grid()
            place.set_title(heading)
            place.set_xlabel(across)
            place.set_ylabel(up)
            place.legend(fontsize=9)
        save(figure, path)
