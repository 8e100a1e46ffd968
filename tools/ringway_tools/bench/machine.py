"""Processor time and memory of a measurement, and the machine: whether it is idle, and its description."""

import os
import pathlib
import platform
import subprocess
import time

TICK = 1 / os.sysconf("SC_CLK_TCK")


def machine_seconds():
    """Seconds that all cores together have worked and waited: (busy, all). Interrupts count as work, steal does not."""
    fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, idle, wait, interrupt, soft_interrupt, _ = fields
    busy = user + nice + system + interrupt + soft_interrupt
    return busy * TICK, (busy + idle + wait) * TICK


def process_tree(identifier):
    """A process and all its descendants."""
    found = [identifier]
    for process in found:
        for children in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def process_seconds(identifiers):
    """Processor time of the processes and their descendants, all threads counted."""
    ticks = 0
    for root in identifiers:
        for process in process_tree(root):
            try:
                # The name, in parentheses, may hold blanks.
                fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += int(fields[11]) + int(fields[12])
    return ticks * TICK


def resident_bytes(identifiers):
    total = 0
    for root in identifiers:
        for process in process_tree(root):
            try:
                pages = int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[1])
            except (OSError, IndexError):
                continue
            total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


class Meter:
    """Processor time between two moments, of a bridge and of the whole machine."""

    def __init__(self, identifiers):
        self.identifiers = identifiers
        self.bridge = process_seconds(identifiers)
        self.machine = machine_seconds()[0]

    def read(self):
        return process_seconds(self.identifiers) - self.bridge, machine_seconds()[0] - self.machine


def busy_share(seconds=1.0):
    busy, everything = machine_seconds()
    time.sleep(seconds)
    busy_after, everything_after = machine_seconds()
    return (busy_after - busy) / max(everything_after - everything, TICK)


def await_idle(limit=0.1, seconds=30.0):
    """The share of the machine that others use: the last one seen, which is below the limit unless time was up."""
    deadline = time.monotonic() + seconds
    while True:
        share = busy_share()
        if share < limit or time.monotonic() > deadline:
            return share
        print(f"The machine is {share:.0%} busy; waiting for it to become idle.", flush=True)


def description():
    processor = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    mebibytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    return {
        "kernel": platform.release(), "architecture": platform.machine(), "processor": processor,
        "cores": os.cpu_count(), "memoryMebibytes": mebibytes,
    }


def first_line(arguments):
    """The first line a program prints, or an empty text."""
    try:
        result = subprocess.run(
            arguments, capture_output=True, text=True, timeout=10, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ((result.stdout.strip() or result.stderr.strip()).splitlines() or [""])[0]


def package_version(package):
    text = first_line(["dpkg-query", "-W", "-f", "${Version}", package])
    return "" if "no packages" in text else text
