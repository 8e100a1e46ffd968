"""Guests that connect at once to a daemon with few resources: those that fit work, the others are refused."""

import re
import time

from ringway_tools.acceptance.suite import Suite
from ringway_tools.failure import Failure
from ringway_tools.paths import PERF, TOOLS
from ringway_tools.programs.control import ask
from ringway_tools.testbed.bed import Bed, wait_until
from ringway_tools.testbed.daemon import Daemon

HERE = TOOLS / "ringway_tools/acceptance/inside"
GUESTS = 200
GIBIBYTE = 1 << 30
# Seconds for all guests together, of which a machine without hardware virtualisation needs more.
TIMEOUT, TIMEOUT_IN_MACHINE = 10, 60
MACHINE_MEMORY = 1_024

# The daemon's message for a guest without room.
REASON = re.compile(r"too (?:few|little) .* left for one more guest.*")
RESULT = re.compile(r"joined (\d+) refused (\d+) silent (\d+) answered (\d+)")

# In the case's order: what it is started by, its --max-guests, and how many guests there must be room for at the least.
CASES = {
    "joining": ([], GUESTS, GUESTS // 2),
    "descriptors": (["prlimit", "--nofile=256:256"], GUESTS, 2),
    "address-space": (["prlimit", f"--as={2 * GIBIBYTE}"], GUESTS, 1),
    "overcommit": (None, GUESTS, 1),
}


def compiled(bed):
    program = bed.directory / "joining"
    bed.run(["cc", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-static", "-o", program, HERE / "joining.c"])
    return program


def verdict(text, least):
    """The verdict on the guests' line, if every value in it is correct."""
    found = RESULT.search(text)
    if not found:
        raise Failure(f"the guests said: {text.strip()[-300:]}")
    joined, refused, silent, answered = map(int, found.groups())
    line = f"{joined} of {joined + refused + silent} guests joined, {refused} refused"
    if silent:
        raise Failure(f"{line}, {silent} have had neither an answer nor a refusal")
    if answered != joined:
        raise Failure(f"{line}, of those that joined {answered} have the gateway's answer to an echo")
    if joined < least:
        raise Failure(f"{line}: there must be room for {least} at the least")
    return line, refused


def reason_in(text, line, refused):
    """The daemon's messages for refused guests, in brackets."""
    if not refused:
        return ""
    found = REASON.search(text)
    if not found:
        raise Failure(f"{line}, and the daemon gives no reason: {text.strip()[-300:]}")
    return f" ({found.group()})"


def judge_here(bed, ringway, launcher, most, least):
    """A daemon in a namespace, and the guests beside it."""
    guests = compiled(bed)
    link, control = bed.directory / "guests", bed.directory / "control"
    daemon = Daemon(
        bed, ringway, [f"qemu:{link}"], ["--no-state", "--control", control, "--max-guests", most], launcher)
    with daemon:
        line, refused = verdict(bed.run([guests, link, GUESTS, TIMEOUT]), least)
        start = time.monotonic()
        status = ask(str(control), "GET", "/v1/status")
        elapsed = (time.monotonic() - start) * 1_000
        if status.status != 200:
            raise Failure(f"{line}; the control socket says {status.status}")
        reason = reason_in(daemon.program.text, line, refused)
        # The guests have left: there is room again.
        wait_until(lambda: ask(str(control), "GET", "/v1/status").json()["guests"] == 0, "the end of all guests")
        again, _ = verdict(bed.run([guests, link, min(least, 2), TIMEOUT]), min(least, 2))
        daemon.program.require_running()
    return f"{line}{reason}; control in {elapsed:.0f} ms; afterwards {again}"


def judge_in_machine(bed, ringway, most, least):
    """Everything in a machine, because the commit limit belongs to a whole kernel."""
    program = [TOOLS / "vm", "--memory", MACHINE_MEMORY, "--time", 280, "--program", ringway, "--program", "curl",
               "--file", f"{compiled(bed)}:/bin/joining", "--file", HERE / "overcommit.sh", "--",
               "sh", "/overcommit.sh", GUESTS, most, TIMEOUT_IN_MACHINE]
    text = bed.start(program).await_end(300)
    line, refused = verdict(text, least)
    if "control answers" not in text:
        raise Failure(f"{line}; the control socket does not answer: {text.strip()[-300:]}")
    limit = re.search(r"CommitLimit: *(\d+) kB", text)
    return f"{line}{reason_in(text, line, refused)}; {int(limit.group(1)) // 1_024} MiB could be committed"


class LimitsSuite(Suite):
    name = "limits"
    summary = "200 guests come at once to a daemon with few descriptors or little memory"
    description = """A daemon that has little, and guests that come together: PASS or FAIL for each limit.

200 guests connect to "ringway serve" and ask for the gateway at the same time. Those for whom there is room must have
answers, and go on having them; the others must be refused, not left waiting, and the daemon must say why; the control
socket must answer; and when all have left, guests must be let in again. Needs root and a release build (swift build -c
release --product ringway).
"""
    epilog = """
cases
  joining        the process's own limits
  descriptors    256 descriptors (ulimit -n 256)
  address-space  2 GiB of address space (ulimit -v)
  overcommit     a machine of 1 GiB whose kernel promises no more memory than it has (vm.overcommit_memory=2), in QEMU
"""
    title = "Guests that come together to a daemon that has little"
    page = PERF / "acceptance-limits.md"
    setting = "guests"
    conditions = "that daemon and guests share"
    needs = ("ip=iproute2", "cc=gcc", "prlimit=util-linux", "sysctl=procps")

    def cases(self):
        return list(CASES)

    def judge(self, arguments, report):
        for name, (launcher, most, least) in CASES.items():
            if not self.wants(arguments, name):
                continue
            with Bed() as bed:
                if launcher is None:
                    report.judge(name, GUESTS, lambda: judge_in_machine(bed, arguments.ringway, most, least))
                else:
                    report.judge(name, GUESTS, lambda: judge_here(bed, arguments.ringway, launcher, most, least))
