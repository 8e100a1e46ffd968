"""Measures shards that are pumped from memory, without any kernel: what a frame costs, whether two shards do twice the
work of one, and what handing a frame over to another shard costs.

Every case is run once a round, one after the other, so that a machine that slows down slows all of them; told are the
medians of the rounds (7 of them, of 300 ms). Each shard has a processor of its own. Writes pump.md and pump.json, in
.build/counts unless --write says perf/.
"""

import argparse
import os
import statistics
import subprocess

from ringway_tools.command import Command
from ringway_tools.counting import callgrind, report
from ringway_tools.failure import Failure

COMMAND = Command("pump")


KINDS = {
    "receive": ("super-frames from the guest", "TCP.Receive.SuperFrame"),
    "transmit": ("super-frames to the guest, acknowledged", "TCP.Transmit.SuperFrame"),
    "segments": ("segments of 64 bytes from the guest", "TCP.Receive.64"),
}
HANDED = [("receive", 10), ("receive", 50), ("segments", 10), ("segments", 50)]


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"\"{text}\" is not above zero")
    return number


def arguments_given():
    parser = COMMAND.parser(__doc__)
    parser.add_argument("--rounds", type=positive, default=7, metavar="N", help="rounds of all cases (default: 7)")
    parser.add_argument(
        "--milliseconds", type=positive, default=300, metavar="N", help="length of a case (default: 300)")
    report.add_option(parser)
    return parser.parse_args()


def measure(rounds, milliseconds):
    """(shards, kind, percent) -> the median of (frames per second, nanoseconds per frame, share handed over)."""
    program = callgrind.build("pump")
    cases = [(shards, kind, 0) for kind in KINDS for shards in (1, 2)] + [(2, *case) for case in HANDED]
    seen = {case: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            command = [program, *map(str, case), str(milliseconds)]
            line = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            rate, picoseconds, handed = map(int, line.split())
            seen[case].append((rate, picoseconds / 1000, handed / 10000))
    return {case: tuple(map(statistics.median, zip(*runs))) for case, runs in seen.items()}, seen


def run():
    arguments = arguments_given()
    report.choose(arguments)
    callgrind.require()
    if len(os.sched_getaffinity(0)) < 2:
        raise Failure("two shards need two processors")
    rounds = arguments.rounds
    medians, seen = measure(rounds, arguments.milliseconds)
    costs = callgrind.count([workload for _, workload in KINDS.values()])
    rows, numbers = [], {"machine": report.machine(), "kinds": {}, "handedOver": []}
    for kind, (words, workload) in KINDS.items():
        one, two = medians[(1, kind, 0)], medians[(2, kind, 0)]
        ratios = [b[0] / a[0] for a, b in zip(seen[(1, kind, 0)], seen[(2, kind, 0)])]
        ratio = statistics.median(ratios)
        rows.append([words, f"{costs[workload][0]:.0f}", f"{one[1]:.0f}", f"{one[0] / 1e6:.2f}", f"{two[0] / 1e6:.2f}",
                     f"{ratio:.2f}"])
        numbers["kinds"][kind] = {
            "instructions": round(costs[workload][0], 1), "nanoseconds": round(one[1], 1), "oneShard": one[0],
            "twoShards": two[0], "ratio": round(ratio, 3)}
    handed = []
    for kind, percent in HANDED:
        own, rate = medians[(2, kind, 0)], medians[(2, kind, percent)]
        if rate[2] == 0:
            raise Failure("nothing was handed over: the machine is too busy to measure it")
        extra = (rate[1] - own[1]) / rate[2]
        against = rate[0] / medians[(1, kind, 0)][0]
        handed.append([KINDS[kind][0], f"{rate[2]:.0%}", f"{rate[1]:.0f}", f"{extra:.0f}", f"{rate[0] / 1e6:.2f}",
                       f"{against:.2f}"])
        numbers["handedOver"].append({
            "kind": kind, "share": rate[2], "nanoseconds": round(rate[1], 1), "extra": round(extra, 1),
            "ratio": round(against, 3)})
    own = report.table(["frames", "instructions", "ns", "1 shard, M/s", "2 shards, M/s", "2 to 1"], rows)
    over = report.table(
        ["two shards", "handed over", "ns", "more per frame handed over, ns", "M/s", "to 1 shard"], handed)
    text = f"""# Shards pumped from memory

Frames come from memory and go nowhere: parsed, found, received, acknowledged, their effects drained, but no system call
made and no payload touched. So this is what Ringway itself adds to the kernel's work. Twenty flows a shard; a receive
includes a turn's share of acknowledgements, a transmit the guest's acknowledgement of each frame.

{own}
A frame whose flow belongs to the other shard is handed to it, lease and all, and the lease goes home in a later turn:

{over}
Medians of {rounds} rounds, cases in turn; {report.machine()}; written by `tools/pump`. Instructions by callgrind.
"""
    print(own + "\n" + over, end="")
    report.write("pump", text, numbers)
    return 0


def main():
    COMMAND.run(run, 2)
