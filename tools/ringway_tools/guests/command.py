"""Many guests of one daemon, 1, 10 and 50 of them: the sum of their throughput, the latency of quiet guests beside one that
floods, and what a guest costs.

`ringway serve` with TAPs whose other ends are in namespaces, with its default number of shards and with one shard for each
processor, beside another build of it where RINGWAY_OTHER names one; they take turns. Needs root and a release build (swift build -c release --product ringway). Everything happens in namespaces
of its own and in a temporary directory, which are gone at the end.
"""

import dataclasses
import os
import pathlib
import statistics
import sys

from ringway_tools.bench import machine
from ringway_tools.bystanders.ground import Ground
from ringway_tools.command import Command, add_ringway_option, add_write_option
from ringway_tools.failure import Failure
from ringway_tools.guests.measures import empty_memory, measure
from ringway_tools.guests.page import page
from ringway_tools.paths import PERF, RINGWAY

COMMAND = Command("guests")

NEEDS = ["ip=iproute2", "ss=iproute2", "sysctl=procps", "ping=iputils-ping", "iperf3=iperf3", "cc=gcc"]

EPILOG = """environment
  RINGWAY        the binary to judge, as --ringway
  RINGWAY_OTHER  another build of ringway to measure beside it, such as one with threads for each guest
"""


@dataclasses.dataclass(frozen=True)
class Variant:
    """A daemon that is measured: its column's title, its binary and its options."""

    title: str
    binary: str
    options: tuple = ()


def variants(ringway, other):
    shards = str(os.cpu_count())
    chosen = [Variant("ringway", ringway), Variant(f"ringway --shards {shards}", ringway, ("--shards", shards))]
    return chosen + ([Variant("other", other)] if other else [])


def arguments_given():
    parser = COMMAND.parser(__doc__, epilog=EPILOG)
    parser.add_argument("--sizes", default="1,10,50", metavar="N,...", help="numbers of guests (default: 1,10,50)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds of each (default: 3)")
    parser.add_argument("--seconds", type=int, default=5, metavar="S", help="length of each measure (default: 5)")
    parser.add_argument("--quick", action="store_true", help="a short look, to see that everything runs")
    add_ringway_option(parser, os.environ.get("RINGWAY", RINGWAY))
    add_write_option(parser, PERF / "guests.md", "write the table", "; otherwise it is printed")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.sizes, arguments.rounds, arguments.seconds = "1,4", 1, 1
    try:
        arguments.sizes = [int(size) for size in arguments.sizes.split(",")]
    except ValueError:
        parser.error("sizes are numbers")
    if min(arguments.sizes) < 1 or max(arguments.sizes) > 64 or arguments.rounds < 1 or arguments.seconds < 1:
        parser.error("sizes are 1 to 64, rounds and seconds above zero")
    return arguments


def together(rounds):
    """The medians of all rounds."""
    names = [field.name for field in dataclasses.fields(rounds[0])]
    values = {name: [getattr(figures, name) for figures in rounds] for name in names}
    return dataclasses.replace(rounds[0], **{
        name: None if None in found else statistics.median(found) for name, found in values.items()})


def main():
    arguments = arguments_given()
    os.environ["SWIFT_BACKTRACE"] = "enable=no"
    COMMAND.require_root()
    COMMAND.require_binary(arguments.ringway)
    COMMAND.require_packages(NEEDS)
    COMMAND.end_on_signal()
    other = os.environ.get("RINGWAY_OTHER", "")
    if other and not os.access(other, os.X_OK):
        COMMAND.fail(f"RINGWAY_OTHER: {other} is no program")
    measured = variants(arguments.ringway, other)
    found = {}
    share = machine.busy_share() if arguments.quick else machine.await_idle()
    if share >= 0.1:
        COMMAND.complain(f"the machine is {share:.0%} busy with something else; figures may be off")
    try:
        with Ground() as ground:
            server = ground.serve(ground.host)
            empty = {variant: empty_memory(ground, variant) for variant in measured}
            for size in arguments.sizes:
                for _ in range(arguments.rounds):
                    for variant in measured:
                        found.setdefault((size, variant.title), []).append(
                            measure(ground, variant, size, arguments.seconds, empty[variant]))
                print(f"{size} guests: measured", file=sys.stderr, flush=True)
            ground.bed.stop(server)
    except KeyboardInterrupt:
        COMMAND.fail("interrupted", 130)
    except Failure as failure:
        COMMAND.fail(failure)
    text = page(
        arguments, [variant.title for variant in measured],
        {key: together(rounds) for key, rounds in found.items()})
    if arguments.write:
        pathlib.Path(arguments.write).write_text(text)
    else:
        print("\n" + text, end="")
