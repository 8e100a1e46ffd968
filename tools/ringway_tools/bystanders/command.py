"""The effect of a hostile guest on a good one: latency, connects and refusals beside nothing, beside a process that is as
busy but has no link, and beside the hostile guest.

`ringway serve` with a fresh guest for each. Needs root and a release build (swift build -c release --product ringway).
Everything happens in namespaces of its own and in a temporary directory, which are gone at the end.
"""

import os
import pathlib
import sys
import time

from ringway_tools.bench import machine
from ringway_tools.bystanders.ground import Ground
from ringway_tools.bystanders.judgement import Table, together
from ringway_tools.bystanders.rows import ROWS
from ringway_tools.bystanders.situation import Situation
from ringway_tools.command import Command, add_ringway_option, add_write_option
from ringway_tools.failure import Failure
from ringway_tools.paths import PERF, RINGWAY

COMMAND = Command("bystanders")

NEEDS = ["ip=iproute2", "ss=iproute2", "sysctl=procps", "ping=iputils-ping", "prlimit=util-linux", "cc=gcc"]

EPILOG = "rows\n" + "\n".join(f"  {row.name:<18} {row.title}" for row in ROWS) + """

environment
  RINGWAY  the binary to judge, as --ringway

exit status
  0 when the goal holds for every row, 1 when it does not for one, 2 for a command line that is invalid.
"""


def arguments_given():
    parser = COMMAND.parser(__doc__, epilog=EPILOG)
    parser.add_argument("--only", metavar="ROW,...", help="only these rows")
    parser.add_argument("--quick", action="store_true", help="a short look, to see that everything runs")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="rounds of each row (default: 1)")
    parser.add_argument("--seconds", type=float, metavar="S",
                        help="length of each measure (default: 2.5, with --quick 0.8)")
    parser.add_argument("--count-daemon", action="store_true",
                        help="have the busy process burn also what the daemon spends on the hostile guest, to tell "
                             "processor time from all else; the goal is meant without it")
    add_ringway_option(parser, os.environ.get("RINGWAY", RINGWAY))
    add_write_option(parser, PERF / "bystanders.md", "write the table", "; otherwise it is printed")
    arguments = parser.parse_args()
    names = [row.name for row in ROWS]
    arguments.rows = [name for name in (arguments.only or "").split(",") if name] or names
    for name in arguments.rows:
        if name not in names:
            parser.error(f"there is no row \"{name}\": {', '.join(names)}")
    arguments.seconds = arguments.seconds or (0.8 if arguments.quick else 2.5)
    if arguments.rounds < 1 or arguments.seconds <= 0:
        parser.error("rounds and seconds must be above zero")
    return arguments


def measure(ground, row, arguments):
    """The figures of all rounds beside nothing, beside the hostile guest, and beside a process that is as busy."""
    def figures(beside):
        return Situation(ground, arguments.ringway, row, arguments.seconds).measure(beside)

    found = {"alone": [], "busy": [], "hostile": []}
    for _ in range(arguments.rounds):
        alone, hostile = figures(None), figures("hostile")
        share = hostile.neighbour_share
        if arguments.count_daemon:
            share += max(0.0, hostile.daemon_share - alone.daemon_share)
        found["alone"].append(alone)
        found["hostile"].append(hostile)
        found["busy"].append(figures(share))
    return {side: together(rounds) for side, rounds in found.items()}


def main():
    arguments = arguments_given()
    # The backtrace of a daemon that crashes under test is not needed.
    os.environ["SWIFT_BACKTRACE"] = "enable=no"
    COMMAND.require_root()
    COMMAND.require_binary(arguments.ringway)
    COMMAND.require_packages(NEEDS)
    COMMAND.end_on_signal()
    table = Table(arguments.rounds, arguments.seconds)
    try:
        share = machine.busy_share() if arguments.quick else machine.await_idle()
        if share >= 0.1:
            COMMAND.complain(f"the machine is {share:.0%} busy with something else; figures may be off")
        with Ground() as ground:
            for row in ROWS:
                if row.name not in arguments.rows:
                    continue
                started = time.monotonic()
                try:
                    found = measure(ground, row, arguments)
                    table.add(row, found, time.monotonic() - started)
                except Failure as failure:
                    table.add_failure(row, " ".join(str(failure).split()))
    except KeyboardInterrupt:
        COMMAND.fail("interrupted", 130)
    if arguments.write:
        pathlib.Path(arguments.write).write_text(table.page())
    else:
        print("\n" + table.page(), end="")
    sys.exit(1 if table.failed else 0)
