"""Bars with whiskers, as SVG that is legible on light and dark ground."""

import statistics
from xml.sax.saxutils import escape

WIDTH = 860
LABEL = 270
VALUE = 150
ROW = 20
TITLE = 46

STYLE = """
    text { font: 12px system-ui, sans-serif; fill: #1f2328; }
    .head { font-size: 15px; font-weight: 600; }
    .case { font-weight: 600; }
    .ours { fill: #1a7f5a; } .kernel { fill: #8c959f; } .user { fill: #4f7fc0; }
    .whisker { stroke: #1f2328; stroke-width: 1.2; fill: none; }
    .axis { stroke: #8c959f; stroke-width: 1; }
    @media (prefers-color-scheme: dark) {
        text { fill: #e6edf3; }
        .ours { fill: #3fb98a; } .kernel { fill: #7d8590; } .user { fill: #6ea0e0; }
        .whisker { stroke: #e6edf3; }
    }
"""


def panel(top, case, metric, rows):
    """One case: a bar for each peer, the median's length, with a whisker from the lowest to the highest sample."""
    hint = "" if metric.better == "higher" else " (less is better)"
    unit = f", {metric.unit}" if metric.unit else ""
    title = f"{case.title}: {metric.title}{unit}{hint}"
    parts = [f'<text class="case" x="8" y="{top + 16}">{escape(title)}</text>']
    longest = max(max(values) for _, values in rows) or 1
    scale = (WIDTH - LABEL - VALUE) / longest
    y = top + 26
    parts.append(f'<line class="axis" x1="{LABEL}" y1="{y - 2}" x2="{LABEL}" y2="{y + ROW * len(rows)}"/>')
    for peer, values in rows:
        middle, low, high = statistics.median(values), min(values), max(values)
        centre = y + ROW / 2 - 2
        parts.append(f'<text x="{LABEL - 8}" y="{centre + 4}" text-anchor="end">{escape(peer.title)}</text>')
        parts.append(
            f'<rect class="{peer.kind}" x="{LABEL}" y="{centre - 6}" height="12" '
            f'width="{max(1, middle * scale):.1f}"/>')
        first, last = LABEL + low * scale, LABEL + high * scale
        parts.append(
            f'<path class="whisker" d="M{first:.1f} {centre - 4}v8M{last:.1f} {centre - 4}v8M{first:.1f} {centre}'
            f'H{last:.1f}"/>')
        parts.append(f'<text x="{last + 8:.1f}" y="{centre + 4}">{middle:,.{metric.digits}f}</text>')
        y += ROW
    return parts, y + 12


def drawing(measure, results, peers):
    """The measure's chief metrics, or nothing when nothing was measured."""
    parts, y = [], TITLE
    for case in measure.cases:
        metric = case.metrics[0]
        rows = [
            (peer, values) for peer in peers
            if (values := results.of(measure.name, case.name, metric.name, peer.name))]
        if rows:
            more, y = panel(y, case, metric, rows)
            parts += more
    if not parts:
        return None
    head = f'<text class="head" x="8" y="24">{escape(measure.title)}</text>'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" role="img" '
        f'aria-label="{escape(measure.title)}">',
        f"<style>{STYLE}</style>", head, *parts, "</svg>", ""])
