"""The table of tools/guests."""

from ringway_tools.bench import machine
from ringway_tools.paths import commit

ROWS = (
    ("throughput of all, Gb/s", lambda figures: figures.throughput, "{:.2f}"),
    ("requests of all, per s", lambda figures: figures.requests, "{:.0f}"),
    ("context switches, per s", lambda figures: figures.switches, "{:.0f}"),
    ("processor time, s per s", lambda figures: figures.processor, "{:.2f}"),
    ("p50 of quiet guests, µs", lambda figures: figures.p50_alone, "{:.0f}"),
    ("p99 of quiet guests, µs", lambda figures: figures.p99_alone, "{:.0f}"),
    ("p50 beside a flood, µs", lambda figures: figures.p50, "{:.0f}"),
    ("p99 beside a flood, µs", lambda figures: figures.p99, "{:.0f}"),
    ("p99 of the worst, µs", lambda figures: figures.worst_p99, "{:.0f}"),
    ("resident for each guest, MiB", lambda figures: figures.resident / (1 << 20), "{:.2f}"),
    ("address space for each, MiB", lambda figures: figures.address_space / (1 << 20), "{:.1f}"),
    ("start of a guest, ms", lambda figures: figures.start_up, "{:.1f}"),
    ("threads", lambda figures: figures.threads, "{:.0f}"),
    ("descriptors", lambda figures: figures.descriptors, "{:.0f}"),
)


def cell(figures, value, form):
    if figures is None:
        return "not present"
    number = value(figures)
    return "" if number is None else form.format(number)


def page(arguments, titles, found):
    """`found` has the figures by the number of guests and the title of the daemon's variant."""
    about = machine.description()
    columns = [(size, title) for size in arguments.sizes for title in titles]
    lines = [
        "# Many guests of one daemon", "",
        f"`tools/guests`, {arguments.rounds} rounds of {arguments.seconds} s each, medians; commit {commit()}, "
        f"{about['cores']} cores ({about['processor']}), Linux {about['kernel']}.", "",
        "Guests are namespaces on TAPs of `ringway serve`. In mixed traffic every fourth one sends in bulk, receives in "
        "bulk, asks once a millisecond, or sends 20 Mb/s of UDP; one that is alone sends and receives in bulk. A flood is "
        "64-byte UDP as fast as the guest can. *other* is the build that RINGWAY_OTHER names"
        + ("" if "other" in titles else ", which was not given") + ".", "",
        "| guests, daemon | " + " | ".join(f"{size} {title}" for size, title in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for title, value, form in ROWS:
        cells = [cell(found.get(column), value, form) for column in columns]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
