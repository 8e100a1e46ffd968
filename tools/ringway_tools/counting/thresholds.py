"""Fails when a piece of the data path costs more than it did: instructions and allocations of every workload of
Benchmarks, against what Benchmarks/Thresholds says.

A threshold is a file as package-benchmark names and lays them out, one for each workload, with the cost of a thousand
iterations. Instructions may grow by 1 % (and two of them, so that the smallest workloads have room); allocations not at
all. What has become more than 3 % cheaper is reported, so that the gain is kept by --update, which counts a program
that was built from nothing, as a gate's is.

Thresholds hold for one compiler and one processor architecture. Elsewhere costs are printed and nothing fails.
Exit status: 0 within the thresholds, 1 beyond them, 2 when nothing could be counted.
"""

import json
import os
import platform
import sys

from ringway_tools.command import Command
from ringway_tools.counting import callgrind

COMMAND = Command("benchmark-thresholds")


FOLDER = os.path.join(callgrind.PACKAGE, "Thresholds")
GROWTH = 1.01
GAIN = 0.97


def path(name):
    return os.path.join(FOLDER, f"DataPath.{name}.p90.json")


def write(name, cost):
    content = {"instructions": round(cost[0] * 1000), "mallocCountTotal": round(cost[1] * 1000)}
    with open(path(name), "w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=2) + "\n")


def read(name):
    try:
        with open(path(name), encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError:
        return None
    return content["instructions"] / 1000, content["mallocCountTotal"] / 1000


def machine():
    return {"compiler": callgrind.compiler(), "architecture": platform.machine()}


def verdict(cost, threshold):
    if threshold is None:
        return "no threshold", False
    if cost[1] > threshold[1] + 0.0005:
        return f"allocates {cost[1]:g} times, was {threshold[1]:g}", False
    if cost[0] > threshold[0] * GROWTH + 2:
        return f"costs {cost[0] / threshold[0] - 1:+.1%}", False
    if cost[0] < threshold[0] * GAIN - 2:
        return f"costs {cost[0] / threshold[0] - 1:+.1%}: --update keeps it", True
    return "", True


def arguments_given():
    parser = COMMAND.parser(__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="only these; all when none is named")
    parser.add_argument(
        "--update", action="store_true",
        help="write what was counted into Benchmarks/Thresholds; for a change that is worth its cost, or has paid")
    return parser.parse_args()


def run():
    arguments = arguments_given()
    update = arguments.update
    callgrind.require()
    if update:
        callgrind.clean()
    costs = callgrind.count(arguments.workloads)
    record = os.path.join(FOLDER, "machine.json")
    if update:
        os.makedirs(FOLDER, exist_ok=True)
        for name, cost in costs.items():
            write(name, cost)
        with open(record, "w", encoding="utf-8") as file:
            file.write(json.dumps(machine(), indent=2) + "\n")
    with open(record, encoding="utf-8") as file:
        taken = json.load(file)
    comparable = taken == machine()
    failures = 0
    print(f"{'one iteration of':<36} {'instructions':>12} {'threshold':>10} {'allocations':>11}")
    for name, cost in costs.items():
        threshold = read(name)
        remark, good = verdict(cost, threshold)
        failures += not good
        shown = f"{threshold[0]:.1f}" if threshold else "-"
        print(f"{name:<36} {cost[0]:>12.1f} {shown:>10} {cost[1]:>11g}   {remark}".rstrip())
    if not comparable:
        print(f"nothing is compared: the thresholds are for {taken}, this is {machine()}")
        return 0
    if failures:
        print(f"{failures} workloads are beyond their thresholds; see Benchmarks/Thresholds", file=sys.stderr)
    return 1 if failures else 0


def main():
    COMMAND.run(run, 2)
