"""The result of a row's rounds, whether its goal holds, and the page of all rows."""

import dataclasses
import statistics
import time

from ringway_tools.bench import machine
from ringway_tools.paths import commit

GOAL = 2.0
SIDES = ("alone", "busy", "hostile")


def together(rounds):
    """The figures of several rounds as one: medians; refusals are counted."""
    def combined(name):
        values = [getattr(figures, name) for figures in rounds]
        if name in ("reached", "ended"):
            return next((value for value in values if value), "")
        # One that went without an answer stands for all.
        if None in values:
            return None
        if name in ("failed_requests", "failed_connects", "newcomers_refused"):
            return sum(values)
        if name in ("newcomer", "peak_mebibytes"):
            return max(values)
        return statistics.median(values)

    return dataclasses.replace(rounds[0], **{
        field.name: combined(field.name) for field in dataclasses.fields(rounds[0])})


def faults(row, found):
    """The reasons why a row's goal does not hold."""
    hostile, busy, alone = found["hostile"], found["busy"], found["alone"]
    texts = []
    if hostile.ended:
        texts.append(hostile.ended)
    if hostile.p99 is None:
        texts.append("no request was answered")
    elif not busy.p99:
        texts.append("nothing to compare with: no request was answered beside the busy process")
    elif hostile.p99 > GOAL * busy.p99:
        texts.append(f"p99 is {hostile.p99 / busy.p99:.1f} × that beside the busy process")
    if hostile.failed_requests:
        texts.append(f"{hostile.failed_requests} requests failed")
    if hostile.failed_connects:
        texts.append(f"{hostile.failed_connects} connects failed")
    if row.judges_newcomers and hostile.newcomers_refused:
        texts.append(f"{hostile.newcomers_refused} new guests were not let in")
    if row.judges_control and hostile.control is None:
        texts.append("the control socket does not answer")
    for name, figures in (("nothing", alone), ("the busy process", busy)):
        if figures.failed_requests or figures.failed_connects:
            texts.append(
                f"beside {name} {figures.failed_requests} requests and {figures.failed_connects} connects failed too")
    return texts


def number(value, places=0):
    return "-" if value is None else f"{value:,.{places}f}"


def triple(found, name, places=0):
    return " / ".join(number(getattr(found[side], name), places) for side in SIDES)


def ratio(found):
    hostile, busy = found["hostile"].p99, found["busy"].p99
    return "-" if hostile is None or not busy else f"{hostile / busy:.2f}"


COLUMNS = {
    "p50, µs": lambda found: triple(found, "p50"),
    "p99, µs": lambda found: triple(found, "p99"),
    "p99 ÷ busy": ratio,
    "connects/s": lambda found: triple(found, "connects"),
    "failed": lambda found: " / ".join(
        number(found[side].failed_requests + found[side].failed_connects) for side in SIDES),
    "new guests refused": lambda found: triple(found, "newcomers_refused"),
    "slowest new guest, ms": lambda found: triple(found, "newcomer"),
    "control, ms": lambda found: triple(found, "control", 1),
    "daemon's CPU": lambda found: triple(found, "daemon_share", 2),
    "neighbour's CPU": lambda found: triple(found, "neighbour_share", 2),
    "daemon's peak, MiB": lambda found: triple(found, "peak_mebibytes"),
}


class Table:
    """The rows as they are judged."""

    def __init__(self, rounds, seconds):
        self.rounds = rounds
        self.seconds = seconds
        self.rows = []
        self.failed = False

    def add(self, row, found, elapsed):
        texts = faults(row, found)
        self.failed = self.failed or bool(texts)
        self.rows.append((row, found, "; ".join(texts) or "holds"))
        p99 = triple(found, "p99")
        print(f"{'FAIL' if texts else 'PASS'}  {row.name:<18} {elapsed:5.1f} s  p99 {p99} µs; "
              f"{'; '.join(texts) or 'holds'}", flush=True)

    def add_failure(self, row, text):
        self.failed = True
        self.rows.append((row, None, f"not measured: {text}"))
        print(f"FAIL  {row.name:<18} not measured: {text}", flush=True)

    def text(self):
        lines = ["| neighbour | finding | " + " | ".join(COLUMNS) + " | goal |",
                 "|---|---|" + "---:|" * len(COLUMNS) + "---|"]
        for row, found, verdict in self.rows:
            cells = [cell(found) for cell in COLUMNS.values()] if found else [""] * len(COLUMNS)
            lines.append(" | ".join([f"| {row.name}", row.finding, *cells, verdict.replace("|", "\\|")]) + " |")
        return "\n".join(lines) + "\n"

    def page(self):
        about = machine.description()
        held = sum(verdict == "holds" for _, _, verdict in self.rows)
        titles = "\n".join(f"| {row.name} | {row.title} | {found['hostile'].reached if found else ''} |"
                           for row, found, _ in self.rows)
        rounds = f"medians of {self.rounds} rounds" if self.rounds > 1 else "one round"
        return f"""# Bystanders: a good guest beside a hostile one

Commit {commit()}, {time.strftime('%Y-%m-%d')}, Linux {about['kernel']}, {about['cores']} cores
({about['processor']}) that daemon, guests, servers and neighbours share. Made by `tools/bystanders --write`: {rounds}
of {self.seconds:g} s for each measure.

Each cell has three figures: the good guest alone / beside a process that burns as much processor time as the hostile
one and has no link / beside the hostile one. A request goes out each millisecond on one connection, 64 bytes to and
fro; a wait counts as all the requests that it held up. Then connections are made one after another, with one such
exchange each. What has no answer within a second has failed. Three new guests come at the end, and the control socket
is asked. CPU is in processors, the neighbour's without its sink.

Goal: p99 at most {GOAL:g} times that beside the busy process, nothing failed, new guests let in and the control socket
answering (the last two not where the row is about them: memory, and the control socket). {held} of {len(self.rows)}
rows hold.

{self.text()}
| neighbour | what it does | reached |
|---|---|---|
{titles}
"""
