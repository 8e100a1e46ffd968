"""Models how far Ringway's throughput grows with processors, up to 64, from what was measured on this machine.

Takes the cost of frames and of handing them over from pump.json (tools/pump), measures what one processor copies and
what a system call costs, and writes scaling.md, scaling.json and scaling.svg (where matplotlib is there), in .build/counts
unless --write says perf/. A model, not a measurement: the page says what is assumed.
"""

import os
import statistics
import subprocess

from ringway_tools import plots
from ringway_tools.command import Command
from ringway_tools.counting import callgrind, report

COMMAND = Command("scaling")


CORES = [1, 2, 4, 8, 16, 32, 64]
BYTES = 64240
COPIES = 2
SYSTEM_CALLS = 1.0
# Bytes that a memory bus moves for each byte copied: read, write, and the line that is read before it is written.
TRAFFIC = 3
# Bytes per second of a server's memory: twelve channels of DDR5-4800, of which two thirds can be had.
MEMORY = 300e9


def machine_costs():
    program = callgrind.build("pump")
    runs = []
    for _ in range(5):
        line = subprocess.run([program, "machine"], stdout=subprocess.PIPE, text=True, check=True).stdout
        runs.append(tuple(map(int, line.split())))
    copy, call = map(statistics.median, zip(*runs))
    return copy, call / 1000


def hand_over_cost(pump, kind):
    """The dearest of the cases measured."""
    return max(case["extra"] for case in pump["handedOver"] if case["kind"] == kind)


def share(shards, steering):
    """How many frames arrive at a shard that does not own their flow."""
    return {"steered": 0.0, "tenth": 0.1 if shards > 1 else 0.0, "random": (shards - 1) / shards}[steering]


def run():
    callgrind.require()
    pump = report.read("pump")
    copy, call = machine_costs()
    bulk, small = pump["kinds"]["receive"]["nanoseconds"], pump["kinds"]["segments"]["nanoseconds"]
    handed = {kind: hand_over_cost(pump, kind) for kind in ("receive", "segments")}
    kernel = COPIES * BYTES / copy * 1e9 + SYSTEM_CALLS * call
    ceiling = MEMORY / (COPIES * TRAFFIC) * 8 / 1e9
    rows, numbers = [], []
    for shards in CORES:
        row = {"shards": shards}
        for steering in ("steered", "tenth", "random"):
            part = share(shards, steering)
            rate = shards / (bulk + kernel + part * handed["receive"]) * 1e9
            row[steering] = round(rate * BYTES * 8 / 1e9, 1)
            row[f"{steering}Bound"] = round(min(row[steering], ceiling), 1)
            row[f"{steering}Segments"] = round(shards / (small + call + part * handed["segments"]) * 1e3, 1)
        numbers.append(row)
        rows.append([str(shards)] + [
            f"{row[name]:.0f}" for name in ("steered", "tenth", "random", "steeredBound")] + [
            f"{row[name]:.1f}" for name in ("steeredSegments", "randomSegments")])
    table = report.table(
        ["shards", "Gb/s, all steered", "a tenth handed over", "no steering", "under the memory's ceiling",
         "segments, M/s, steered", "not steered"], rows)
    cores = ceiling / numbers[0]["steered"]
    whole = bulk + kernel
    dearer = handed["receive"] / whole, handed["segments"] / (small + call)
    text = f"""# How far it scales: a model

Shards share nothing, so what could keep {CORES[-1]} of them from doing {CORES[-1]} times the work of one is what this adds
up: frames that reach the wrong shard, and the memory they all use.

{table}
![throughput by shards](scaling.svg)

## What goes in

| | value | source |
|---|---:|---|
| a super-frame in the stack | {bulk:.0f} ns | measured, `tools/pump` |
| a segment of 64 bytes in the stack | {small:.0f} ns | measured, `tools/pump` |
| more for a super-frame handed over | {handed['receive']:.0f} ns | measured between two shards, `tools/pump` |
| more for a segment handed over | {handed['segments']:.0f} ns | measured between two shards, `tools/pump` |
| two shards to one, nothing handed over | {pump['kinds']['receive']['ratio']:.2f} | measured, `tools/pump` |
| one processor copies through memory | {copy / 1e9:.1f} GB/s | measured, `tools/scaling` |
| a system call | {call:.0f} ns | measured, `tools/scaling` |
| copies of a payload byte in the shard's thread | {COPIES} | by design, both in the kernel |
| system calls for a frame | {SYSTEM_CALLS:g} | assumed: a turn under load makes one for many frames |
| bytes on the memory bus for one copied | {TRAFFIC} | assumed: nothing stays in a cache |
| memory of a server of 64 cores | {MEMORY / 1e9:.0f} GB/s | assumed: two thirds of twelve channels of DDR5-4800 |

A super-frame of {BYTES:,} bytes so takes {whole / 1e3:.1f} µs of its shard, of which {bulk / whole:.1%} are Ringway's own.
Handing over every frame would make a super-frame {dearer[0]:.1%} dearer, but a small segment {dearer[1]:.0%}: steering matters
for small packets. Bulk transfer meets the memory's ceiling of {ceiling:.0f} Gb/s with about {cores:.0f} shards; buffers that
stay in the second-level cache, as they are meant to, move it further out.

## What is left out

- The kernel's own protocol work in the shard's thread (TAP, TCP towards the host): it is several times Ringway's
  share, and grows with shards as far as the kernel's locks let it. So the figures are bounds from above.
- The guest's and the server's processors: counted are shards' cores alone.
- More than one socket or NUMA node, and processors that slow down when all are busy.
- Hand-over was measured between two cores of one cache; between distant ones a line takes up to three times as long.

{report.machine()}; written by `tools/scaling`.
"""
    print(table, end="")
    report.write("scaling", text, {
        "machine": report.machine(), "copyBytesPerSecond": copy, "systemCallNanoseconds": call,
        "memoryCeilingGbps": ceiling, "rows": numbers})
    draw({"memoryCeilingGbps": ceiling, "rows": numbers})
    return 0


def draw(numbers):
    """scaling.svg: throughput against the memory's ceiling, and what handing over takes of it."""
    if not plots.available():
        plots.warn("scaling")
        return
    rows = numbers["rows"]
    last = rows[-1]["shards"]

    def line(name, key, dashed=False):
        return name, [(row["shards"], row[key]) for row in rows], dashed

    def share_kept(name, key, of):
        return name, [(row["shards"], row[key] / row[of] * 100) for row in rows], False

    ceiling = numbers["memoryCeilingGbps"]
    plots.lines(os.path.join(report.folder, "scaling.svg"), f"A model of up to {last} shards", [
        ("Super-frames, every flow steered", "shards", "throughput, Gb/s", True, [
            line("shards alone", "steered"),
            ("memory's ceiling", [(1, ceiling), (last, ceiling)], True)]),
        ("What is left where frames are handed over", "shards", "throughput, % of all steered", False, [
            share_kept("super-frames, no steering", "random", "steered"),
            share_kept("64-byte segments, a tenth", "tenthSegments", "steeredSegments"),
            share_kept("64-byte segments, no steering", "randomSegments", "steeredSegments")])])


def main():
    parser = COMMAND.parser(__doc__)
    report.add_option(parser)
    parser.add_argument("--plots", action="store_true", help="draw scaling.svg from scaling.json, and measure nothing")
    arguments = parser.parse_args()
    report.choose(arguments)
    COMMAND.run(lambda: draw(report.read("scaling")) if arguments.plots else run(), 2)
