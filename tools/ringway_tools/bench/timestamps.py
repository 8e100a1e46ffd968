"""The cost of TCP timestamps (RFC 7323) between a guest and Ringway: the same guest with and without, in turn.

The guest's kernel decides, by net.ipv4.tcp_timestamps, which is switched before each measurement. So the figures are of
both: what Ringway does for twelve bytes more on every segment, and what the guest's kernel does. Medians and their
ratios are printed as the table of perf/timestamps.md; what Ringway's part is in instructions, tools/benchmark-thresholds
says (the workloads TCP.*.Timestamps against those without). Needs root and a release build
(swift build -c release --product ringway).
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys

from ringway_tools.command import Command, add_ringway_option
from ringway_tools.failure import Failure
from ringway_tools.paths import PROGRAMS
from ringway_tools.testbed.bed import Bed
from ringway_tools.testbed.guest import Guest

BULK_PORT = 5_201
EXCHANGE_PORT = 6_000
EXCHANGE_PORTS = 4


def processor_seconds(process):
    fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bulk(guest, seconds, *flags):
    before = processor_seconds(guest.bridge)
    report = json.loads(guest.run(
        ["iperf3", "-c", Guest.HOST4, "-p", BULK_PORT, "-t", seconds, "-J", *flags], seconds=seconds + 20))
    end = report["end"]["sum_received"]
    spent = processor_seconds(guest.bridge) - before
    return {"Gb/s": end["bits_per_second"] / 1e9, "bridge, s/GB": spent / end["bytes"] * 1e9}


def exchange(guest, program, kind, count, seconds):
    before = processor_seconds(guest.bridge)
    report = json.loads(guest.run(
        [program, kind, Guest.HOST4, EXCHANGE_PORT, EXCHANGE_PORTS, seconds, count],
        seconds=seconds + 20).strip().splitlines()[-1])
    spent = processor_seconds(guest.bridge) - before
    return {"1/s": report["exchanges"] / report["seconds"], "bridge, µs each": spent / report["exchanges"] * 1e6}


def measures(guest, program, seconds):
    return [
        ("bulk, guest to host", lambda: bulk(guest, seconds)),
        ("bulk, host to guest", lambda: bulk(guest, seconds, "-R")),
        ("request and response, 1 connection", lambda: exchange(guest, program, "ask", 1, seconds)),
        ("request and response, 64 connections", lambda: exchange(guest, program, "ask", 64, seconds)),
        ("connect, request, close; 16 at a time", lambda: exchange(guest, program, "cycle", 16, seconds)),
    ]


def compare(arguments):
    """Measures both sides in turn, and prints the table."""
    samples = {}
    with Bed() as bed:
        program = bed.directory / "exchanges"
        subprocess.run(["cc", "-O2", "-o", program, PROGRAMS / "exchanges.c"], check=True)
        bed.start(["iperf3", "-s", "-p", BULK_PORT, "--forceflush"], bed.host, until="Server listening")
        bed.start([program, "serve", EXCHANGE_PORT, EXCHANGE_PORTS], bed.host, until="listening")
        with Guest(bed, arguments.ringway, 1) as guest:
            for number in range(arguments.rounds):
                for name, measure in measures(guest, program, arguments.seconds):
                    if arguments.only not in name:
                        continue
                    # The order of the sides alternates.
                    for side in ([0, 1], [1, 0])[number % 2]:
                        guest.setting("net.ipv4.tcp_timestamps", str(side))
                        for unit, value in measure().items():
                            samples.setdefault((name, unit), ([], []))[side].append(value)
                print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
    print("| | unit | without | with | ratio of medians | median of ratios |\n| --- | --- | ---: | ---: | ---: | ---: |")
    for (name, unit), (without, with_) in samples.items():
        ratio = statistics.median(b / a for a, b in zip(without, with_))
        low, high = statistics.median(without), statistics.median(with_)
        print(f"| {name} | {unit} | {low:.3f} | {high:.3f} | {high / low:.3f} | {ratio:.3f} |")


def main():
    command = Command("timestamps")
    parser = command.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="of both sides, in turn (default: 9)")
    parser.add_argument("--seconds", type=int, default=2, metavar="N", help="of each measurement (default: 2)")
    parser.add_argument("--only", default="", metavar="TEXT", help="the measurements with this in their names")
    add_ringway_option(parser)
    arguments = parser.parse_args()
    command.require_root()
    command.require_binary(arguments.ringway)
    try:
        compare(arguments)
    except Failure as failure:
        command.fail(failure)
