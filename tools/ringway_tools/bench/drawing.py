"""The plot of a measure: bars with the spread of the samples as whiskers."""

import statistics

from ringway_tools import plots
from ringway_tools.bench.measure import LOWER


def panel(case, measure, results, peers):
    """The chief metric of a case, a row for each peer, or None when nothing was measured."""
    metric = case.metrics[0]
    rows = [
        (peer.title, peer.kind, values, f"{statistics.median(values):,.{metric.digits}f}") for peer in peers
        if (values := results.of(measure.name, case.name, metric.name, peer.name))]
    if not rows:
        return None
    unit = f", {metric.unit}" if metric.unit else ""
    less = " (less is better)" if metric.better == LOWER else ""
    return case.title, f"{metric.title}{unit}{less}", rows


def draw(path, measure, results, peers):
    """Draws a measure's chief metrics; nothing where nothing was measured."""
    panels = [shown for case in measure.cases if (shown := panel(case, measure, results, peers))]
    if panels:
        plots.bars(path, measure.title, panels)
