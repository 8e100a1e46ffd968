"""The results as files: bench.json with every sample, bench.md with ratios and targets, a plot for each measure."""

import json
import statistics

from ringway_tools import plots
from ringway_tools.bench.drawing import draw
from ringway_tools.bench.measure import LOWER
from ringway_tools.bench.summary import short_table
from ringway_tools.bench.targets import judged
from ringway_tools.testbed.bed import congestion_control

OURS = "ringway"


def number(value, digits):
    return f"{value:,.{digits}f}"


def with_spread(values, digits):
    middle = number(statistics.median(values), digits)
    if len(values) == 1:
        return middle
    return f"{middle} ({number(min(values), digits)}..{number(max(values), digits)})"


def table(rows):
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    return lines + ["| " + " | ".join(row) + " |" for row in rows[1:]]


def metric_rows(measure):
    for case in measure.cases:
        for metric in case.metrics:
            unit = f", {metric.unit}" if metric.unit else ""
            less = " ↓" if metric.better == LOWER else ""
            yield case, metric, f"{case.title}: {metric.title}{unit}{less}"


def ratios(measure, results, peers):
    """Ringway's median, and that divided by each peer's."""
    others = [peer for peer in peers if peer.name != OURS]
    rows = [["", "Ringway", *(f"÷ {peer.name}" for peer in others)]]
    for case, metric, title in metric_rows(measure):
        values = results.of(measure.name, case.name, metric.name, OURS)
        if not values:
            continue
        cells = []
        for peer in others:
            ratio = results.ratio(measure.name, case.name, metric.name, OURS, peer.name)
            cells.append("" if ratio is None else f"{ratio:.2f}" if ratio < 100 else f"{ratio:.0f}")
        rows.append([title, with_spread(values, metric.digits), *cells])
    return table(rows) if len(rows) > 1 else []


def absolutes(measure, results, peers):
    rows = [["", *(peer.name for peer in peers)]]
    for case, metric, title in metric_rows(measure):
        cells = [
            with_spread(values, metric.digits) if values else ""
            for values in (results.of(measure.name, case.name, metric.name, peer.name) for peer in peers)]
        if any(cells):
            rows.append([title, *cells])
    return table(rows) if len(rows) > 1 else []


def failures(measure, results):
    lines = []
    for (name, case, peer), reasons in results.failures.items():
        if name == measure.name:
            lines.append(f"- {peer}, {case}: {reasons[0]}" + (f" ({len(reasons)} times)" if len(reasons) > 1 else ""))
    return lines


def section(measure, results, peers):
    shown = [
        peer for peer in peers
        if any(key[0] == measure.name and key[3] == peer.name for key in results.samples)]
    lines = ["", f"## {measure.title}", "", measure.text, ""]
    lines += ratios(measure, results, shown)
    absolute = absolutes(measure, results, shown)
    if absolute:
        lines += ["", f"![{measure.title}]({measure.name}.svg)", "", "<details><summary>Absolute figures, for "
                  "orientation: median (lowest..highest)</summary>", "", *absolute, "", "</details>"]
    failed = failures(measure, results)
    return lines + (["", "Not measured, or not each time:", "", *failed] if failed else [])


def targets_table(targets):
    verdicts = {True: "met", False: "**not met**", None: "not measured"}
    return table([["target", "found", "verdict"]] + [
        [target.text, target.found, verdicts[target.met]] for target in targets])


def markdown(run, measures, results, peers):
    machine = run["machine"]
    lines = [
        "# Side by side", "",
        f"Commit {run['commit']}, {run['date']}, Linux {machine['kernel']}, {machine['cores']} cores "
        f"({machine['processor']}) that guest, bridge and servers share; congestion control {congestion_control()} everywhere. "
        f"Medians of {run['rounds']} rounds of {run['seconds']:g} s in which every side has its turn. Made by "
        "`tools/bench`.", "",
        "What counts are the ratios: absolute figures differ by a factor of two between machines and days. "
        "↓ marks what is better when it is less.", "",
    ]
    if run["quick"]:
        lines += ["This was a quick run: one short round, which shows the order of magnitude and no more.", ""]
    if run["busyShare"] >= 0.1:
        lines += [f"**The machine was {run['busyShare']:.0%} busy with something else at the start.**", ""]
    lines += ["Sides: " + "; ".join(
        f"`{name}` {text}" for name, text in run["peers"].items()) + ".", ""]
    short = short_table(results)
    if len(short) > 1:
        lines += ["## In short", "", *table(short), ""]
    lines += ["## Targets", "", *targets_table(judged(results, [peer.name for peer in peers]))]
    for measure in measures:
        lines += section(measure, results, peers)
    return "\n".join(lines) + "\n"


def as_json(run, results, peers):
    measured = [
        {"measure": measure, "case": case, "metric": metric, "peer": peer, "median": statistics.median(values),
         "lowest": min(values), "highest": max(values), "samples": values}
        for (measure, case, metric, peer), values in results.samples.items()]
    failed = [
        {"measure": measure, "case": case, "peer": peer, "reasons": reasons}
        for (measure, case, peer), reasons in results.failures.items()]
    targets = [
        {"target": target.text, "found": target.found, "met": target.met}
        for target in judged(results, [peer.name for peer in peers])]
    everything = {**run, "results": measured, "failures": failed, "targets": targets}
    return json.dumps(everything, indent=1, ensure_ascii=False)


def write(directory, run, measures, results, peers):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "bench.json").write_text(as_json(run, results, peers) + "\n")
    (directory / "bench.md").write_text(markdown(run, measures, results, peers))
    draw_all(directory, measures, results, peers)


def draw_all(directory, measures, results, peers):
    """MEASURE.svg for each measure, where matplotlib is there."""
    if not plots.available():
        plots.warn("bench")
        return
    for measure in measures:
        draw(directory / f"{measure.name}.svg", measure, results, peers)
